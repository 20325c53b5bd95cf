"""Where a seed becomes a score: a recipe and seeds in, results out. What is expected cannot be seen from here."""

from __future__ import annotations

import contextlib
import functools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from progbench import environment, files
from progbench.recipes.recipe import Recipe
from progbench.runs.results import EpochResult, RunResult
from progbench.training import checkpoints, memory, process
from progbench.training.checkpoints import Checkpoints, Made, Past
from progbench.training.fitting import fit
from progbench.training.graph import Stages
from progbench.training.prepared import NotTogether, Prepared
from progbench.training.scoring import NonFinite


def train(
    recipe: Recipe, seed: int, device: str = "cpu", threads: int = 0, kept: Checkpoints | None = None
) -> RunResult:
    """Prepare a recipe with one seed, fit it epoch by epoch, and return the scores after each as a result.

    The seed fixes head initialisation, data order and dropout, each from a generator started anew, so that fine-tuning
    and Progtuning of one seed start from the same head and see the same batches. The same seed gives bit-identical
    scores at the same thread count on the same CPU; `threads` 0 leaves the process's own. With checkpoints `kept`, a
    run that was killed goes on from its last one, and ends with the same scores; what the result says of time is the
    sum. A run that does not fit the memory is tried again with each batch in two parts.

    Raises Missing or BadInput before the first step, and NonFinite as soon as a loss or a score is not finite.
    """
    (result,) = _in_room(recipe, [seed], device, threads, kept)
    if result.error:
        raise NonFinite(result.error, result.fingerprints)
    return result


