"""The sublayers of BERT's blocks in fewer operations, for seeds side by side: the same functions, less memory moved.

Query, key and value are one product. What follows a product, its bias too, is one chain, and what comes back along the
residual is where the gradient of the sublayer's first product is added, instead of in a third tensor.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn

from progbench.method.layout import LAYOUTS
from progbench.training.normalised import Around, Gelu, Normalised
from progbench.training.packed_seeds import PackedSeeds
from progbench.training.varlen import attend_fused


def fuse(model: nn.Module) -> None:
    """Change the blocks of a stacked BERT or RoBERTa; what a tuning has put in the way of a change stays as it is."""
    layout = LAYOUTS.get(getattr(getattr(model, "config", None), "model_type", None))
    if layout is None or layout.relative_positions:
        return
    for block in model.base_model.get_submodule(layout.blocks):
        attention = block.get_submodule(layout.attention)
        first = _one_projection(attention, layout.projections)
        for linear, end in (
            (first, block.get_submodule(layout.after_attention)),
            (block.intermediate.dense, block.output),
        ):
            if type(end.dropout) is nn.Dropout:
                around = end.around = Around()
                end.forward = functools.partial(_end, end)
                if linear is not None:
                    linear.around = around
        if hasattr(block.intermediate.dense, "product") and model.config.hidden_act == "gelu":
            block.intermediate.forward = functools.partial(_first, block.intermediate)


def _one_projection(attention: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    """The first of three projections, made all of them, if they are linear layers that train alike."""
    first, *_ = each = [getattr(attention, name) for name in names]
    kinds = {tuple((type(m), p.shape, p.requires_grad) for p in m.parameters(recurse=False)) for m in each}
    if len(kinds) > 1 or not isinstance(first, nn.Linear):
        return None
    for name, along in (("weight", -2), ("bias", -1)):
        whole = torch.cat([getattr(module, name).detach() for module in each], along)
        setattr(first, name, nn.Parameter(whole, requires_grad=getattr(first, name).requires_grad))
    for name in names[1:]:
        delattr(attention, name)
    attention.forward = functools.partial(_attention, attention)
    return first


def _attention(attention: nn.Module, hidden: torch.Tensor, *_: Any, packing: PackedSeeds, **rest: Any) -> tuple:
    """What the module computes, its `query` being all three projections. Shapes: (seeds, tokens, hidden)."""
    three = attention.query(hidden).unflatten(-1, (3, attention.num_attention_heads, -1))
    dropout = attention.dropout.p if attention.training else 0.0
    return attend_fused(three, packing, dropout, attention.scaling).flatten(2), None


def _first(first: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    """What begins the feed-forward sublayer: a product and GELU."""
    return Gelu.apply(first.dense.product(hidden), first.dense.bias).reshape(*hidden.shape[:-1], -1)


def _end(end: nn.Module, hidden: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    """What closes a sublayer: a product, dropout, the residual, and a normalisation."""
    around, end.around.input = end.around if end.around.input is residual else None, None
    dropout, norm = end.dropout.p if end.training else 0.0, end.LayerNorm
    stacked = hasattr(end.dense, "product")
    product, bias = (end.dense.product(hidden), end.dense.bias) if stacked else (end.dense(hidden), None)
    product = product.reshape(len(product), -1, product.shape[-1])
    rows = residual.reshape(product.shape)
    return Normalised.apply(rows, norm.weight, norm.bias, norm.eps, product, bias, dropout, around).reshape_as(residual)
