"""Attention within each text of all rows at once, for rows of several seeds: it has no weights, so seeds do not matter.

Rows of bins are taken as they are, with a mask that lets no token see another text; other texts are brought to bins,
and back. Torch's variable-length kernel would need no bins, but with dropout it draws one mask in its forward and
another in its backward pass (pytorch issue 115590: it takes the longest text to have no keys), and it takes no bias.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

from progbench.training.packed import Packing
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
    qkv = [tensor.transpose(1, 2).flatten(0, 1) for tensor in (query, key, value)]
    return _attended(qkv, where, dropout, scaling, bias).unflatten(0, (len(query), -1))


def attend_fused(fused: torch.Tensor, where: PackedSeeds, dropout: float, scaling: float) -> torch.Tensor:
    """The same of query, key and value beside each other, as one product gives them: their gradients come so, too.

    Shapes: (seeds, tokens, 3, heads, size) to (seeds, tokens, heads, size).
    """
    return _attended([fused.flatten(0, 1)], where, dropout, scaling, None).unflatten(0, (len(fused), -1))


def _attended(
    qkv: Sequence[torch.Tensor], where: PackedSeeds, dropout: float, scaling: float | None, bias: Bias | None
) -> torch.Tensor:
    """Of all rows' tokens, as three tensors (seeds * tokens, heads, size), or one (seeds * tokens, 3, heads, size)."""
    as_they_are = where.source is None
    grouped = zip(*(where.in_groups(own) if as_they_are else Apart.apply(own, where) for own in qkv), strict=True)
    pieces = [_group(those, where, number, dropout, scaling, bias) for number, those in enumerate(grouped)]
    return pieces[0].flatten(0, 1) if as_they_are else Back.apply(where, len(qkv[0]), *pieces)


class Apart(torch.autograd.Function):
    """(seeds * tokens, …) to (texts, longest, …) for each group, and gradients the way back.

    Where a text has no token, there is a surplus token of its seed: its keys are masked, and what it attends to is not
    read. So the gradient there is 0, which is what surplus tokens get, whichever of their places is copied last.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, rows: torch.Tensor, where: PackedSeeds) -> tuple[torch.Tensor, ...]:
        ctx.where, ctx.tokens = where, len(rows)
        return where.in_groups(rows.index_select(0, where.source))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.where.together(gradients, ctx.tokens), None


class Back(torch.autograd.Function):
    """The way back from `Apart`. The gradient at surplus tokens is 0, since nothing reads them: so it is at padding."""

    @staticmethod
    def forward(ctx: FunctionCtx, where: PackedSeeds, tokens: int, *pieces: torch.Tensor) -> torch.Tensor:
        ctx.where = where
        return where.together(pieces, tokens)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return None, None, *ctx.where.in_groups(gradient.index_select(0, ctx.where.source))


def _group(
    qkv: Sequence[torch.Tensor],
    where: PackedSeeds,
    number: int,
    dropout: float,
    scaling: float | None,
    bias: Bias | None,
) -> torch.Tensor:
    """Attention within the bins of one group. Shapes: (bins, longest, …) each, as `_attended`."""
    longest, heads = qkv[0].shape[1], qkv[0].shape[-2]
    if bias is None:
        added = where.masks(qkv[0].dtype)[number]
    else:
        added = bias.masked(longest, where.seen(number), number).to(qkv[0].dtype)
    if qkv[0].device.type == "cpu":
        heads_first = (tensor.transpose(1, 2) for tensor in _three(qkv))
        attended = nn.functional.scaled_dot_product_attention(
            *heads_first, attn_mask=added, dropout_p=dropout, scale=scaling
        )
        return attended.transpose(1, 2)
    return Efficient.apply(added.expand(-1, heads, longest, -1), dropout, scaling, *qkv)


def _three(qkv: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    return qkv if len(qkv) == 3 else qkv[0].unbind(2)


class Efficient(torch.autograd.Function):
    """Torch's memory-efficient attention within bins, as its kernel has them: no transposing on the way.

    Its own backward pass splits more than 128 keys among blocks that add up in the order in which they end. Here one
    block has all keys of a text and a head, so that the same numbers come out each time.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, added: torch.Tensor, dropout: float, scaling: float | None, *qkv: torch.Tensor
    ) -> torch.Tensor:
        unmasked, keep_for_backward = 0, True
        out, *kept = torch.ops.aten._efficient_attention_forward(
            *_three(qkv), added, None, None, None, None, dropout, unmasked, keep_for_backward, scale=scaling
        )
        ctx.dropout, ctx.scaling = dropout, scaling
        ctx.save_for_backward(added, out, *kept[:3], *qkv)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        added, out, logsumexp, seed, offset, *qkv = ctx.saved_tensors
        longest, unmasked, fused = out.shape[1], 0, len(qkv) == 1
        *gradients, of_added = torch.ops.aten._efficient_attention_backward(
            gradient.contiguous(), *_three(qkv), added, out, None, None, longest, longest, logsumexp, ctx.dropout,
            seed, offset, unmasked, ctx.needs_input_grad[0], scale=ctx.scaling, num_splits_key=1,
            shared_storage_dqdkdv=fused,
        )  # fmt: skip
        if fused:  # they lie beside each other in one tensor, of which these are views
            gradients = [gradients[0].as_strided(qkv[0].shape, torch.empty(qkv[0].shape, device="meta").stride(), 0)]
        return of_added if ctx.needs_input_grad[0] else None, None, None, *gradients


class Bias:
    """A bias by relative position, which some models add to each text's scores, and where the texts are.

    >>> bias = Bias(torch.zeros(1, 2, 3, 3), Packing.of([2, 3]))
    >>> bias.masked(3, torch.tensor([[True, True, False], [True, True, True]])[:, None, None])[:, 0, 0].tolist()
    [[0.0, 0.0, -inf], [0.0, 0.0, 0.0]]

    `values` are (seeds, heads, longest, longest). They depend on the distance of two tokens alone, so a shorter text's
    are their corner. A mask is made once a forward pass, since all blocks share it.
    """

    def __init__(self, values: torch.Tensor, where: Packing | PackedSeeds) -> None:
        self.values, self.where = values, where
        self._masks: dict[int, torch.Tensor] = {}

    def masked(self, longest: int, seen: torch.Tensor | None, group: int = 0) -> torch.Tensor:
        """The bias of texts of up to `longest` tokens, (texts, heads, longest, longest), -inf where none is seen.

        `seen` says where one is, (texts, 1, 1 or longest, longest); without it the texts are equally long, and share
        what is returned. `group` tells the texts of one forward pass apart.
        """
        if group not in self._masks:
            corner = self.values[..., :longest, :longest]
            if seen is not None:
                seeds = len(corner)
                corner = corner[:, None].expand(-1, len(seen) // seeds, -1, -1, -1).flatten(0, 1)
                corner = corner.masked_fill(~seen, -math.inf)
            self._masks[group] = corner
        return self._masks[group]
