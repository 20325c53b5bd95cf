"""Attention within each text of all rows at once, for rows of several seeds: it has no weights, so seeds do not matter.

Without dropout, as in evaluation, a GPU takes torch's variable-length kernel for float32
(`_efficient_attention_forward`; `torch.nn.attention.varlen` has none). With dropout that kernel draws other masks in
its backward pass (pytorch issue 115590), and it takes no bias. So in training texts are padded, in a few groups of
neighbouring lengths.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

from progbench.training.bias import Bias
from progbench.training.packed_seeds import PackedSeeds


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    where: PackedSeeds,
    dropout: float = 0.0,
    scaling: float | None = None,
    bias: Bias | None = None,
) -> torch.Tensor:
    """What every token attends to in its own text; at surplus tokens, some finite numbers.

    >>> from progbench.training.packed import PackedCollator
    >>> from progbench.training.packed_seeds import SeedCollator
    >>> texts = [{"input_ids": [5, 6]}, {"input_ids": [7, 8, 9]}]
    >>> where = SeedCollator(PackedCollator(), pad=0, longest=8)([texts]).inputs()["packing"]
    >>> query = key = value = torch.ones(1, 2, 64, 4)
    >>> attend(query, key, value, where).shape
    torch.Size([1, 64, 2, 4])

    Shapes: query, key, value (seeds, heads, tokens, size); result (seeds, tokens, heads, size).
    """
    seeds = len(query)
    rows = [tensor.transpose(1, 2).flatten(0, 1) for tensor in (query, key, value)]
    if query.is_cuda and not dropout and bias is None:
        return _kernel(*rows, where, scaling).unflatten(0, (seeds, -1))
    padded = zip(*(Apart.apply(tensor, where) for tensor in rows), strict=True)
    pieces = [_attended(*those, where, number, dropout, scaling, bias) for number, those in enumerate(padded)]
    return Back.apply(where, *pieces).unflatten(0, (seeds, -1))


def _kernel(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, where: PackedSeeds, scaling: float | None
) -> torch.Tensor:
    """Shapes: (seeds * tokens, heads, size) each."""
    ends, longest = where.ends32, min(where.longest, where.tokens)
    rows = (query[None], key[None], value[None])
    unmasked, keep_for_backward, dropout = 0, True, 0.0
    return torch.ops.aten._efficient_attention_forward(
        *rows, None, ends, ends, longest, longest, dropout, unmasked, keep_for_backward, scale=scaling
    )[0].squeeze(0)


class Apart(torch.autograd.Function):
    """(seeds * tokens, heads, size) to (texts, longest, heads, size) for each group, and gradients the way back.

    Both ways are gathers. A place without a token holds a surplus token of its seed, which is masked and not read, so
    that its gradient is 0.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, rows: torch.Tensor, where: PackedSeeds) -> tuple[torch.Tensor, ...]:
        ctx.where = where
        return where.in_groups(rows.index_select(0, where.source))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _together(gradients).index_select(0, ctx.where.places), None


class Back(torch.autograd.Function):
    """The way back from `Apart`. The gradient at surplus tokens, and so at padding, is 0: nothing reads them."""

    @staticmethod
    def forward(ctx: FunctionCtx, where: PackedSeeds, *pieces: torch.Tensor) -> torch.Tensor:
        ctx.where = where
        return _together(pieces).index_select(0, where.places)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return None, *ctx.where.in_groups(gradient.index_select(0, ctx.where.source))


def _together(pieces: tuple[torch.Tensor, ...]) -> torch.Tensor:
    flat = [piece.flatten(0, 1) for piece in pieces]
    return flat[0] if len(flat) == 1 else torch.cat(flat)


def _attended(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    where: PackedSeeds,
    number: int,
    dropout: float,
    scaling: float | None,
    bias: Bias | None,
) -> torch.Tensor:
    """Attention within the texts of one group. Shapes: (texts, longest, heads, size) each."""
    longest, heads = query.shape[1:3]
    if bias is None:
        added = where.masks(query.dtype)[number]
    else:
        added = bias.masked(longest, where.real(number), number).to(query.dtype)
    if query.device.type == "cpu":
        heads_first = (tensor.transpose(1, 2) for tensor in (query, key, value))
        attended = nn.functional.scaled_dot_product_attention(
            *heads_first, attn_mask=added, dropout_p=dropout, scale=scaling
        )
        return attended.transpose(1, 2)
    return Efficient.apply(query, key, value, added.expand(-1, heads, longest, -1), dropout, scaling)


class Efficient(torch.autograd.Function):
    """Torch's memory-efficient attention of padded texts, in its kernel's own layout.

    Torch's backward pass splits more than 128 keys among blocks that add up in any order. Here one block has all keys
    of a text and a head, so that the numbers are the same each time.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        added: torch.Tensor,
        dropout: float,
        scaling: float | None,
    ) -> torch.Tensor:
        unmasked, keep_for_backward = 0, True
        out, *kept = torch.ops.aten._efficient_attention_forward(
            query, key, value, added, None, None, None, None, dropout, unmasked, keep_for_backward, scale=scaling
        )
        ctx.dropout, ctx.scaling = dropout, scaling
        ctx.save_for_backward(query, key, value, added, out, *kept[:3])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, added, out, logsumexp, seed, offset = ctx.saved_tensors
        longest, unmasked = query.shape[1], 0
        *gradients, of_added = torch.ops.aten._efficient_attention_backward(
            gradient.contiguous(), query, key, value, added, out, None, None, longest, longest, logsumexp, ctx.dropout,
            seed, offset, unmasked, ctx.needs_input_grad[3], scale=ctx.scaling, num_splits_key=1,
        )  # fmt: skip
        return *gradients, of_added if ctx.needs_input_grad[3] else None, None, None
