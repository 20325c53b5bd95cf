"""The losses of an epoch's steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from progbench.training.scoring import NonFinite
from progbench.training.seed_axis import SeedAxis


class Losses:
    """An epoch's losses, looked at a few dozen at a time: reading each would make a GPU wait in every step.

    A loss that is not finite is so found up to that many steps late; nothing of such a run is kept.
    """

    LOOK_EVERY = 32

    def __init__(self, t: int, axis: SeedAxis, seen: Sequence[Sequence[float]] = ()) -> None:
        self.t = t
        self.latest = math.nan
        self._axis = axis
        self._seen = [list(losses) for losses in seen]
        self._waiting: list[torch.Tensor] = []

    def add(self, losses: torch.Tensor) -> None:
        self._waiting.append(losses.reshape(-1))
        if len(self._waiting) == self.LOOK_EVERY or not self._seen:
            self._look()

    def seen(self) -> list[list[float]]:
        """The losses of the epoch's steps so far, a list a step; they are looked at now."""
        self._look()
        return self._seen

    def means(self) -> tuple[float, ...]:
        """Each seed's mean loss over the epoch's steps."""
        return tuple(math.fsum(losses) / len(losses) for losses in zip(*self.seen(), strict=True))

    def _look(self) -> None:
        """Note NonFinite, naming epoch and step, for each seed's first loss that is not finite."""
        for losses in torch.stack(self._waiting).tolist() if self._waiting else ():
            self._seen.append(losses)
            for place, loss in enumerate(losses):
                if not math.isfinite(loss):
                    where = f"epoch {self.t + 1}, step {len(self._seen)}"
                    self._axis.fail(place, NonFinite(f"{where}: the loss is {loss}"))
            going = [loss for place, loss in enumerate(losses) if place not in self._axis.failed]
            self.latest = math.fsum(going) / len(going)
        self._waiting.clear()
