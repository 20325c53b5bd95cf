"""Epochs that two runs share: the schedules of one recipe and seed are one run until their stages differ.

The first run leaves a checkpoint to the other (`checkpoints.Checkpoints.leave`), which ends as it would alone, to the
last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from progbench.recipes.recipe import Recipe


def shared_epochs(recipes: Sequence[Recipe]) -> int:
    """How many epochs, from the first one on, recipes share that differ in their schedules alone.

    >>> from progbench.recipes.reading import read
    >>> names = ("constant", "shrinking")
    >>> shared_epochs([read("paper", "glue", model="bert-base", schedule=name, task="rte") for name in names])
    1
    """
    stages = [recipe.build_schedule() for recipe in recipes]
    return sum(1 for _ in takewhile(lambda column: len({*column}) == 1, zip(*stages, strict=True)))
