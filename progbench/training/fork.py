"""Epochs that two runs share: schedules of one recipe and seed are one run until their stages differ.

The first run leaves what the next epoch depends on in a file, the other goes on from there. It ends as it would have
ended alone, to the last bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from progbench.recipes.recipe import Recipe
from progbench.runs.results import EpochResult


@dataclass(frozen=True)
class Past:
    """What a run has behind it: its epochs so far, what they took in seconds and bytes, and the state they led to.

    `epochs` are by epoch and then by seed, as `seeds` has them; `failed` says, by a seed's place, what stopped it.
    The run that goes on from it takes the state out of it.
    """

    seeds: tuple[int, ...]
    epochs: tuple[tuple[EpochResult, ...], ...]
    seconds: float
    peak_memory_bytes: int
    state: dict[str, Any]
    failed: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shared:
    """The first `epochs` epochs are another run's, too: they are found at `path`, or left there for it."""

    path: Path
    epochs: int

    def load(self, seeds: Sequence[int]) -> Past | None:
        """The shared past of these seeds, or None where no run has left it."""
        import torch

        if not self.path.is_file():
            return None
        content = torch.load(self.path, weights_only=True, mmap=True, map_location="cpu")
        if tuple(content["seeds"]) != tuple(seeds):
            return None
        epochs = tuple(tuple(EpochResult(**one) for one in epoch) for epoch in content["epochs"])
        return Past(**content | {"seeds": tuple(seeds), "epochs": epochs})

    def save(self, past: Past) -> None:
        """Leave a past for the next run; where there is no room for it, that one trains its epochs itself."""
        import torch

        content = {name: getattr(past, name) for name in ("seeds", "seconds", "peak_memory_bytes", "state", "failed")}
        aside = self.path.with_suffix(".aside")
        try:
            torch.save(content | {"epochs": [[asdict(one) for one in epoch] for epoch in past.epochs]}, aside)
            aside.replace(self.path)
        except (OSError, RuntimeError) as problem:  # which torch's writer raises on a full disk
            warnings.warn(f"epochs that another run shares were not left for it: {problem}", stacklevel=2)
        finally:
            aside.unlink(missing_ok=True)


def shared_epochs(recipes: Sequence[Recipe]) -> int:
    """How many epochs these recipes have in common from the first one on, if they differ in their schedules alone.

    >>> from progbench.recipes.reading import read
    >>> names = ("constant", "shrinking")
    >>> shared_epochs([read("paper", "glue", model="bert-base", schedule=name, task="rte") for name in names])
    1
    """
    stages = [recipe.build_schedule() for recipe in recipes]
    return sum(1 for _ in takewhile(lambda column: len({*column}) == 1, zip(*stages, strict=True)))
