"""Linear layers on a CPU, computing what torch's do, faster; measured on two cores of a Zen 5 only.

In float32 they go to oneDNN, which comes with torch: torch itself calls MKL, which here uses half the vector width. In
bfloat16 frozen weights are cast once, where autocast casts them in every step.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.utils.weak import WeakTensorKeyDictionary

# with 512 bits: 270 GFLOP/s a core, where MKL has 120
ONEDNN = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"


def linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`torch.nn.functional.linear`, in float32 by oneDNN where that pays, in autocast by kept copies of frozen weights.

    >>> linear(torch.ones(2, 3), torch.ones(1, 3), torch.ones(1)).tolist()
    [[4.0], [4.0]]
    """
    if torch.is_autocast_enabled("cpu"):
        return nn.functional.linear(input, _lowered(weight), bias if bias is None else _lowered(bias))
    if ONEDNN and input.dtype is weight.dtype is torch.float32 and input.ndim > 1 and input.numel():
        return _Linear.apply(input, weight, bias)
    return nn.functional.linear(input, weight, bias)


_COPIES = WeakTensorKeyDictionary()  # of frozen parameters: their versions, and themselves in autocast's precision


def _lowered(parameter: torch.Tensor) -> torch.Tensor:
    """A parameter as autocast casts it; a frozen one is cast once, and not in every step.

    >>> frozen = torch.ones(2)
    >>> with torch.autocast("cpu", torch.bfloat16):
    ...     _lowered(frozen) is _lowered(frozen), _lowered(frozen).dtype
    (True, torch.bfloat16)
    """
    if parameter.requires_grad or parameter.dtype is not torch.float32:
        _COPIES.pop(parameter, None)
        return parameter
    version, copy = _COPIES.get(parameter, (None, None))
    wanted = torch.get_autocast_dtype("cpu")
    if version != parameter._version or copy.dtype is not wanted:
        with torch.inference_mode(False):  # a copy made in it could not be trained through
            copy = parameter.detach().to(wanted)
        _COPIES[parameter] = (parameter._version, copy)
    return copy


class _Linear(torch.autograd.Function):
    """Saves of its arguments only what the wanted gradients need, as torch's own does."""

    @staticmethod
    def forward(ctx: FunctionCtx, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        rows_want, weight_wants, _ = ctx.needs_input_grad
        ctx.save_for_backward(rows if weight_wants else None, weight if rows_want else None)
        return _product(rows, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        flat = gradient.flatten(0, -2)
        return (
            None if weight is None else _product(gradient, weight.t()),
            None if rows is None else _product(flat.t(), rows.flatten(0, -2).t()),
            flat.sum(0) if ctx.needs_input_grad[2] else None,
        )


def _product(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
