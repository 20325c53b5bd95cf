"""Attention within each text of a packed row, one call for each group of texts; and packed batches for MPNet.

MPNet's attention is not in transformers' registry, and adds a bias by relative position. While a model is packed, its
encoder and attentions have other classes: the encoder makes the bias for one text, and not for a whole row, and the
attention hands it to `attention`. Padded batches are treated as before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.mpnet import modeling_mpnet as mpnet

from progbench.training import varlen
from progbench.training.cpu import dropout_mask, dropout_scale, drops, masked
from progbench.training.packed import Group, Packing
from progbench.training.packed_seeds import PackedSeeds
from progbench.training.varlen import Bias


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    packing: Packing | PackedSeeds | None = None,
    bias: Bias | None = None,
    **rest,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers calls it; without a `packing`, that of a padded batch.

    >>> query = key = value = torch.ones(1, 2, 5, 4)  # two texts, of two and three tokens
    >>> attention(None, query, key, value, None, packing=Packing.of([2, 3]))[0].shape
    torch.Size([1, 5, 2, 4])

    Shapes: query, key, value (rows, heads, tokens, size); result (rows, tokens, heads, size). A `Packing` is of one
    row. A `bias` is added to the scores of each text.
    """
    if packing is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **rest
        )
    if isinstance(packing, PackedSeeds):
        return varlen.attend(query, key, value, packing, dropout, scaling, bias), None
    if query.device.type == "cpu" and drops(dropout):
        scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
        return WithDropout.apply(query, key, value, packing.groups, dropout, scaling, bias and bias.values), None
    pieces = []
    # split, not sliced: the gradient of a slice is a whole row of zeros
    split = [tensor[0].transpose(0, 1).split(_sizes(packing.groups)) for tensor in (query, key, value)]
    for group, *those in zip(packing.groups, *split, strict=True):
        q, k, v = (_among_zeros(tokens, group) for tokens in those)
        mask = group.mask if bias is None else bias.masked(group.longest, group.mask, group.start).to(q.dtype)
        attended = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout, scale=scaling)
        pieces.append(_together(attended, group))
    return torch.cat(pieces)[None], None


