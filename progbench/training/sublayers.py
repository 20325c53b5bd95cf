"""The sublayers of BERT's blocks in fewer operations, for seeds side by side: the same functions, less memory moved.

Query, key and value are one product. What follows a product, its bias too, is one chain, and what comes back along the
residual is where the gradient of the sublayer's first product is added, instead of in a third tensor.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

from progbench.method.layout import LAYOUTS
from progbench.training.chains import chain
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


BLOCK = 64  # rows that a chain sums as it goes, at most: a row a block is then written, and read again


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


class Normalised(torch.autograd.Function):
    """A residual, plus what dropout leaves of a product and its bias, normalised with a weight and a bias a seed.

    >>> rows, weight, bias = torch.tensor([[[1.0, 3.0]]]), torch.ones(1, 2), torch.zeros(1, 2)
    >>> Normalised.apply(rows, weight, bias, 0.0, torch.zeros(1, 1, 2), torch.tensor([[0.0, 2.0]]), 0.0, None)
    tensor([[[-1.,  1.]]])

    With an `around` the residual's gradient is left there, for the first product of the sublayer to add its own to.
    Shapes: (seeds, rows, size); weights and biases (seeds, size), or (size,) if frozen. There may be no product, and no
    bias of it.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        residual: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        eps: float,
        product: torch.Tensor | None = None,
        product_bias: torch.Tensor | None = None,
        dropout: float = 0.0,
        around: Around | None = None,
    ) -> torch.Tensor:
        mask = None
        if product is not None and dropout:
            mask = torch.empty_like(product, dtype=torch.bool).bernoulli_(1 - dropout)
        ctx.around, ctx.scale, ctx.dtype = around, 1 / (1 - dropout), None if product is None else product.dtype
        added, out, mean, rstd = _forward(residual, weight, bias, eps, product, product_bias, mask, ctx.scale)
        ctx.save_for_backward(residual if added is None else added, mean, rstd, weight, mask)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        added, mean, rstd, weight, mask = ctx.saved_tensors
        of_weights, of_product_bias = any(ctx.needs_input_grad[1:3]), any(ctx.needs_input_grad[5:6])
        sums = iter(())
        if of_weights or of_product_bias:
            means = _means(gradient, added, mean, rstd, weight)
            each = (blocks(own) for own in (gradient, added, mean, rstd, *means, mask))
            *both, partial = _to_rows_and_sums(*each, weight, ctx.scale, ctx.dtype, of_weights, of_product_bias)
            to_added, to_product = (own if own is None else own.view_as(gradient) for own in both)
            sums = iter(whole_sums(partial, len(gradient)))
        else:
            to_added, to_product = _backward(gradient, added, mean, rstd, weight, mask, ctx.scale, ctx.dtype)
        if ctx.around is not None and ctx.needs_input_grad[0]:
            ctx.around.gradient, to_added = to_added, None
        to_weights = (next(sums), next(sums)) if of_weights else (None, None)
        return to_added, *to_weights, None, to_product, next(sums, None), None, None


def blocks(rows: torch.Tensor | None) -> torch.Tensor | None:
    """(seeds, rows, …) as (seeds, blocks, rows of a block, …): a chain sums over a block's rows as it goes.

    >>> blocks(torch.zeros(2, 192, 5)).shape, blocks(torch.zeros(2, 72, 5)).shape
    (torch.Size([2, 3, 64, 5]), torch.Size([2, 9, 8, 5]))
    """
    return rows if rows is None else rows.unflatten(1, (-1, math.gcd(rows.shape[1], BLOCK)))


def whole_sums(partial: torch.Tensor, seeds: int) -> Sequence[torch.Tensor]:
    """Sums over blocks, (sums, seeds * blocks, size), made sums over all rows of a seed: each (seeds, size)."""
    return partial.unflatten(1, (seeds, -1)).sum(2).unbind()


