"""What a step does for each seed: the loss, the clipping and the optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

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