class WithDropout(torch.autograd.Function):
    """Attention with dropout on a CPU, for which torch has no kernel: one autograd node for all groups.

    Products and softmax are in float32 at least, as in torch. Shapes: as `attention`; the bias, if there is one,
    (1, heads, longest, longest).
    """

    @staticmethod
    @torch.autocast("cpu", enabled=False)
    def forward(
        ctx: FunctionCtx,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        groups: tuple[Group, ...],
        dropout: float,
        scaling: float,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        ctx.groups, ctx.dtype, ctx.scaling, ctx.scale = groups, query.dtype, scaling, dropout_scale(dropout)
        rows = torch.cat((query, key, value)).transpose(1, 2).to(torch.promote_types(query.dtype, torch.float32))
        rows[0] *= scaling
        heads, pieces, saved = rows.shape[2], [], []
        for group, tokens in zip(groups, rows.split(_sizes(groups), 1), strict=True):
            q, k, v = texts = _apart(tokens, group).flatten(1, 2)
            scores = q @ k.transpose(1, 2)
            if bias is not None:
                scores.unflatten(0, (-1, heads)).add_(bias[..., : group.longest, : group.longest])
            if group.mask is not None:
                scores.unflatten(0, (-1, heads)).masked_fill_(~group.mask, -math.inf)
            weights = scores.softmax(-1)
            mask = dropout_mask(weights, dropout)
            attended = masked(weights, mask, ctx.scale) @ v
            pieces.append(_together(attended.unflatten(0, (-1, heads)), group))
            saved += [texts, weights, mask]
        ctx.bias_like = bias.detach() if ctx.needs_input_grad[-1] else None
        ctx.save_for_backward(*saved)
        return torch.cat(pieces).to(query.dtype)[None]

    @staticmethod
    @once_differentiable
    @torch.autocast("cpu", enabled=False)
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        saved = ctx.saved_tensors  # texts, weights and mask of one group after another
        rows = gradient[0].to(saved[0].dtype)
        heads, pieces = rows.shape[1], []
        of_bias = None if ctx.bias_like is None else torch.zeros_like(ctx.bias_like)
        of_groups = zip(ctx.groups, rows.split(_sizes(ctx.groups)), saved[::3], saved[1::3], saved[2::3], strict=True)
        for group, tokens, texts, weights, mask in of_groups:
            q, k, v = texts
            attended = _among_zeros(tokens, group).flatten(0, 1)
            gradients = torch.empty_like(texts)
            torch.bmm(masked(weights, mask, ctx.scale).transpose(1, 2), attended, out=gradients[2])
            of_weights = masked(attended @ v.transpose(1, 2), mask, ctx.scale)
            of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
            if of_bias is not None:
                of_bias[..., : group.longest, : group.longest] += of_scores.unflatten(0, (-1, heads)).sum(0)
            torch.bmm(of_scores, k, out=gradients[0])
            if ctx.needs_input_grad[1]:  # of LoRA's lowest block that trains, query and value alone
                torch.bmm(of_scores.transpose(1, 2), q, out=gradients[1])
            pieces.append(_together(gradients.unflatten(1, (-1, heads)), group))
        whole = torch.cat(pieces, 1)
        whole[0] *= ctx.scaling
        of_query, of_key, of_value = whole.to(ctx.dtype).transpose(1, 2).split(1)
        return of_query, of_key if ctx.needs_input_grad[1] else None, of_value, None, None, None, of_bias


def _sizes(groups: tuple[Group, ...]) -> list[int]:
    return [group.stop - group.start for group in groups]


def _apart(tokens: torch.Tensor, group: Group) -> torch.Tensor:
    """(..., tokens, heads, size) of a group as (..., texts, heads, longest, size), a text's last token repeated."""
    if group.repeated is not None:
        tokens = tokens.index_select(-3, group.repeated)
    return tokens.unflatten(-3, (-1, group.longest)).transpose(-3, -2)


def _among_zeros(tokens: torch.Tensor, group: Group) -> torch.Tensor:
    """As `_apart`, but with zeros where a text has no token: a repeated token's gradient would count again."""
    if group.places is not None:
        padded = tokens.new_zeros(len(group.repeated), *tokens.shape[1:])
        tokens = padded.index_copy_(0, group.places, tokens)
    return tokens.unflatten(0, (-1, group.longest)).transpose(1, 2)


def _together(texts: torch.Tensor, group: Group) -> torch.Tensor:
    """The way back from `_apart`."""
    tokens = texts.transpose(-3, -2).flatten(-4, -3)
    return tokens if group.places is None else tokens.index_select(-3, group.places)


class PackedEncoder(mpnet.MPNetEncoder):
    """Makes a `Bias` where the batch is packed; `current` holds its packing, or None."""

    current: list[Packing | PackedSeeds | None]

    def compute_position_bias(self, x: torch.Tensor, *rest: Any, **keywords: Any) -> torch.Tensor | Bias:
        where = self.current[0]
        if where is None:
            return super().compute_position_bias(x, *rest, **keywords)
        longest = where.longest if isinstance(where, PackedSeeds) else where.lengths[-1]
        places = torch.arange(longest, device=x.device)
        buckets = self.relative_position_bucket(places - places[:, None]).flatten()
        values = self.relative_attention_bias(buckets.expand(len(x), -1))  # a seed's own table, where they are stacked
        return Bias(values.unflatten(1, (longest, longest)).permute(0, 3, 1, 2), where)


class PackedAttention(mpnet.MPNetAttention):
    """A block's attention with what follows it; in the top block of a classifier only first tokens go on."""

    first_tokens_go_on: bool

    def forward(self, hidden_states: torch.Tensor, attention_mask: Any = None, position_bias: Any = None, **rest: Any):
        if not isinstance(position_bias, Bias):
            return super().forward(hidden_states, attention_mask, position_bias, **rest)
        own, where = self.attn, position_bias.where
        layers = (own.q, own.k, own.v)
        heads = (layer(hidden_states).unflatten(-1, (own.num_attention_heads, -1)) for layer in layers)
        query, key, value = (rows.transpose(1, 2) for rows in heads)
        dropped = own.dropout.p if own.training else 0.0
        context = attention(own, query, key, value, None, dropped, packing=where, bias=position_bias)[0].flatten(2)
        if self.first_tokens_go_on:
            context, hidden_states = where.first_tokens(context), where.first_tokens(hidden_states)
        return (self.LayerNorm(self.dropout(own.o(context)) + hidden_states),)


class Served:
    """An MPNet model whose encoder and attentions have the classes above, until `remove`."""

    def __init__(self, model: nn.Module, current: list, blocks: Sequence[nn.Module], classifies: bool) -> None:
        self._encoder, self._attentions = model.base_model.encoder, [block.attention for block in blocks]
        self._encoder.__class__, self._encoder.current = PackedEncoder, current
        for own in self._attentions:
            own.__class__ = PackedAttention
            own.first_tokens_go_on = classifies and own is self._attentions[-1]
        self._hook = model.register_forward_pre_hook(_no_mask, with_kwargs=True)

    def remove(self) -> None:
        self._hook.remove()
        self._encoder.__class__ = mpnet.MPNetEncoder
        for own in self._attentions:
            own.__class__ = mpnet.MPNetAttention


def _no_mask(module: nn.Module, arguments: tuple, keywords: dict) -> tuple[tuple, dict]:
    """Give a mask of four dimensions, so that the model makes none over a whole row, which nothing would read."""
    if keywords.get("packing") is not None:
        keywords = keywords | {"attention_mask": torch.zeros(1, 1, 1, 1, device=next(module.parameters()).device)}
    return arguments, keywords
