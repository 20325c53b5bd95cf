"""The faster ways of a CPU compute what torch's own do."""

import platform
import resource

import pytest
import torch
from torch import nn

from progbench import cpu, train

WANTED = [(True, True, True), (True, False, False), (False, True, False), (False, False, True), (True, False, True)]


@pytest.fixture
def onednn(monkeypatch):
    """oneDNN whatever this processor is, and the shapes of the products it was given."""
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this torch comes without oneDNN")
    monkeypatch.setattr(cpu, "ONEDNN", True)
    shapes, product = [], cpu._product
    monkeypatch.setattr(cpu, "_product", lambda *given: shapes.append(given[0].shape) or product(*given))
    return shapes


def gradients(layer, shape, wanted):
    """A layer's output, and the gradients that are wanted of its arguments."""
    torch.manual_seed(0)
    arguments = [torch.randn(*shape, 7), torch.randn(5, 7), torch.randn(5)]
    for argument, wants in zip(arguments, wanted, strict=True):
        argument.requires_grad_(wants)
    output = layer(*arguments)
    output.transpose(0, -1).square().sum().backward()
    return [output, *(argument.grad for argument in arguments)]


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("shape", [(6,), (1, 6), (2, 3, 4), (1,)])
def test_a_linear_layer_and_its_gradients_are_torchs(onednn, shape, wanted):
    ours, theirs = gradients(cpu.linear, shape, wanted), gradients(nn.functional.linear, shape, wanted)

    assert onednn
    for mine, its in zip(ours, theirs, strict=True):
        assert (mine is None) == (its is None)
        if its is not None:
            torch.testing.assert_close(mine, its)


def test_a_linear_layer_without_bias_is_torchs(onednn):
    rows, weight = torch.randn(3, 7), torch.randn(5, 7)

    torch.testing.assert_close(cpu.linear(rows, weight), rows @ weight.t())


def test_a_gradient_that_is_not_wanted_keeps_nothing_alive(onednn):
    kept = []
    frozen, rows = nn.Linear(7, 5).requires_grad_(False), torch.randn(3, 7, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.shape) or tensor, lambda it: it):
        cpu.linear(rows, frozen.weight, frozen.bias)

    assert kept == [(5, 7)]


@pytest.mark.parametrize("case", ["float64", "one dimension", "autocast", "another processor"])
def test_what_onednn_is_not_for_stays_with_torch(onednn, monkeypatch, case):
    rows, weight = torch.randn(3, 7), torch.randn(5, 7)
    if case == "another processor":
        monkeypatch.setattr(cpu, "ONEDNN", False)
    if case == "float64":
        rows, weight = rows.double(), weight.double()
    if case == "one dimension":
        rows = rows[0]
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"):
        assert torch.equal(cpu.linear(rows, weight), nn.functional.linear(rows, weight))
    assert not onednn


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropout_keeps_its_share_and_makes_up_for_what_it_drops(dtype):
    torch.manual_seed(0)
    dropped = cpu.dropout(torch.ones(250, 400, dtype=dtype), 0.1)
    share = (dropped != 0).double().mean().item()

    assert dropped.dtype == dtype
    assert share == pytest.approx(0.9, abs=5 * (0.9 * 0.1 / 100_000) ** 0.5)
    assert dropped.max().item() == pytest.approx(1 / 0.9, rel=2**-8 if dtype == torch.bfloat16 else 1e-4)


def test_dropout_drops_in_its_gradient_what_it_dropped():
    hidden = torch.ones(101, requires_grad=True)
    dropped = cpu.dropout(hidden, 0.5)
    dropped.sum().backward()

    assert torch.equal(hidden.grad, dropped.detach())


def test_dropout_falls_on_each_place_alike():
    torch.manual_seed(0)
    kept = sum((cpu.dropout(torch.ones(9), 0.5) != 0).double() for _ in range(4000)) / 4000

    assert kept.tolist() == pytest.approx([0.5] * 9, abs=5 * (0.25 / 4000) ** 0.5)


def test_dropout_is_the_same_on_any_number_of_threads():
    before, seen = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            torch.manual_seed(0)
            seen.append(cpu.dropout(torch.ones(1_000_000), 0.1))
    finally:
        torch.set_num_threads(before)

    assert torch.equal(*seen)


@pytest.mark.parametrize("options", [{"p": 0.0}, {"p": 1e-6}, {"p": 0.3, "training": False}])
def test_dropout_of_nothing_leaves_everything(options):
    hidden = torch.randn(50)

    torch.testing.assert_close(cpu.dropout(hidden, **options), hidden)


def test_dropout_of_everything_leaves_nothing():
    assert not cpu.dropout(torch.ones(50), 1.0).any()


def test_dropout_in_place_changes_its_argument():
    hidden = torch.ones(50)

    assert cpu.dropout(hidden, 1.0, inplace=True) is hidden
    assert not hidden.any()


def test_a_model_takes_the_faster_ways_while_they_are_entered_and_only_then(onednn):
    layer, hidden = nn.Sequential(nn.Linear(7, 5), nn.Dropout(0.5)), torch.randn(3, 7)
    with cpu.Kernels():
        layer(hidden)
    inside = len(onednn)
    layer(hidden)

    assert inside == len(onednn) == 1


@pytest.mark.parametrize(("precision", "through"), [("fp32", True), ("bf16", False)])
def test_training_and_scoring_take_the_faster_ways(onednn, smoke_recipe, precision, through):
    train.train(smoke_recipe(epochs=1, precision=precision), 0)

    assert bool(onednn) == through


def test_training_keeps_its_memory_and_gives_it_back(smoke_recipe, monkeypatch):
    entered = []
    kept = cpu.kept_memory

    def spy():
        entered.append("kept")
        return kept()

    monkeypatch.setattr(cpu, "kept_memory", spy)
    train.train(smoke_recipe(epochs=1), 0)

    assert entered == ["kept"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator can be told")
def test_memory_that_is_kept_is_not_fetched_again():
    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(8):
            torch.ones(1 << 24)  # 64 MiB
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    usual = faults()
    with cpu.kept_memory():
        faults()
        kept = faults()
    after = faults()

    assert kept < 0.1 * usual
    assert after > 0.5 * usual
