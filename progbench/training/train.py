"""Where a seed becomes a score: a recipe and a seed in, a result out. What is expected cannot be seen from here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from progbench import environment
from progbench.recipes.recipe import Recipe
from progbench.runs.results import EpochResult, RunResult
from progbench.training import process
from progbench.training.fitting import fit
from progbench.training.fork import Past, Shared
from progbench.training.prepared import Prepared


def train(recipe: Recipe, seed: int, device: str = "cpu", threads: int = 0, shared: Shared | None = None) -> RunResult:
    """Prepare a recipe with one seed, fit it epoch by epoch, and return the scores after each as a result.

    The seed fixes head initialisation, data order and dropout, each from a generator started anew, so that fine-tuning
    and Progtuning of one seed start from the same head and see the same batches. The same seed gives bit-identical
    scores at the same thread count on the same CPU; `threads` 0 leaves the process's own. Epochs `shared` with another
    schedule's run of this seed are taken from there, or left for it; what the result says of time and memory is what
    the run takes alone.

    Raises Missing or BadInput before the first step, and NonFinite as soon as a loss or a score is not finite.
    """
    started = time.perf_counter()
    environment.commit()  # is that of the code now, not of a tree that moves on while it trains
    with (
        tempfile.TemporaryDirectory(prefix="progbench-") as folder,
        process.settings(recipe, device, threads) as used,
    ):
        prepared = Prepared.of(recipe, seed, device, Path(folder))
        past = shared.load() if shared else None
        epochs = tuple(_epochs(prepared, seed, device, past, shared))
    return RunResult(
        recipe=recipe,
        seed=seed,
        epochs=epochs,
        seconds=time.perf_counter() - started + (past.seconds if past else 0.0),
        peak_memory_bytes=max(environment.peak_memory(device), past.peak_memory_bytes if past else 0),
        fingerprints=prepared.fingerprints,
        examples=prepared.work.examples,
        left_out=prepared.work.left_out,
        notes=prepared.notes,
        environment=environment.describe(device, threads=used),
    )


def _epochs(
    prepared: Prepared, seed: int, device: str, past: Past | None, shared: Shared | None
) -> Iterator[EpochResult]:
    """A run's epochs, each trained and scored: those of a past first, then what follows it.

    Where no past was there, the epochs that another run shares are left for it as soon as they are done.
    """
    recipe, epochs = prepared.recipe, [*past.epochs] if past else []
    if past:
        prepared.order.set_state(past.state["order"])
    yield from epochs
    schedule, label = recipe.build_schedule(), f"{recipe.id} seed {seed}"
    begun = clock = time.perf_counter()
    for trained in fit(prepared.model, recipe, schedule, prepared.batches, prepared.steps, past=past, label=label):
        seconds = time.perf_counter() - clock
        scores = prepared.score()
        flops = prepared.epoch_flops(schedule[trained.t])
        updated = prepared.updated_parameters(trained.updated_parameters)
        epochs.append(EpochResult(scores, updated, trained.loss, seconds, prepared.steps, flops))
        if shared and not past and len(epochs) == shared.epochs:
            state = trained.state() | {"order": prepared.order.get_state()}
            so_far = time.perf_counter() - begun
            shared.save(Past(tuple(epochs), so_far, environment.peak_memory(device), state))
        yield epochs[-1]
        clock = time.perf_counter()
