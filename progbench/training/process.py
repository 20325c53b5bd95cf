"""What a run sets for the process it trains in, and gives back when it ends: threads, precision, memory, chance."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from progbench.recipes.recipe import Recipe
from progbench.training import allocator


@contextlib.contextmanager
def settings(recipe: Recipe, device: str, threads: int) -> Iterator[int]:
    """Set the process for a run, whatever it has set for itself; gives the number of torch's CPU threads.

    `threads` 0 leaves as many as the process has. The global random generators are as they were when the run ends.
    """
    memory = allocator.kept_memory() if device == "cpu" else contextlib.nullcontext()
    # of the GPUs the one in use alone: that others are forked, too, is a warning where there are many
    cards = [torch.cuda.current_device()] if device.startswith("cuda") or torch.cuda.is_initialized() else []
    with _threads(threads) as used, torch.random.fork_rng(cards), products(recipe.precision), memory:
        yield used


@contextlib.contextmanager
def _threads(threads: int) -> Iterator[int]:
    """Torch's CPU threads for a run, whatever this process has set for itself; 0: as many as that."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def products(precision: str) -> Iterator[None]:
    """A recipe's precision for float32 products, whatever this process has set for itself."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
