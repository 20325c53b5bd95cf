"""Attention with dropout, whose gradient is spelt out."""

import itertools

import numpy
import pytest
import torch

from progbench.training import packed_seeds
from progbench.training.attention import WithDropout, attention
from progbench.training.packed import Packing
from progbench.training.varlen import Bias

LENGTHS = [1, 2, 2, 4]


def heads(dtype=torch.float64):
    torch.manual_seed(0)
    return [torch.randn(1, 2, sum(LENGTHS), 3, dtype=dtype, requires_grad=True) for _ in range(3)]


def bias():
    """A number for each pair of places, of two heads and the longest text."""
    return torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)


def text_by_text(those, masks=(None,) * 4):
    """Torch's attention, a call a text."""
    starts = [0, 1, 3, 5, 9]
    found = [
        torch.nn.functional.scaled_dot_product_attention(*(x[:, :, start:stop] for x in those), attn_mask=mask)
        for (start, stop), mask in zip(itertools.pairwise(starts), masks, strict=True)
    ]
    return torch.cat(found, 2).transpose(1, 2)


def dropped(*those, most_padded=0, scaling=0.7):
    """With the same dropout at each call."""
    torch.manual_seed(1)
    return WithDropout.apply(*those[:3], Packing.of(LENGTHS, most_padded).groups, 0.4, scaling, *those[3:])


@pytest.mark.parametrize("most_padded", [0, 10**6], ids=["a call a length", "one call"])
def test_the_gradient_is_that_of_what_is_computed(most_padded):
    assert torch.autograd.gradcheck(lambda *those: dropped(*those, most_padded=most_padded), heads())


@pytest.mark.parametrize("most_padded", [0, 10**6], ids=["a call a length", "one call"])
def test_with_hardly_any_dropout_it_is_torchs_attention_text_by_text(most_padded):
    those = heads()
    ours = attention(None, *those, None, dropout=2e-5, packing=Packing.of(LENGTHS, most_padded))[0]

    torch.testing.assert_close(ours, text_by_text(those), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("most_padded", [0, 10**6], ids=["a call a length", "one call"])
def test_the_gradient_with_a_bias_is_that_of_what_is_computed(most_padded):
    assert torch.autograd.gradcheck(lambda *those: dropped(*those, most_padded=most_padded), [*heads(), bias()])


@pytest.mark.parametrize("most_padded", [0, 10**6], ids=["a call a length", "one call"])
@pytest.mark.parametrize(("dropout", "near"), [(0.0, 1e-12), (2e-5, 1e-3)])
def test_a_bias_is_added_to_each_texts_own_scores(dropout, near, most_padded):
    those, added = heads(), bias()
    packing = Packing.of(LENGTHS, most_padded)
    ours = attention(None, *those, None, dropout=dropout, packing=packing, bias=Bias(added, packing))[0]
    theirs = text_by_text(those, [added[..., :length, :length] for length in LENGTHS])

    torch.testing.assert_close(ours, theirs, rtol=0, atol=near)


def test_of_seeds_side_by_side_each_adds_its_own_bias():
    torch.manual_seed(0)
    those = [torch.randn(2, 2, sum(LENGTHS) + 1, 3, dtype=torch.float64) for _ in range(3)]
    added = torch.cat([bias(), bias()])
    lengths, first, groups = numpy.array([LENGTHS] * 2), numpy.array([[0, 1, 3, 5]] * 2), ((4, 4),)
    at = [numpy.array([0, 4, 5, 8, 9, 12, 13, 14, 15])] * 2
    placed = map(torch.from_numpy, packed_seeds._placed(groups, lengths, at, 10))
    where = packed_seeds.PackedSeeds(torch.from_numpy(first), groups, *placed)
    ours = attention(None, *those, None, packing=where, bias=Bias(added, where))[0][:, : sum(LENGTHS)]
    theirs = [
        text_by_text(
            [part[seed : seed + 1, :, : sum(LENGTHS)] for part in those],
            [added[seed : seed + 1, :, :n, :n] for n in LENGTHS],
        )
        for seed in range(2)
    ]

    torch.testing.assert_close(ours, torch.cat(theirs), rtol=0, atol=1e-12)


def test_half_precision_is_multiplied_in_single_precision():
    those = [part.bfloat16().detach().requires_grad_() for part in heads()]
    with torch.autocast("cpu", torch.bfloat16):
        low = dropped(*those)
        low.float().sum().backward()
    wide = [part.detach().float().requires_grad_() for part in those]
    high = dropped(*wide)
    high.sum().backward()

    assert low.dtype == torch.bfloat16
    assert torch.equal(low, high.bfloat16())
    assert all(torch.equal(a.grad, b.grad.bfloat16()) for a, b in zip(those, wide, strict=True))
