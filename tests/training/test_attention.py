"""Attention with dropout, whose gradient is spelt out."""

import itertools

import pytest
import torch

from progbench.training.attention import WithDropout, attention
from progbench.training.rows import Packing

LENGTHS = [1, 2, 2, 4]


def heads(dtype=torch.float64):
    torch.manual_seed(0)
    return [torch.randn(1, 2, sum(LENGTHS), 3, dtype=dtype, requires_grad=True) for _ in range(3)]


def dropped(*those, most_padded=0, scaling=0.7):
    """With the same dropout at each call."""
    torch.manual_seed(1)
    return WithDropout.apply(*those, Packing.of(LENGTHS, most_padded).groups, 0.4, scaling)


@pytest.mark.parametrize("most_padded", [0, 10**6], ids=["a call a length", "one call"])
def test_the_gradient_is_that_of_what_is_computed(most_padded):
    assert torch.autograd.gradcheck(lambda *those: dropped(*those, most_padded=most_padded), heads())


@pytest.mark.parametrize("most_padded", [0, 10**6], ids=["a call a length", "one call"])
def test_with_hardly_any_dropout_it_is_torchs_attention_text_by_text(most_padded):
    query, key, value = heads()
    ours = attention(None, query, key, value, None, dropout=2e-5, packing=Packing.of(LENGTHS, most_padded))[0]
    starts = [0, 1, 3, 5, 9]
    theirs = [
        torch.nn.functional.scaled_dot_product_attention(*(x[:, :, start:stop] for x in (query, key, value)))
        for start, stop in itertools.pairwise(starts)
    ]

    torch.testing.assert_close(ours, torch.cat(theirs, 2).transpose(1, 2), rtol=1e-4, atol=1e-4)


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
