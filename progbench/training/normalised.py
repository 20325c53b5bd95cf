"""What closes a sublayer of seeds side by side: a bias, dropout, the residual and a normalisation, in one chain."""

from __future__ import annotations

import torch
from torch.autograd.function import FunctionCtx, once_differentiable

from progbench.training.chains import chain


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
        to_added, to_product, *to_weights = _backward(
            gradient, *ctx.saved_tensors, ctx.scale, ctx.dtype, any(ctx.needs_input_grad[1:3])
        )
        to_product_bias = to_product.sum(1) if any(ctx.needs_input_grad[5:6]) else None
        if ctx.around is not None and ctx.needs_input_grad[0]:
            ctx.around.gradient, to_added = to_added, None
        return to_added, *to_weights, None, to_product, to_product_bias, None, None


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
def _backward(gradient, added, mean, rstd, weight, mask, scale, dtype, of_weights):
    normed, scaled = (added - mean) * rstd, gradient * weight[..., None, :]
    both = scaled.mean(-1, keepdim=True) + normed * (scaled * normed).mean(-1, keepdim=True)
    to_added = (scaled - both) * rstd
    to_product = None
    if dtype is not None:
        to_product = (to_added.clone() if mask is None else to_added * mask * scale).to(dtype)
    to_weights = ((gradient * normed).sum(1), gradient.sum(1)) if of_weights else (None, None)
    return to_added, to_product, *to_weights


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
        to_product = _gelu_backward(gradient, *ctx.saved_tensors)
        return to_product, to_product.sum(1) if ctx.needs_input_grad[1] else None


@chain
def _gelu(product, bias):
    return torch.nn.functional.gelu(product + bias[..., None, :].to(product.dtype))


@chain
def _gelu_backward(gradient, product, bias):
    return torch.ops.aten.gelu_backward(gradient, product + bias[..., None, :].to(product.dtype))
