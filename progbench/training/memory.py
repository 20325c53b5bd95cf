"""How many seeds fit into a GPU's memory side by side, estimated before anything is loaded."""

from __future__ import annotations

import torch

from progbench.method.counting import sizes
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.tasks.catalog import tasks

TRAINING = 16  # bytes of a number that trains: itself, its gradient and two moments
FROZEN = 4
KEPT = 20  # numbers that a step keeps of a token in a block, as multiples of the hidden size
APART = 2 << 30  # bytes for the process, its libraries and what is not counted here
USABLE = 0.9  # of what is free: the rest is lost between pieces


def most_together(recipe: Recipe, free: int) -> int:
    """How many seeds of a recipe a GPU with so many free bytes trains side by side, at least one.

    >>> from progbench.recipes.reading import read
    >>> most_together(read("paper", "glue", model="bert-base", schedule="constant", task="rte"), free=80 << 30)
    15

    Every text is taken to be as long as it may be, so more would often fit. Where the estimate is too high,
    `train.train_together` goes on with half as many.
    """
    model, task = spec(recipe.model), tasks()[recipe.task]
    trains = sizes(model, task.num_labels, recipe.tuning, task.head, **recipe.tuning_options)
    count = trains.embeddings + model.blocks * trains.block + trains.head
    whole = sizes(model, task.num_labels, "full", task.head)
    shared = 0 if recipe.tuning == "full" else FROZEN * (whole.embeddings + model.blocks * whole.block + whole.head)
    tokens = recipe.batch_size * recipe.max_length
    seed = TRAINING * count + 4 * KEPT * tokens * model.hidden * model.blocks
    return max(1, int((USABLE * free - APART - shared) // seed))


def free() -> int:
    """The bytes that are free on the current GPU."""
    return torch.cuda.mem_get_info()[0]
