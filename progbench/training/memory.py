"""How many seeds fit into a GPU's memory side by side, estimated before anything is loaded."""

from __future__ import annotations

import gc

import torch

from progbench.method.counting import sizes
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.tasks.catalog import tasks

TRAINING = 20  # bytes of a number that trains: itself, two moments, and a gradient in graphs and one outside
FROZEN = 4
# What a step keeps of a token in a block for its backward pass, in multiples of the hidden size, in graphs and outside:
# 13.5 for a token of a row (masks of dropout are quarters), 4 for a place in attention's bins. Both are 1.3 times as
# many as `LENGTH` says.
KEPT = 2 * (13.5 + 4) * 1.3
LENGTH = 0.5  # of the longest a text may be: RTE's mean is 66 of 128 tokens, that of SQuAD's windows 175 of 384
APART = 2 << 30  # bytes for the process, its libraries and what is not counted here
OUT_OF_MEMORY = (
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator: can't allocate memory",
)
USABLE = 0.9  # of what is free: the rest is lost between pieces


def most_together(recipe: Recipe, free: int) -> int:
    """How many seeds of a recipe a GPU with so many free bytes trains side by side, at least one.

    >>> from progbench.recipes.reading import read
    >>> most_together(read("paper", "glue", model="bert-base", schedule="constant", task="rte"), free=80 << 30)
    13

    Where the estimate is too high, `train.train_together` goes on with half as many.
    """
    model, task = spec(recipe.model), tasks()[recipe.task]
    trains = sizes(model, task.num_labels, recipe.tuning, task.head, **recipe.tuning_options)
    count = trains.embeddings + model.blocks * trains.block + trains.head
    whole = sizes(model, task.num_labels, "full", task.head)
    shared = 0 if recipe.tuning == "full" else FROZEN * (whole.embeddings + model.blocks * whole.block + whole.head)
    tokens = LENGTH * recipe.batch_size * recipe.max_length
    seed = TRAINING * count + 4 * KEPT * tokens * model.hidden * model.blocks
    return max(1, int((USABLE * free - APART - shared) // seed))


def free() -> int:
    """The free bytes of the current GPU, after giving back what earlier runs left."""
    free_all("cuda")
    return torch.cuda.mem_get_info()[0]


def free_all(device: str) -> None:
    """Give back the memory of models that nothing uses any more: their hooks keep them in cycles."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


def ran_out(problem: BaseException) -> bool:
    """Whether a device, or the host, ran out of memory.

    >>> ran_out(torch.OutOfMemoryError("CUDA out of memory")), ran_out(MemoryError()), ran_out(RuntimeError("a shape"))
    (True, True, False)

    The driver, cuBLAS and the allocator of a CPU say so in words alone.
    """
    if isinstance(problem, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(problem)
    return isinstance(problem, RuntimeError) and any(words in said for words in OUT_OF_MEMORY)