def train_together(
    recipe: Recipe,
    seeds: Sequence[int],
    device: str = "cuda",
    threads: int = 0,
    kept: Checkpoints | None = None,
) -> Iterator[RunResult]:
    """Train seeds of a recipe side by side, as one model (`side_by_side.stack`); gives a result a seed.

    Its times are a seed's share, its peak memory that of all. A seed whose loss or score is not finite is an error; the
    others go on. Seeds that do not fit the device's memory together are trained in two parts, and those that cannot be
    stacked alone; their results say so, and come as soon as a part is done. One seed alone that does not fit is tried
    again as in `train`.
    Raises ValueError for no seeds or a seed twice, and Missing or BadInput before the first step.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds {[*seeds]}: wanted are one or more, each once")
    try:
        yield from (_train if len(seeds) > 1 else _in_room)(recipe, seeds, device, threads, kept, together=True)
        return
    except NotTogether as problem:
        parts, note, again = [[seed] for seed in seeds], str(problem), _in_room
    except Exception as problem:
        if len(seeds) == 1 or not memory.ran_out(problem):
            raise
        half = (len(seeds) + 1) // 2
        parts, again = [seeds[:half], seeds[half:]], train_together
        note = f"{len(seeds)} seeds side by side ran out of memory, so they were trained in two parts"
    memory.free_all(device)
    for part in parts:
        for one in again(recipe, part, device, threads, kept):
            yield replace(one, notes=(*one.notes, note))


def _in_room(
    recipe: Recipe, seeds: Sequence[int], device: str, threads: int, kept: Checkpoints | None, *, together: bool = False
) -> list[RunResult]:
    """Train; where memory runs out, once more from the last checkpoint, with each batch in two parts."""
    run = functools.partial(_train, recipe, seeds, device, threads, kept, together=together)
    try:
        return run()
    except Exception as problem:
        if not memory.ran_out(problem) or recipe.batch_size == 1:
            raise
    memory.free_all(device)
    try:
        return run(parts=2)
    except Exception as problem:
        if not memory.ran_out(problem):
            raise
        raise torch.OutOfMemoryError(f"{problem} (and so it was with each batch in two parts)") from None


def _train(
    recipe: Recipe,
    numbers: Sequence[int],
    device: str,
    threads: int,
    kept: Checkpoints | None,
    *,
    together: bool = False,
    parts: int = 1,
) -> list[RunResult]:
    started = time.perf_counter()
    environment.commit()  # is that of the code now, not of a tree that moves on while it trains
    with (
        files.temporary_folder() as folder,
        process.settings(recipe, device, threads) as used,
    ):
        prepared = Prepared.of(recipe, numbers, device, Path(folder), together=together)
        made = checkpoints.made_with(prepared.numbers, device, used, prepared.fingerprints, together=together)
        past = _past(prepared, kept, made, parts)
        stages = Stages(device) if together and past.parts == 1 else None
        run = _Run(prepared, device, kept, made, stages, past, started)
        epochs: list[tuple[EpochResult, ...]] = []
        with contextlib.suppress(NonFinite):  # no seed is left: `failed` has what stopped each
            epochs += run.epochs()
        if stages:
            stages.close()
    seconds = time.perf_counter() - started + past.seconds
    about = environment.describe(device, threads=used)
    if together:
        about |= {"side_by_side": " ".join(map(str, numbers))}
    if past.parts > 1:
        about |= {"batch_parts": past.parts}
    if past.resumed:
        about |= {"resumed": past.resumed}
    failed = prepared.seeds.failed
    return [
        RunResult(recipe, number, error=str(failed[place]), fingerprints=prepared.fingerprints, environment=about)
        if place in failed
        else RunResult(
            recipe=recipe,
            seed=number,
            epochs=tuple(epoch[place] for epoch in epochs),
            seconds=seconds / len(numbers),
            peak_memory_bytes=max(environment.peak_memory(device), past.peak_memory_bytes),
            fingerprints=prepared.fingerprints,
            examples=prepared.work.examples,
            left_out=prepared.work.left_out,
            notes=(*prepared.notes, *(stages.refused if stages else ()), *past.notes),
            environment=about,
        )
        for place, number in enumerate(numbers)
    ]


def _past(prepared: Prepared, kept: Checkpoints | None, made: Made, parts: int) -> Past:
    """What a run has behind it when it begins, and what its result should say of that; nothing, if it begins anew."""
    recipe, now = prepared.recipe, environment.commit()
    found, damaged = kept.load(made) if kept else (None, [])
    past = found or Past(prepared.numbers)
    notes = [*past.notes, *damaged]
    ours = found is not None and past.recipe == recipe.id  # and not what another schedule's run has left for it
    if ours:
        notes = [note for note in notes if not note.startswith("resumed ")]
        times = f"{past.resumed + 1} times, last " if past.resumed else ""
        notes.append(f"resumed {times}after {past}")
    if past.commit and past.commit != now:
        notes.append(f"its first part, up to {past}, was trained by commit {past.commit}")
    if parts > past.parts:
        where = f"from {past} on " if found else ""
        notes.append(f"it ran out of memory, so {where}each batch was trained in {parts} parts")
    return replace(past, parts=max(parts, past.parts), resumed=past.resumed + ours, notes=tuple(dict.fromkeys(notes)))


@dataclass
class _Run:
    """A prepared run, epoch by epoch, from what it has behind it; with `stages` its steps are replayed.

    With checkpoints `kept` it leaves one after each epoch but the last, and in an epoch whenever it is time.
    """

    prepared: Prepared
    device: str
    kept: Checkpoints | None
    made: Made
    stages: Stages | None
    past: Past
    started: float
    done: list[tuple[EpochResult, ...]] = field(default_factory=list)
    orders: list[torch.Tensor] = field(default_factory=list)
    full: bool = False
    begun: float = 0.0
    last: float = 0.0
    clock: float = 0.0

    def epochs(self) -> Iterator[tuple[EpochResult, ...]]:
        """Each epoch's results, a seed each, trained and scored: those that it has behind it first."""
        prepared, recipe, past = self.prepared, self.prepared.recipe, self.past
        for place, message in past.failed.items():
            prepared.seeds.fail(place, NonFinite(message))
        for order, state in zip(prepared.orders, past.state.get("orders", ()), strict=bool(past.state)):
            order.set_state(state)
        self.done += past.epochs
        yield from past.epochs
        schedule, steps, count = recipe.build_schedule(), prepared.steps, len(prepared.numbers)
        label = f"{recipe.id} seed{'s' * (count > 1)} {', '.join(map(str, prepared.numbers))}"
        # a captured step cannot read a number that lives on the host
        held = torch.zeros((), device=self.device) if self.device.startswith("cuda") else None
        self.begun = self.last = time.perf_counter()
        self._begin(past.spent)
        fitting = fit(
            prepared.model, recipe, schedule, functools.partial(prepared.batches, past.parts), steps,
            seeds=prepared.seeds, runner=self.stages or (lambda step: step), held=held, past=past.state,
            at_step=self._at_step if self.kept else lambda now: None, label=label,
        )  # fmt: skip
        for trained in fitting:
            seconds = (time.perf_counter() - self.clock) / count  # a seed's share
            scores = prepared.score()
            for place, one in enumerate(scores):
                if isinstance(one, NonFinite):
                    prepared.seeds.fail(place, one)
            flops = prepared.epoch_flops(schedule[trained.t])
            updated = prepared.updated_parameters(trained.updated_parameters)
            self.done.append(
                tuple(
                    EpochResult({} if isinstance(one, NonFinite) else one, updated, loss, seconds, steps, flops)
                    for one, loss in zip(scores, trained.losses, strict=True)
                )
            )
            self._begin()
            if self.kept:
                self._keep(trained.state())
            yield self.done[-1]
            self.clock = time.perf_counter()

    def _begin(self, spent: float = 0.0) -> None:
        """An epoch begins, or goes on after so many seconds; from the generators as they are it draws its order."""
        self.orders = [order.get_state() for order in self.prepared.orders]
        self.clock = time.perf_counter() - spent

    def _at_step(self, now: Callable[[], dict[str, Any]]) -> None:
        if time.perf_counter() - self.last >= checkpoints.EVERY:
            self._keep(now())

    def _keep(self, state: dict[str, Any]) -> None:
        """Leave a checkpoint, and the epochs that other runs share to them; where there is no room, say so once."""
        prepared, epoch, before = self.prepared, state["epoch"], time.perf_counter()
        past = replace(
            self.past,
            epochs=tuple(self.done),
            seconds=self.past.seconds + before - self.started,
            peak_memory_bytes=max(environment.peak_memory(self.device), self.past.peak_memory_bytes),
            state=state | {"orders": self.orders},
            failed={place: str(problem) for place, problem in prepared.seeds.failed.items()},
            spent=before - self.clock,
            recipe=prepared.recipe.id,
            commit=environment.commit(),
        )
        steps = epoch * prepared.steps + state["step"]
        try:
            if epoch < prepared.recipe.epochs:  # or there is a result now
                self.kept.save(past, self.made, steps)
            if (epoch, state["step"]) == (self.kept.shared, 0):
                self.kept.leave(replace(past, seconds=self.past.seconds + before - self.begun), self.made, steps)
        except OSError as problem:
            if not self.full:
                warnings.warn(f"{prepared.recipe.id}: no checkpoint could be written ({problem})", stacklevel=2)
            self.full = True
        self.last = time.perf_counter()
        self.clock += self.last - before  # an epoch's seconds are those of its steps
