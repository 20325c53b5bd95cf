"""Dropout of a CPU, from 16 random bits a number."""

import pytest
import torch

from progbench.training import cpu


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

    assert cpu.dropout(hidden, 0.5, inplace=True) is hidden
    assert not hidden.all()