@chain
def _forward(residual, weight, bias, eps, product, product_bias, mask, scale):
    added = residual
    if product is not None:
        dropped = product if product_bias is None else product + product_bias[..., None, :].to(product.dtype)
        added = residual + (dropped if mask is None else dropped * mask * scale)
    normed, mean, rstd = torch.native_layer_norm(added, added.shape[-1:], None, None, eps)
    out = normed * weight[..., None, :] + bias[..., None, :]
    return None if product is None else added, out, mean, rstd


@chain
def _backward(gradient, added, mean, rstd, weight, mask, scale, dtype):
    weight = weight[..., None, :]
    means = _row_means(gradient, added, mean, rstd, weight)
    return _to_rows(gradient, added, mean, rstd, *means, mask, weight, scale, dtype)


@chain
def _means(gradient, added, mean, rstd, weight):
    return _row_means(gradient, added, mean, rstd, weight[..., None, :])


@chain
def _to_rows_and_sums(
    gradient, added, mean, rstd, first, second, mask, weight, scale, dtype, of_weights, of_product_bias
):
    weight = _a_block_each(weight, gradient)
    rows = (gradient, added, mean, rstd, first, second, mask)
    gradient, added, mean, rstd, first, second, mask = (own if own is None else own.flatten(0, 1) for own in rows)
    to_added, to_product = _to_rows(gradient, added, mean, rstd, first, second, mask, weight, scale, dtype)
    summed = [gradient * ((added - mean) * rstd), gradient] if of_weights else []
    if of_product_bias:
        summed.append(to_product.to(gradient.dtype))
    return to_added, to_product, torch.stack([own.sum(1) for own in summed])


def _row_means(gradient, added, mean, rstd, weight):
    normed, scaled = (added - mean) * rstd, gradient * weight
    return scaled.mean(-1, keepdim=True), (scaled * normed).mean(-1, keepdim=True)


def _to_rows(gradient, added, mean, rstd, first, second, mask, weight, scale, dtype):
    to_added = (gradient * weight - (first + (added - mean) * rstd * second)) * rstd
    if dtype is None:
        return to_added, None
    return to_added, (to_added.clone() if mask is None else to_added * mask * scale).to(dtype)


def _a_block_each(weight: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A weight a seed for each block. Torch.compile makes a chain one kernel if seeds and blocks are one dimension."""
    if weight.ndim == 1:
        return weight
    return weight[:, None].expand(-1, like.shape[1], -1).reshape(-1, 1, weight.shape[-1])


class Gelu(torch.autograd.Function):
    """GELU of a product and its bias. Shapes: (seeds, rows, size), and (seeds, size), or (size,) if frozen.

    >>> Gelu.apply(torch.zeros(1, 1, 2), torch.tensor([[0.0, 10.0]]))
    tensor([[[ 0., 10.]]])
    """

    @staticmethod
    def forward(ctx: FunctionCtx, product: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(product, bias)
        return _gelu(product, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        product, bias = ctx.saved_tensors
        if not ctx.needs_input_grad[1]:
            return _gelu_backward(gradient, product, bias), None
        to_product, partial = _gelu_backward_and_sums(blocks(gradient), blocks(product), bias)
        return to_product.view_as(gradient), *whole_sums(partial, len(gradient))


@chain
def _gelu(product, bias):
    return torch.nn.functional.gelu(product + bias[..., None, :].to(product.dtype))


@chain
def _gelu_backward(gradient, product, bias):
    return torch.ops.aten.gelu_backward(gradient, product + bias[..., None, :].to(product.dtype))


@chain
def _gelu_backward_and_sums(gradient, product, bias):
    bias = _a_block_each(bias, gradient).to(product.dtype)
    to_product = torch.ops.aten.gelu_backward(gradient.flatten(0, 1), product.flatten(0, 1) + bias)
    wide = torch.promote_types(to_product.dtype, torch.float32)
    return to_product, to_product.sum(1, dtype=wide)[None]
