"""One training step: forward, backward, clip, and the optimizer; for one seed, or for several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from progbench.recipes.recipe import Recipe
from progbench.training.scoring import Batch, NonFinite


class SeedAxis:
    """What a step does for one seed; `side_by_side.StackedSeeds` does it for several at once.

    `failed` holds, by the seed's place, what stopped it. One seed alone stops the run.
    """

    count = 1

    def __init__(self) -> None:
        self.failed: dict[int, NonFinite] = {}

    def losses(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """The mean loss over a batch, a number a seed."""
        return model(**batch).loss

    def clip(self, parameters: Sequence[nn.Parameter], norm: float) -> None:
        nn.utils.clip_grad_norm_(parameters, norm)

    def adamw(self, groups: list[dict[str, Any]], **options: Any) -> torch.optim.AdamW:
        """The optimizer of parameters in groups; its step comes after `clip`."""
        return torch.optim.AdamW(groups, **options)

    def is_matrix(self, parameter: nn.Parameter) -> bool:
        """Whether weight decay is for it: in these models everything else is a bias or a LayerNorm."""
        return parameter.ndim >= 2

    def fail(self, place: int, problem: NonFinite) -> None:
        """Note what stopped a seed. Raises it when none is left."""
        self.failed.setdefault(place, problem)
        if len(self.failed) == self.count:
            raise self.failed[min(self.failed)]


MicroBatches = list[tuple[Batch, float]]  # of a batch: the loss is a mean over rows, so each has its share of them


@dataclass
class Step:
    """One training step of a stage on one batch; gives the losses, a number a seed.

    It reads nothing from the device, so that it can be captured and replayed (`graph.Replayed`). The first one raises
    RuntimeError if what has a gradient is not the stage: a replay leaves no gradients to look at.
    """

    model: nn.Module
    recipe: Recipe
    optimizer: torch.optim.Optimizer
    parameters: Sequence[nn.Parameter]
    axis: SeedAxis
    t: int = 0
    looked: bool = False

    def __call__(self, batch: Batch | MicroBatches) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        losses: list[torch.Tensor] = []
        for own, share in batch if isinstance(batch, list) else [(batch, 1.0)]:
            with autocast(self.model, self.recipe.precision):
                of_rows = self.axis.losses(self.model, own)
            if share < 1:
                of_rows = of_rows * share
            of_rows.sum().backward()  # and with it goes what the forward pass kept, before the next one comes
            losses.append(of_rows.detach())
        if not self.looked:
            self._require_stage()
        self.axis.clip(self.parameters, self.recipe.clip_norm)
        self.optimizer.step()
        return sum(losses[1:], losses[0])

    def _require_stage(self) -> None:
        self.looked = True
        stage = sum(parameter.numel() for parameter in self.parameters)
        updated = sum(parameter.numel() for parameter in self.model.parameters() if parameter.grad is not None)
        if updated != stage:
            raise RuntimeError(f"epoch {self.t + 1}: {updated} elements have a gradient, but its stage holds {stage}")


def autocast(model: nn.Module, precision: str) -> torch.autocast:
    """A forward pass in a recipe's precision; weights, gradients and optimizer stay in float32 whatever it is.

    On a GPU casts are not kept from one layer to another: a captured step must make its own.
    """
    device = next(model.parameters()).device.type
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16", cache_enabled=device == "cpu")
