"""A run that several processes train together, against the same in one: on as many GPUs as there are, up to four.

With one GPU it is one process: its gradients go through NCCL and the wrapper all the same. Without any it is two on
the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence

from without_dropout import silenced

from progbench import environment
from progbench.models import loading
from progbench.recipes.recipe import Recipe
from progbench.training import launching, one_run
from progbench.training.ranks import ALONE, Rank, RankOfSeveral

MOST = 4


def losses(recipe: Recipe, seeds: Sequence[int], device: str, rank: Rank = ALONE) -> list[list[float]]:
    """Each seed's mean loss of each epoch, without dropout."""
    load = loading.load
    loading.load = lambda *arguments: silenced(load(*arguments))
    try:
        found = one_run.make(recipe, seeds, device, 0, None, together=True, rank=rank)
    finally:
        loading.load = load
    return [[epoch.loss for epoch in one.epochs] for one in found]


def of_several(recipe: Recipe, seeds: Sequence[int], device: str) -> list[list[float]]:
    """The same in each of several processes."""
    return losses(recipe, seeds, device, RankOfSeveral())


def data_parallel(recipe: Recipe, seeds: Sequence[int], device: str) -> tuple[float, float, str]:
    """The largest relative difference between the epochs' mean losses, over a stage change."""
    count = min(environment.gpu_count(), MOST) if device == "cuda" else 2
    ours, theirs = launching.several(of_several, (recipe, seeds, device), count, device), losses(recipe, seeds, device)
    pairs = [pair for one, other in zip(ours, theirs, strict=True) for pair in zip(one, other, strict=True)]
    number = max(abs(one - other) / other for one, other in pairs)
    return number, 1e-4, f"{count} processes; mean losses differ by at most {number:.1e}"
