"""Packed batches for MPNet, whose attention is not in transformers' registry and adds a bias by relative position.

While a model is packed, its encoder and attentions have other classes: the encoder makes the bias for one text, and not
for a whole row, and the attention hands it to `attention`. Padded batches are treated as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers.models.mpnet import modeling_mpnet as mpnet

from progbench.training.attention import attention
from progbench.training.packed import Packing
from progbench.training.packed_seeds import PackedSeeds
from progbench.training.varlen import Bias


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
