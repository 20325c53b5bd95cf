"""One run from its first step to its result, or from where a killed one stood."""

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
from progbench.training import checkpoints, process
from progbench.training.checkpoints import Checkpoints, Made, Past
from progbench.training.fitting import fit
from progbench.training.graph import Stages
from progbench.training.prepared import Prepared
from progbench.training.ranks import ALONE, Rank
from progbench.training.scoring import NonFinite, Scored


def make(
    recipe: Recipe,
    numbers: Sequence[int],
    device: str,
    threads: int,
    kept: Checkpoints | None,
    *,
    together: bool = False,
    parts: int = 1,
    rank: Rank = ALONE,
) -> list[RunResult]:
    """Train a recipe with these seeds, `together` as one model or a single one; gives a result for each.

    Each batch is trained in so many `parts`, one after another. The processes that train one run all call this, and all
    have the results. Raises as `train.train` does, and torch.OutOfMemoryError.
    """
    started = time.perf_counter()
    environment.commit()  # is that of the code now, not of a tree that moves on while it trains
    with (
        files.temporary_folder() as folder,
        process.settings(recipe, device, threads) as used,
    ):
        prepared = Prepared.of(recipe, numbers, device, Path(folder), together=together, rank=rank)
        made = checkpoints.made_with(
            prepared.numbers, device, used, prepared.fingerprints, together=together, ranks=rank.count
        )
        past = _past(prepared, kept, made, parts)
        stages = Stages(device) if together and past.parts == 1 and rank.alone else None
        run = _Run(prepared, device, kept, made, stages, past, started)
        epochs: list[tuple[EpochResult, ...]] = []
        with contextlib.suppress(NonFinite):  # no seed is left: `failed` has what stopped each
            epochs += run.epochs()
        if stages:
            stages.close()
        peak = max(rank.gathered(environment.peak_memory(device)))
    seconds = time.perf_counter() - started + past.seconds
    about = environment.describe(device, threads=used)
    if together:
        about |= {"side_by_side": " ".join(map(str, numbers))}
    if not rank.alone:
        about |= {"data_parallel": rank.count}
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
            peak_memory_bytes=max(peak, past.peak_memory_bytes),
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
    found, damaged = prepared.rank.in_turn(lambda: kept.load(made)) if kept else (None, [])
    where = str(found) if found else ""
    if len({*prepared.rank.gathered(where)}) > 1:
        raise RuntimeError("the processes that train this run together read unlike checkpoints; start it again")
    past = found or Past(prepared.numbers)
    notes = [*past.notes, *damaged]
    if kept and not damaged and kept.unlike(made):
        notes.append("it began anew: its checkpoint was of other versions, data, seeds, machine or number of processes")
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


def _epoch_result(found: Scored, *numbers: float | None) -> EpochResult:
    """An epoch's result; `numbers` are the fields after its scores, in order. A seed that failed has no scores."""
    sets = {} if isinstance(found, NonFinite) else found
    scores = {name: of_set.metrics for name, of_set in sets.items()}
    return EpochResult(scores, *numbers, predictions={name: of_set.predictions for name, of_set in sets.items()})


class Clock:
    """Seconds since it was made, by the wall and of this process on its CPUs; `wall` and `cpu` are seconds before.

    >>> wall, cpu = Clock(10.0, 20.0).spent()
    >>> 10.0 < wall < 11.0, 20.0 <= cpu < 21.0
    (True, True)
    """

    def __init__(self, wall: float = 0.0, cpu: float = 0.0) -> None:
        self._wall, self._cpu = time.perf_counter() - wall, time.process_time() - cpu

    def spent(self) -> tuple[float, float]:
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


@dataclass
class _Run:
    """A prepared run, epoch by epoch, from what it has behind it; with `stages` its steps are replayed.

    With checkpoints `kept` it leaves one after each epoch but the last, and in an epoch whenever it is time.

    `done` are the results so far, and `orders` the generators of the order of rows as this epoch found them. In
    seconds: the run `started`, its first epoch was `begun`, the `last` checkpoint was left; `clock` has what this
    epoch's steps took. `full` says that a checkpoint has found no room; `steps` counts those that were trained in this
    process.
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
    clock: Clock = field(default_factory=Clock)
    steps: int = 0

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
            seeds=prepared.seeds, runner=self.stages or prepared.rank.wrapped, held=held, past=self._state(),
            at_step=self._at_step if self.kept else lambda now: None, label=label,
        )  # fmt: skip
        for trained in fitting:
            seconds, cpu_seconds = (spent / count for spent in self.clock.spent())  # a seed's share
            found = prepared.score()
            for place, scores in enumerate(found):
                if isinstance(scores, NonFinite):
                    prepared.seeds.fail(place, scores)
            flops = prepared.epoch_flops(schedule[trained.t])
            updated = prepared.updated_parameters(trained.updated_parameters)
            self.done.append(
                tuple(
                    _epoch_result(scores, updated, loss, seconds, steps, flops, cpu_seconds)
                    for scores, loss in zip(found, trained.losses, strict=True)
                )
            )
            self._begin()
            if self.kept:
                self._keep(trained.state())
            yield self.done[-1]
            self.clock = Clock()

    def _state(self) -> dict[str, Any]:
        """What the run goes on from, with the streams of chance that are this process's own."""
        state = self.past.state
        if state:
            state["random"] = state["random"][self.prepared.rank.number]
        return state

    def _begin(self, spent: tuple[float, float] = (0.0, 0.0)) -> None:
        """An epoch begins, or goes on after so many seconds; from the generators as they are it draws its order."""
        self.orders = [order.get_state() for order in self.prepared.orders]
        self.clock = Clock(*spent)

    def _at_step(self, now: Callable[[], dict[str, Any]]) -> None:
        self.steps += 1
        rank = self.prepared.rank
        if self.steps % rank.ask_every == 0 and rank.agreed(time.perf_counter() - self.last >= checkpoints.EVERY):
            self._keep(now())

    def _keep(self, state: dict[str, Any]) -> None:
        """Leave a checkpoint. Of several processes the first one writes: all have the same state but for chance."""
        before, rank, spent = time.perf_counter(), self.prepared.rank, self.clock.spent()
        state = state | {"random": rank.gathered(state["random"]), "orders": self.orders}
        if rank.number == 0:
            self._write(state, before, spent)
        self.last = time.perf_counter()
        self.clock = Clock(*spent)  # an epoch's seconds are those of its steps

    def _write(self, state: dict[str, Any], now: float, spent: tuple[float, float]) -> None:
        """Write a checkpoint, and the epochs that other runs share to them; where there is no room, say so once."""
        prepared, epoch = self.prepared, state["epoch"]
        past = replace(
            self.past,
            epochs=tuple(self.done),
            seconds=self.past.seconds + now - self.started,
            peak_memory_bytes=max(environment.peak_memory(self.device), self.past.peak_memory_bytes),
            state=state,
            failed={place: str(problem) for place, problem in prepared.seeds.failed.items()},
            spent=spent,
            recipe=prepared.recipe.id,
            commit=environment.commit(),
        )
        steps = epoch * prepared.steps + state["step"]
        try:
            if epoch < prepared.recipe.epochs:  # or there is a result now
                self.kept.save(past, self.made, steps)
            if (epoch, state["step"]) == (self.kept.shared, 0):
                self.kept.leave(replace(past, seconds=self.past.seconds + now - self.begun), self.made, steps)
        except OSError as problem:
            if not self.full:
                warnings.warn(f"{prepared.recipe.id}: no checkpoint could be written ({problem})", stacklevel=2)
            self.full = True
