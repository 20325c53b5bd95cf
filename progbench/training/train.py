"""Where a seed becomes a score: a recipe and seeds in, results out. What is expected cannot be seen from here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from progbench import environment, files
from progbench.recipes.recipe import Recipe
from progbench.runs.results import EpochResult, RunResult
from progbench.training import memory, process
from progbench.training.fitting import fit
from progbench.training.fork import Past, Shared
from progbench.training.graph import Stages
from progbench.training.prepared import NotTogether, Prepared
from progbench.training.scoring import NonFinite


def train(recipe: Recipe, seed: int, device: str = "cpu", threads: int = 0, shared: Shared | None = None) -> RunResult:
    """Prepare a recipe with one seed, fit it epoch by epoch, and return the scores after each as a result.

    The seed fixes head initialisation, data order and dropout, each from a generator started anew, so that fine-tuning
    and Progtuning of one seed start from the same head and see the same batches. The same seed gives bit-identical
    scores at the same thread count on the same CPU; `threads` 0 leaves the process's own. Epochs `shared` with another
    schedule's run of this seed are taken from there, or left for it; what the result says of time and memory is what
    the run takes alone.

    Raises Missing or BadInput before the first step, and NonFinite as soon as a loss or a score is not finite.
    """
    (result,) = _train(recipe, [seed], device, threads, shared)
    if result.error:
        raise NonFinite(result.error, result.fingerprints)
    return result


def train_together(
    recipe: Recipe,
    seeds: Sequence[int],
    device: str = "cuda",
    threads: int = 0,
    shared: Shared | None = None,
) -> Iterator[RunResult]:
    """Train seeds of a recipe side by side, as one model (`side_by_side.stack`); gives a result a seed.

    Its times are a seed's share, its peak memory that of all. A seed whose loss or score is not finite is an error; the
    others go on. Seeds that do not fit the device's memory together are trained in two parts, and those that cannot be
    stacked alone; their results say so, and come as soon as a part is done.
    Raises ValueError for no seeds or a seed twice, and Missing or BadInput before the first step.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds {[*seeds]}: wanted are one or more, each once")
    try:
        yield from _train(recipe, seeds, device, threads, shared, together=True)
        return
    except NotTogether as problem:
        parts, note, again = [[seed] for seed in seeds], str(problem), _train
    except torch.OutOfMemoryError:
        if len(seeds) == 1:
            raise
        half = (len(seeds) + 1) // 2
        parts, again = [seeds[:half], seeds[half:]], train_together
        note = f"{len(seeds)} seeds side by side ran out of memory, so they were trained in two parts"
    memory.free_all(device)
    for part in parts:
        own = shared and replace(shared, path=shared.path.with_name(f"{shared.path.name}-{part[0]}"))
        for one in again(recipe, part, device, threads, own):
            yield replace(one, notes=(*one.notes, note))


def _train(
    recipe: Recipe, numbers: Sequence[int], device: str, threads: int, shared: Shared | None, *, together: bool = False
) -> list[RunResult]:
    started = time.perf_counter()
    environment.commit()  # is that of the code now, not of a tree that moves on while it trains
    with (
        files.temporary_folder() as folder,
        process.settings(recipe, device, threads) as used,
    ):
        prepared = Prepared.of(recipe, numbers, device, Path(folder), together=together)
        past = shared.load(numbers) if shared else None
        stages = Stages(device) if together else None
        run = _Run(prepared, device, shared, stages)
        epochs: list[tuple[EpochResult, ...]] = []
        with contextlib.suppress(NonFinite):  # no seed is left: `failed` has what stopped each
            epochs += run.epochs(past)
        if stages:
            stages.close()
    seconds = time.perf_counter() - started + (past.seconds if past else 0.0)
    made = environment.describe(device, threads=used)
    if together:
        made |= {"side_by_side": " ".join(map(str, numbers))}
    failed = prepared.seeds.failed
    return [
        RunResult(recipe, number, error=str(failed[place]), fingerprints=prepared.fingerprints, environment=made)
        if place in failed
        else RunResult(
            recipe=recipe,
            seed=number,
            epochs=tuple(epoch[place] for epoch in epochs),
            seconds=seconds / len(numbers),
            peak_memory_bytes=max(environment.peak_memory(device), past.peak_memory_bytes if past else 0),
            fingerprints=prepared.fingerprints,
            examples=prepared.work.examples,
            left_out=prepared.work.left_out,
            notes=(*prepared.notes, *(stages.refused if stages else ())),
            environment=made,
        )
        for place, number in enumerate(numbers)
    ]


@dataclass(frozen=True)
class _Run:
    """A prepared run, epoch by epoch; with `stages` its steps are replayed."""

    prepared: Prepared
    device: str
    shared: Shared | None
    stages: Stages | None

    def epochs(self, past: Past | None) -> Iterator[tuple[EpochResult, ...]]:
        """Each epoch's results, a seed each, trained and scored: those of a past first, then what follows it.

        Where no past was there, the epochs that another run shares are left for it as soon as they are done.
        """
        prepared, recipe = self.prepared, self.prepared.recipe
        epochs = [*past.epochs] if past else []
        if past:
            for order, state in zip(prepared.orders, past.state["orders"], strict=True):
                order.set_state(state)
            for place, message in past.failed.items():
                prepared.seeds.fail(place, NonFinite(message))
        yield from epochs
        schedule, steps, count = recipe.build_schedule(), prepared.steps, len(prepared.numbers)
        label = f"{recipe.id} seed{'s' * (count > 1)} {', '.join(map(str, prepared.numbers))}"
        begun = clock = time.perf_counter()
        # a captured step cannot read a number that lives on the host
        held = torch.zeros((), device=self.device) if self.device.startswith("cuda") else None
        fitting = fit(
            prepared.model, recipe, schedule, prepared.batches, steps,
            seeds=prepared.seeds, runner=self.stages or (lambda step: step), held=held, past=past, label=label,
        )  # fmt: skip
        for trained in fitting:
            seconds = (time.perf_counter() - clock) / count  # a seed's share
            scores = prepared.score()
            for place, one in enumerate(scores):
                if isinstance(one, NonFinite):
                    prepared.seeds.fail(place, one)
            flops = prepared.epoch_flops(schedule[trained.t])
            updated = prepared.updated_parameters(trained.updated_parameters)
            epochs.append(
                tuple(
                    EpochResult({} if isinstance(one, NonFinite) else one, updated, loss, seconds, steps, flops)
                    for one, loss in zip(scores, trained.losses, strict=True)
                )
            )
            if self.shared and not past and len(epochs) == self.shared.epochs:
                self._leave(epochs, trained.state(), time.perf_counter() - begun)
            yield epochs[-1]
            clock = time.perf_counter()

    def _leave(self, epochs: Sequence[tuple[EpochResult, ...]], state: dict, seconds: float) -> None:
        prepared = self.prepared
        state |= {"orders": [order.get_state() for order in prepared.orders]}
        failed = {place: str(problem) for place, problem in prepared.seeds.failed.items()}
        memory = environment.peak_memory(self.device)
        self.shared.save(Past(prepared.numbers, tuple(epochs), seconds, memory, state, failed))
