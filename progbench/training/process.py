"""What a run sets for its process, and restores at its end: threads, precision, memory, random generators."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from progbench.recipes.recipe import Recipe
from progbench.training import allocator


@contextlib.contextmanager
def settings(recipe: Recipe, device: str, threads: int) -> Iterator[int]:
    """Set the process for a run, and restore it at the end; gives the number of torch's CPU threads.

    `threads` 0 leaves as many as the process has. The global random generators are restored, too.
    """
    memory = allocator.kept_memory() if device == "cpu" else contextlib.nullcontext()
    # only the GPU in use: torch warns where there are many and all are forked
    cards = [torch.cuda.current_device()] if device.startswith("cuda") or torch.cuda.is_initialized() else []
    with _threads(threads) as used, torch.random.fork_rng(cards), products(recipe.precision), memory:
        yield used


@contextlib.contextmanager
def _threads(threads: int) -> Iterator[int]:
    """Set torch's CPU threads; 0 leaves as many as there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def products(precision: str) -> Iterator[None]:
    """Set a recipe's precision for float32 products."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
