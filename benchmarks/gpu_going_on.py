"""Seeds side by side that stop on the way and go on from a checkpoint, against the same that go through.

Parameters, moments, learning rate, order of rows and dropout are those of the checkpoint. Steps that were replayed may
now run as they are, or the other way round: this check says how far that leads.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gpu_machine import replayed

from progbench.recipes.recipe import Recipe
from progbench.training import checkpoints, train
from progbench.training.checkpoints import Checkpoints


class Stopped(Exception):
    """What stops the run."""


def going_on(recipe: Recipe, seeds: Sequence[int], device: str, step: int = 30) -> tuple[float, float, str]:
    """The largest relative difference between the epochs' mean losses, dropout and all; a checkpoint at every step."""

    def stop(self: Checkpoints, past, made, steps: int) -> None:
        save(self, past, made, steps)
        if steps == step:
            raise Stopped

    save, every = Checkpoints.save, checkpoints.EVERY
    with tempfile.TemporaryDirectory() as folder:
        kept = Checkpoints(Path(folder))
        Checkpoints.save, checkpoints.EVERY = stop, 0.0
        try:
            with contextlib.suppress(Stopped):
                list(train.train_together(recipe, seeds, device, kept=kept))
        finally:
            Checkpoints.save, checkpoints.EVERY = save, every
        again = replayed(recipe, tuple(seeds), device, kept)
    through = replayed(recipe, tuple(seeds), device)
    pairs = [(epoch.loss, other.loss) for ours, theirs in zip(again, through, strict=True)
             for epoch, other in zip(ours.epochs, theirs.epochs, strict=True)]  # fmt: skip
    number = max(abs(loss - other) / other for loss, other in pairs)
    return number, 1e-3, f"{again[0].notes[-1]}; mean losses differ by at most {number:.1e}"
