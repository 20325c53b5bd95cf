"""The faster ways of a CPU compute what torch's own do."""

import contextlib
import gc
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from progbench.training import cpu, process, step, train

WANTED = [(True, True, True), (True, False, False), (False, True, False), (False, False, True), (True, False, True)]


@pytest.fixture
def onednn(monkeypatch):
    """oneDNN whatever this processor is, and the shapes of the products it was given."""
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this torch comes without oneDNN")
    monkeypatch.setattr(cpu, "ONEDNN", True)
    shapes, product = [], cpu._product

    def noted(rows, *rest):
        shapes.append(rows.shape)
        return product(rows, *rest)

    monkeypatch.setattr(cpu, "_product", noted)
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


def test_a_gradient_that_is_one_number_everywhere_is_taken(onednn):
    rows, weight = torch.randn(3, 7, requires_grad=True), torch.randn(5, 7, requires_grad=True)
    cpu.linear(rows, weight).sum().backward()

    torch.testing.assert_close(rows.grad, weight.detach().sum(0).expand(3, 7))
    torch.testing.assert_close(weight.grad, rows.detach().sum(0).expand(5, 7))


def test_rows_that_are_one_row_repeated_are_taken(onednn):
    rows, weight = torch.randn(1, 7).expand(3, 7), torch.randn(5, 7, requires_grad=True)
    cpu.linear(rows, weight).square().sum().backward()
    ours, weight.grad = weight.grad, None
    nn.functional.linear(rows, weight).square().sum().backward()

    torch.testing.assert_close(ours, weight.grad)


def test_no_rows_have_a_gradient_of_zero(onednn):
    weight = torch.randn(5, 7, requires_grad=True)
    cpu.linear(torch.empty(0, 7), weight).sum().backward()

    assert not weight.grad.any()


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


def test_with_autocast_a_frozen_layer_gives_what_torch_gives():
    layer, rows = nn.Linear(7, 5).requires_grad_(False), torch.randn(3, 7)
    with torch.autocast("cpu", torch.bfloat16):
        theirs = layer(rows)
        ours = [cpu.linear(rows, layer.weight, layer.bias) for _ in range(2)]

    assert theirs.dtype == torch.bfloat16
    assert all(torch.equal(one, theirs) for one in ours)


def test_with_autocast_a_frozen_weight_is_cast_once(monkeypatch):
    layer, rows, casts = nn.Linear(7, 5).requires_grad_(False), torch.randn(3, 7), []
    to = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *rest: casts.append(self.shape) or to(self, *rest))
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16):
            cpu.linear(rows, layer.weight, layer.bias)

    assert casts == [(5, 7), (5,)]


def test_a_frozen_weight_that_was_changed_is_cast_anew():
    layer, rows = nn.Linear(7, 5).requires_grad_(False), torch.randn(3, 7)
    with torch.autocast("cpu", torch.bfloat16):
        before = cpu.linear(rows, layer.weight)
        layer.weight.mul_(2)
        after = cpu.linear(rows, layer.weight)

    assert torch.equal(after, 2 * before)


def test_a_weight_that_trains_again_has_its_gradient_and_keeps_no_copy():
    layer, rows = nn.Linear(7, 5).requires_grad_(False), torch.randn(3, 7)
    with torch.autocast("cpu", torch.bfloat16):
        cpu.linear(rows, layer.weight)
        frozen = layer.weight in cpu._COPIES
        layer.weight.requires_grad_()
        cpu.linear(rows, layer.weight).float().sum().backward()

    assert layer.weight.grad.any()
    assert (frozen, layer.weight in cpu._COPIES) == (True, False)


