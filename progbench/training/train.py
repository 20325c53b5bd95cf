"""A recipe and seeds in, results out. What is expected cannot be seen from here."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import torch

from progbench import environment
from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult
from progbench.training import memory, one_run, plain
from progbench.training.checkpoints import Checkpoints
from progbench.training.prepared import NotServed, NotTogether
from progbench.training.scoring import NonFinite


def train(
    recipe: Recipe, seed: int, device: str = "cpu", threads: int = 0, kept: Checkpoints | None = None
) -> RunResult:
    """Prepare a recipe with one seed, fit it epoch by epoch, and return the scores after each as a result.

    The seed fixes head initialisation, data order and dropout, each from a generator started anew, so that fine-tuning
    and Progtuning of one seed start from the same head and see the same batches. The same seed gives bit-identical
    scores at the same thread count on the same CPU; `threads` 0 leaves the process's own. With checkpoints `kept`, a
    run that was killed goes on from its last one, and ends with the same scores; what the result says of time is the
    sum. A run that does not fit the memory is tried again with each batch in two micro-batches. A model that packed
    batches do not serve is trained by `plain.train`, as its result says, without checkpoints.

    Raises Missing or BadInput before the first step, and NonFinite as soon as a loss or a score is not finite.
    """
    try:
        (result,) = _with_smaller_batches(recipe, [seed], device, threads, kept)
    except NotServed as why:
        return _plainly(recipe, seed, device, threads, why)
    if result.error:
        raise NonFinite(result.error, result.fingerprints)
    return result


def train_together(
    recipe: Recipe, seeds: Sequence[int], device: str = "cuda", threads: int = 0, kept: Checkpoints | None = None
) -> Iterator[RunResult]:
    """Train seeds of a recipe side by side, as one model (`side_by_side.stack`); gives a result a seed.

    Its times are a seed's share, its peak memory that of all. A seed whose loss or score is not finite is an error; the
    others go on. Seeds that do not fit the device's memory together are trained in two groups, and those that cannot be
    stacked alone; their results say so, and come as soon as a group is done. One seed alone that does not fit is tried
    again as in `train`, and a model that packed batches do not serve is trained as there.
    Raises ValueError for no seeds or a seed twice, and Missing or BadInput before the first step.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds {[*seeds]}: wanted are one or more, each once")
    try:
        run = one_run.perform if len(seeds) > 1 else _with_smaller_batches
        yield from run(recipe, seeds, device, threads, kept, together=True)
        return
    except NotServed as why:
        for seed in seeds:
            try:
                yield _plainly(recipe, seed, device, threads, why)
            except NonFinite as problem:
                made = environment.describe(device)
                yield RunResult(recipe, seed, error=str(problem), fingerprints=problem.fingerprints, environment=made)
        return
    except NotTogether as problem:
        seed_groups, note, again = [[seed] for seed in seeds], str(problem), _with_smaller_batches
    except Exception as problem:
        if len(seeds) == 1 or not memory.ran_out(problem):
            raise
        half = (len(seeds) + 1) // 2
        seed_groups, again = [seeds[:half], seeds[half:]], train_together
        note = f"{len(seeds)} seeds side by side ran out of memory, so they were trained in two groups"
    memory.free_all(device)
    for group in seed_groups:
        for result in again(recipe, group, device, threads, kept):
            yield result.completed(note)


def _plainly(recipe: Recipe, seed: int, device: str, threads: int, why: NotServed) -> RunResult:
    memory.free_all(device)
    return plain.train(recipe, seed, device, threads).completed(f"trained by the plain trainer: {why}")


def _with_smaller_batches(
    recipe: Recipe,
    seeds: Sequence[int],
    device: str,
    threads: int,
    kept: Checkpoints | None,
    *,
    together: bool = False,
) -> list[RunResult]:
    """Train; where memory runs out, once more from the last checkpoint, with each batch in two micro-batches."""
    run = functools.partial(one_run.perform, recipe, seeds, device, threads, kept, together=together)
    try:
        return run()
    except Exception as problem:
        if not memory.ran_out(problem) or recipe.batch_size == 1:
            raise
    memory.free_all(device)
    try:
        return run(micro_batches=2)
    except Exception as problem:
        if not memory.ran_out(problem):
            raise
        raise torch.OutOfMemoryError(f"{problem} (and so it was with each batch in two micro-batches)") from None
