"""The sublayers of BERT's blocks in fewer operations, for seeds side by side: the same functions, less memory moved.

Query, key and value are one product. Dropout and residual are one operation, and what comes back along the residual is
where the gradient of the sublayer's first product is added, instead of in a third tensor.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

from progbench.method.layout import LAYOUTS
from progbench.training.packed_seeds import PackedSeeds
from progbench.training.varlen import attend_fused


class Around:
    """What goes around a sublayer: its input, while the forward pass is inside, and the gradient on the way back."""

    input: torch.Tensor | None = None
    gradient: torch.Tensor | None = None

    def begin(self, input: torch.Tensor) -> None:
        """Enter the sublayer; what a pass that broke off has left is forgotten."""
        self.input, self.gradient = input, None

    def take(self) -> torch.Tensor | None:
        """The gradient, once."""
        gradient, self.gradient = self.gradient, None
        return gradient


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


def _end(end: nn.Module, hidden: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    """What closes a sublayer: a product, dropout, the residual, and a normalisation."""
    around, end.around.input = end.around if end.around.input is residual else None, None
    dropout = end.dropout.p if end.training else 0.0
    return end.LayerNorm(DroppedAndAdded.apply(end.dense(hidden), residual, dropout, around))


class DroppedAndAdded(torch.autograd.Function):
    """A residual plus what dropout leaves of a tensor.

    With an `around` the residual's gradient is left there, for the first product of the sublayer to add its own to.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, hidden: torch.Tensor, residual: torch.Tensor, dropout: float, around: Around | None
    ) -> torch.Tensor:
        mask = torch.empty_like(hidden, dtype=torch.bool).bernoulli_(1 - dropout) if dropout else None
        ctx.around, ctx.scale, ctx.dtype = around, 1 / (1 - dropout), hidden.dtype
        ctx.save_for_backward(mask)
        return hidden + residual if mask is None else torch.addcmul(residual, hidden, mask, value=ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (mask,), wanted = ctx.saved_tensors, ctx.needs_input_grad[1]
        if mask is None:
            dropped = gradient.clone()
        else:
            dropped = torch.ops.aten.native_dropout_backward(gradient, mask, ctx.scale)
        if ctx.around is not None and wanted:
            ctx.around.gradient, wanted = gradient, False
        return dropped.to(ctx.dtype), gradient if wanted else None, None, None
