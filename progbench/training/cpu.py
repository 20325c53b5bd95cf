"""What a CPU does faster than by torch's defaults, computing the same: a model's linear layers and dropouts.

Linear layers go to oneDNN in float32, which comes with torch: torch itself calls MKL, which here uses half the vector
width. In bfloat16 frozen weights are cast once, where autocast casts them in every step. Both were measured on two
cores of a Zen 5 only. Dropout draws 16 random bits a number, which takes a seventh of the time of torch's draw, and
masks by integers, since torch vectorises these and not booleans.
"""

from __future__ import annotations

import os

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.utils.weak import WeakTensorKeyDictionary

# with 512 bits: 270 GFLOP/s a core, where MKL has 120
ONEDNN = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"
# oneDNN, and torch's layer above it, keep code and tables for each shape of a product, by default of 1,024 shapes. A
# packed batch has a number of rows of its own, so each step meets a dozen new shapes, which its blocks share and no
# later step wants. Both read this before their first product.
for cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(cache, "64")


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


class FastLinear(nn.Linear):
    """A linear layer that computes by `linear`."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return linear(input, self.weight, self.bias)


class FastDropout(nn.Dropout):
    """A dropout that computes by `dropout`."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return dropout(input, self.p, self.training, self.inplace)


FAST = {nn.Linear: FastLinear, nn.Dropout: FastDropout}


def take_over(model: nn.Module) -> None:
    """Let a model's linear layers and dropouts compute by `linear` and `dropout` from now on.

    >>> layer, hidden = nn.Linear(8, 4), torch.randn(3, 8)
    >>> before = layer(hidden)
    >>> take_over(layer)
    >>> torch.allclose(layer(hidden), before, atol=1e-6)
    True

    Their class is changed. A mode that looks at every call takes 3 to 5 % of a MiniLM step, and a `forward` bound to a
    module is a cycle that keeps the weights alive.
    """
    for module in model.modules():
        module.__class__ = FAST.get(type(module), type(module))