def test_a_copy_made_in_inference_mode_can_be_trained_through():
    layer, rows = nn.Linear(7, 5).requires_grad_(False), torch.randn(3, 7, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        with torch.inference_mode():
            cpu.linear(rows, layer.weight)
        cpu.linear(rows, layer.weight).float().sum().backward()

    assert rows.grad.any()


def test_copies_go_with_their_model():
    before = len(cpu._COPIES)
    layer = nn.Linear(7, 5).requires_grad_(False)
    cpu.take_over(layer)
    with torch.autocast("cpu", torch.bfloat16):
        layer(torch.randn(3, 7))
    inside = len(cpu._COPIES)
    gc.disable()  # at once, not when somebody collects
    try:
        del layer
        left = len(cpu._COPIES)
    finally:
        gc.enable()

    assert (inside, left) == (before + 2, before)


def test_a_model_that_was_taken_over_computes_by_the_faster_ways_and_no_other_does(onednn, monkeypatch):
    models = [nn.Sequential(nn.Linear(7, 5), nn.Dropout(0.5)) for _ in range(2)]
    drops, dropout = [], cpu.dropout
    monkeypatch.setattr(cpu, "dropout", lambda *given: drops.append(given) or dropout(*given))
    cpu.take_over(models[0])
    for model in models:
        model(torch.randn(3, 7))

    assert len(onednn) == len(drops) == 1


def test_dropout_of_a_model_that_was_taken_over_ends_with_training():
    model = nn.Sequential(nn.Dropout(0.5))
    cpu.take_over(model)
    hidden = torch.ones(50)

    assert not torch.equal(model(hidden), hidden)
    assert torch.equal(model.eval()(hidden), hidden)


@pytest.mark.usefixtures("two_dozen_rows")
@pytest.mark.parametrize(("precision", "through"), [("fp32", True), ("bf16", False)])
def test_training_and_scoring_take_the_faster_ways(onednn, smoke_recipe, monkeypatch, precision, through):
    during, linear = {"training": 0, "scoring": 0}, cpu.linear

    def noted(*arguments):
        before = len(onednn)
        output = linear(*arguments)
        during["training" if torch.is_grad_enabled() else "scoring"] += len(onednn) - before
        return output

    monkeypatch.setattr(cpu, "linear", noted)
    train.train(smoke_recipe(epochs=1, batch_size=100, precision=precision), 0)

    assert {name: calls > 0 for name, calls in during.items()} == {"training": through, "scoring": through}


@pytest.mark.usefixtures("two_dozen_rows")
@pytest.mark.parametrize("breaks", [False, True])
def test_training_keeps_its_memory_until_it_ends_however_it_ends(smoke_recipe, monkeypatch, breaks):
    seen = []

    @contextlib.contextmanager
    def kept():
        seen.append("kept")
        try:
            yield
        finally:
            seen.append("given back")

    monkeypatch.setattr(process, "kept_memory", kept)
    if breaks:
        monkeypatch.setattr(step, "autocast", lambda *given: 1 / 0)
    with contextlib.suppress(ZeroDivisionError):
        train.train(smoke_recipe(epochs=1, batch_size=100), 0)

    assert seen == ["kept", "given back"]


SHAPES = """
import ctypes, torch
from progbench.training import cpu

class Blocks(ctypes.Structure):  # glibc's mallinfo2(3)
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

def in_use():
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = Blocks
    return library.mallinfo2().uordblks

weight = torch.ones(256, 256)
with torch.inference_mode():
    cpu._product(torch.ones(1, 256), weight)
    before = in_use()
    for rows in range(2, 258):
        cpu._product(torch.ones(rows, 256), weight)
    print(in_use() - before)
"""
ROOT = Path(__file__).resolve().parents[2]
PAGE_FAULTS = """
import resource, torch
from progbench.training import process

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(6):
        torch.ones(10 << 20)  # 40 MiB: glibc keeps at most 32 by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults()
with process.kept_memory():
    faults(), faults()
    kept = faults()
print(usual, kept)
"""


GLIBC = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or "LD_PRELOAD" in os.environ, reason="only glibc's allocator can be told"
)


@GLIBC
@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch comes without oneDNN")
def test_shapes_that_do_not_come_again_are_not_kept(tmp_path):
    (tmp_path / "shapes.py").write_text(SHAPES)
    usual = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "1024", "LRU_CACHE_CAPACITY": "1024"}
    inherited = {name: value for name, value in os.environ.items() if name not in usual}
    bytes_kept = [
        int(subprocess.check_output([sys.executable, "shapes.py"], cwd=tmp_path, text=True, env=env))
        for env in ({**inherited, "PYTHONPATH": str(ROOT)}, {**inherited, **usual, "PYTHONPATH": str(ROOT)})
    ]

    assert bytes_kept[0] < bytes_kept[1] / 2  # 64 of 256


@GLIBC
def test_memory_that_is_kept_is_not_fetched_again(tmp_path, warm):
    (tmp_path / "page_faults.py").write_text(PAGE_FAULTS)
    done = warm("page_faults", cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    usual, kept = map(int, done.stdout.split())

    assert kept < 0.1 * usual
