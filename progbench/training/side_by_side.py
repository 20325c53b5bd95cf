"""Seeds of one recipe trained as one model: a row of the batch is a seed.

What trains is stacked: a linear layer's weight is (seeds, out, in). What is frozen and the same for all is shared, and
sees one larger product. No operation mixes two rows, so each seed computes what it computes alone; only dropout draws
from one generator for all. `torch.func.stack_module_state` would stack what is shared, too, and `vmap` maps over rows
of one length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.autograd.function import FunctionCtx, once_differentiable

from progbench.training.chains import chain
from progbench.training.packed_seeds import SeedCollator
from progbench.training.scoring import Batch, Infer, Row
from progbench.training.step import SeedAxis
from progbench.training.sublayers import Around, Normalised, fuse

TARGETS = ("labels", "start_positions", "end_positions")
# numbers of one seed's product that keep a card busy by themselves: 192 tiles of 128 by 128; reckoned, not measured
ALONE = 3 << 20
LOGITS = ("logits", "start_logits", "end_logits")


@torch.no_grad()
def stack(models: Sequence[nn.Module]) -> nn.Module:
    """Make the first of these models, which differ in their seeds alone, the model of all.

    >>> from progbench.models.loading import build
    >>> from progbench.models.spec import spec
    >>> models = [build(spec("tiny-bert"), num_labels=2) for _ in range(3)]
    >>> stack(models).classifier.weight.shape
    torch.Size([3, 2, 64])

    Parameters are stacked if they require a gradient in the first model, or differ between them (random bodies do).
    Raises TypeError for a module whose parameters it cannot stack, and then changes nothing.
    """
    to_stack = []
    for modules in zip(*(model.modules() for model in models), strict=True):
        for name, parameter in modules[0].named_parameters(recurse=False):
            each = [module.get_parameter(name) for module in modules]
            if parameter.requires_grad or not all(torch.equal(own.to(parameter.device), parameter) for own in each):
                if type(modules[0]) not in STACKED:
                    raise TypeError(f"{type(modules[0]).__name__} cannot be trained side by side")
                to_stack.append((modules[0], name, parameter, each))
    for module, name, parameter, each in to_stack:
        together = torch.stack([own.detach().to(parameter.device) for own in each])
        setattr(module, name, nn.Parameter(together, requires_grad=parameter.requires_grad))
    for module in {id(module): module for module, *_ in to_stack}.values():
        module.__class__ = STACKED[type(module)]
        module.seeds = len(models)
    fuse(models[0])
    return models[0]


class Product(torch.autograd.Function):
    """Rows times a weight a seed, plus a bias.

    A weight's gradient has the weight's memory layout; `baddbmm`'s own would be copied to it.
    Shapes: (seeds, rows, in), (seeds, out, in) and (seeds, out), (out,) if frozen, or None, to (seeds, rows, out).
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        rows: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        around: Around | None = None,
    ) -> torch.Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.around = around
        return rows @ weight.mT if bias is None else _biased(rows, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        of_rows, of_weight, of_bias = ctx.needs_input_grad[:3]
        along = ctx.around.take() if ctx.around and of_rows else None
        if along is None:
            to_rows = gradient @ weight if of_rows else None
        else:
            to_rows = along.reshape(rows.shape).baddbmm_(gradient, weight)
        return (
            to_rows,
            gradient.mT @ rows if of_weight else None,
            gradient.sum(1) if of_bias else None,
            None,
        )


def _biased(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """A product of all seeds has its bias written to every row first; a product of one seed adds it as it ends."""
    seeds, tokens, out = *rows.shape[:2], weight.shape[1]
    if bias.ndim == 1 or tokens * out < ALONE:
        return torch.baddbmm(bias[..., None, :], rows, weight.mT)
    whole = rows.new_empty(seeds, tokens, out)
    for place, those in enumerate(zip(bias, rows, weight.mT, strict=True)):
        torch.addmm(*those, out=whole[place])
    return whole


class StackedLinear(nn.Linear):
    """A linear layer a seed, or one for all with a bias a seed. Shapes: (seeds * rows, …, in) to (…, out)."""

    seeds: int
    around: Around | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.product(x, self.bias).reshape(*x.shape[:-1], -1)

    def product(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """What the weight makes of an input, plus a bias. Shapes: (seeds * rows, …, in) to (seeds, rows, out)."""
        rows, device = x.reshape(self.seeds, -1, x.shape[-1]), x.device.type
        if self.weight.ndim == 2:
            product = nn.functional.linear(rows, self.weight)
            return product if bias is None else product + bias[:, None]
        if device != "meta" and torch.is_autocast_enabled(device):  # it knows torch's own products only
            dtype = torch.get_autocast_dtype(device)
            return Product.apply(*(t if t is None else t.to(dtype) for t in (rows, self.weight, bias)))
        if self.around is not None:
            self.around.begin(x)
        return Product.apply(rows, self.weight, bias, self.around)


class StackedLayerNorm(nn.LayerNorm):
    """A normalisation a seed; shapes as `StackedLinear`."""

    seeds: int

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.to(self.weight.dtype).reshape(self.seeds, -1, x.shape[-1])
        return Normalised.apply(rows, self.weight, self.bias, self.eps).reshape(x.shape)


class StackedEmbedding(nn.Embedding):
    """A table a seed. Shapes: (seeds, tokens) to (seeds, tokens, size)."""

    seeds: int

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        tables = self.weight.flatten(0, 1)
        starts = torch.arange(self.seeds, device=ids.device)[:, None] * self.weight.shape[1]
        looked_up = nn.functional.embedding(ids + starts, tables)
        if self.padding_idx is None:
            return looked_up
        padding = (ids == self.padding_idx)[..., None]  # whose row does not train
        return torch.where(padding, looked_up.detach(), looked_up)


STACKED: Mapping[type, type] = {
    nn.Linear: StackedLinear,
    nn.LayerNorm: StackedLayerNorm,
    nn.Embedding: StackedEmbedding,
}


class StackedSeeds(SeedAxis):
    """What a step does for several seeds whose models are stacked in one.

    A seed whose loss is not finite spoils its own parameters alone: the rest go on.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def losses(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        targets = {name: batch[name] for name in TARGETS if name in batch}
        outputs = model(**{name: value for name, value in batch.items() if name not in targets})
        return losses_of(outputs, targets)

    def adamw(self, groups: list[dict[str, Any]], **options: Any) -> ClippedAdamW:
        self._optimizer = ClippedAdamW(groups, **options)
        return self._optimizer

    def clip(self, parameters: Sequence[nn.Parameter], norm: float) -> None:
        """Left to AdamW: to divide the gradients here would take them through memory twice more."""
        self._optimizer.excess = excess(parameters, norm)

    def is_matrix(self, parameter: nn.Parameter) -> bool:
        return parameter.ndim >= 3  # the first dimension is the seeds


def infer_together(collate: SeedCollator, seeds: int) -> Infer:
    """Ask a stacked model for its outputs: all seeds get the same rows, and each gives its own outputs."""

    def infer(model: nn.Module, rows: Sequence[Row]) -> list[Batch]:
        inputs = collate([rows] * seeds).to(next(model.parameters()).device).inputs()
        outputs = model(**{name: value for name, value in inputs.items() if name not in TARGETS})
        logits = {name: outputs[name].unflatten(0, (seeds, -1)) for name in LOGITS if name in outputs}
        return [{name: value[seed] for name, value in logits.items()} for seed in range(seeds)]

    return infer


def losses_of(outputs: Mapping[str, Any], batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Each seed's mean loss over its texts, as the Hugging Face models define it. Shape: (seeds,)."""
    if "labels" in batch:
        labels = batch["labels"]
        logits = outputs["logits"].unflatten(0, labels.shape)
        if logits.shape[-1] == 1:
            wide = torch.promote_types(logits.dtype, torch.float32)  # bf16 would round the squares
            return (logits[..., 0].to(wide) - labels.to(wide)).square().mean(1)
        return _cross_entropy(logits, labels)
    ends = [(outputs["start_logits"], batch["start_positions"]), (outputs["end_logits"], batch["end_positions"])]
    start, end = (_cross_entropy(logits.unflatten(0, places.shape), places) for logits, places in ends)
    return (start + end) / 2


def _cross_entropy(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """(seeds, texts, classes) and (seeds, texts) to (seeds,)."""
    return nn.functional.cross_entropy(logits.transpose(1, 2), wanted, reduction="none").mean(1)


@torch.no_grad()
def excess(parameters: Sequence[nn.Parameter], norm: float) -> torch.Tensor:
    """Each seed's gradient norm over `norm`, at least 1: what `clip_grad_norm_` divides by. Shape: (seeds,).

    >>> weight = nn.Parameter(torch.zeros(2, 4))
    >>> weight.grad = torch.tensor([[3.0, 4.0, 0.0, 0.0], [0.1, 0.0, 0.0, 0.0]])
    >>> excess([weight], norm=1.0)
    tensor([5.0000, 1.0000])
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = [torch.stack(torch._foreach_norm([*those])) for those in zip(*gradients, strict=True)]
    whole = torch.linalg.vector_norm(torch.stack(norms), dim=1)
    return ((whole + 1e-6) / norm).clamp(min=1.0)


class ClippedAdamW(torch.optim.AdamW):
    """`torch.optim.AdamW` over stacked parameters; it divides each seed's gradients by `excess` first.

    A norm over a list of tensors is a few kernel launches, however long the list: so `excess` takes a seed's tensors as
    a list of views, and the chain of AdamW divides the gradients itself. Torch's fused kernel could divide, but would
    write the gradients that it has divided, which nothing reads.
    """

    excess: torch.Tensor

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            *tensors, steps = [], [], [], [], []  # weights, gradients, and their two moments
            self._init_group(group, *tensors, [], steps)
            if not steps:
                continue
            torch._foreach_add_(steps, 1)
            (beta1, beta2), count = group["betas"], torch.stack(steps).double()
            keep = 1 - group["lr"] * group["weight_decay"]
            # a parameter's two numbers lie beside each other: at odd places torch.compile would copy one number first
            corrections = torch.stack((group["lr"] / (1 - beta1**count), (1 - beta2**count).sqrt()), 1)
            for *those, correction in zip(*tensors, corrections, strict=True):
                flat = (tensor.detach().flatten(1) for tensor in those)
                _move(*flat, self.excess, keep, correction, beta1, beta2, group["eps"])


@chain
def _move(weights, gradients, first, second, excess, keep, correction, beta1, beta2, eps):
    gradients = gradients / excess[:, None]
    first.lerp_(gradients, 1 - beta1)
    second.mul_(beta2).addcmul_(gradients, gradients, value=1 - beta2)
    weights.mul_(keep).sub_(correction[0] * first / (second.sqrt() / correction[1] + eps))
