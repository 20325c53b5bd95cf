"""Dropout on a CPU from 16 random bits a number, which takes a seventh of the time of torch's draw.

It masks by integers, since torch vectorises these and not booleans.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

LEVELS = 1 << 15  # of dropout's share: of 16 bits, one is left for the sign of a difference
WHOLE = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # numbers of as many bytes, to mask them bit by bit


def dropout(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    """`torch.nn.functional.dropout` from 16 random bits a number: `p` is rounded to a multiple of 2^-15.

    >>> _ = torch.manual_seed(0)
    >>> dropped = dropout(torch.ones(100_000), 0.25)
    >>> [round(value, 4) for value in sorted(set(dropped.tolist()))], round((dropped == 0).float().mean().item(), 2)
    ([0.0, 1.3333], 0.25)

    The bits are those of torch's generator, and do not depend on the number of threads.
    """
    if not training or inplace or not drops(p):
        return nn.functional.dropout(input, p, training, inplace)
    return _Dropout.apply(input, dropout_mask(input, p), dropout_scale(p))


class _Dropout(torch.autograd.Function):
    """Keeps a mask of two bytes a number."""

    @staticmethod
    def forward(ctx: FunctionCtx, hidden: torch.Tensor, mask: torch.Tensor, scale: float) -> torch.Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        return masked(hidden, mask, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return masked(gradient, *ctx.saved_tensors, ctx.scale), None, None


def drops(p: float) -> bool:
    """Whether dropout drops something and not everything, with its share rounded.

    >>> drops(0.1), drops(0.0), drops(1e-6), drops(1.0)
    (True, False, False, False)
    """
    return 0 < _kept(p) < LEVELS


def dropout_mask(like: torch.Tensor, p: float) -> torch.Tensor:
    """Which numbers of a tensor dropout keeps: -1 (all bits) for those, 0 for the others. `p` is one that `drops`.

    >>> _ = torch.manual_seed(0)
    >>> dropout_mask(torch.ones(2, 3), 0.5)
    tensor([[-1, -1,  0],
            [-1, -1, -1]], dtype=torch.int16)
    """
    words = torch.empty(-(-like.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[: like.numel()].view(like.shape)
    # 15 bits, from -2^14, less how many of their levels are kept: negative if kept; then its sign, 16 times
    return bits.bitwise_right_shift_(1).sub_(_kept(p) - LEVELS // 2).bitwise_right_shift_(15)


def dropout_scale(p: float) -> float:
    """What the numbers that are kept are multiplied by.

    >>> dropout_scale(0.5)
    2.0
    """
    return LEVELS / _kept(p)


def _kept(p: float) -> int:
    return round((1 - p) * LEVELS)


def masked(hidden: torch.Tensor, mask: torch.Tensor, scale: float) -> torch.Tensor:
    """A tensor, or its gradient, after dropout: what the mask keeps, times `scale`.

    >>> masked(torch.ones(2), torch.tensor([-1, 0], dtype=torch.int16), 2.0)
    tensor([2., 0.])
    """
    whole = WHOLE[hidden.element_size()]
    return (hidden.view(whole) & mask.to(whole)).view(hidden.dtype).mul_(scale)
