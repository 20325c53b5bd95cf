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
from progbench.runs.provenance import Provenance
from progbench.runs.results import EpochResult, RunResult
from progbench.training import checkpoints, lines, process
from progbench.training.checkpoints import Checkpoints, Made, Past
from progbench.training.clock import Clock
from progbench.training.fitting import fit
from progbench.training.graph import Stages
from progbench.training.prepared import Prepared
from progbench.training.scoring import NonFinite, epoch_result


def perform(
    recipe: Recipe,
    seeds: Sequence[int],
    device: str,
    threads: int,
    kept: Checkpoints | None,
    *,
    together: bool = False,
    micro_batches: int = 1,
) -> list[RunResult]:
    """Train a recipe with these seeds, `together` as one model or a single one; gives a result for each.

    Each batch is trained in so many `micro_batches`, one after another.
    Raises as `train.train` does, and torch.OutOfMemoryError.
    """
    started = time.perf_counter()
    environment.commit()  # is that of the code now, not of a tree that moves on while it trains
    with (
        files.temporary_folder() as folder,
        process.settings(recipe, device, threads) as used,
    ):
        prepared = Prepared.of(recipe, seeds, device, Path(folder), together=together)
        made = checkpoints.made_with(prepared.seeds, device, used, prepared.fingerprints, together=together)
        past = _past(prepared, kept, made, micro_batches)
        stages = Stages(device) if together and past.micro_batches == 1 else None
        run = _Run(prepared, device, kept, made, stages, past, started)
        epochs: list[tuple[EpochResult, ...]] = []
        with contextlib.suppress(NonFinite):  # no seed is left: `failed` has what stopped each
            epochs += run.epochs()
        if stages:
            stages.close()
        peak = environment.peak_memory(device)
    seconds = time.perf_counter() - started + past.seconds
    failed, work = prepared.axis.failed, prepared.work
    made_how = {
        "fingerprints": prepared.fingerprints,
        "environment": environment.describe(device, threads=used),
        "provenance": Provenance(prepared.seeds if together else (), past.micro_batches, past.resumed),
    }
    return [
        RunResult(recipe, seed, error=str(failed[place]), **made_how)
        if place in failed
        else RunResult(
            recipe=recipe,
            seed=seed,
            epochs=tuple(epoch[place] for epoch in epochs),
            seconds=seconds / len(seeds),
            peak_memory_bytes=max(peak, past.peak_memory_bytes),
            examples=work.examples,
            left_out=work.left_out,
            notes=(*work.notes, *(stages.refused if stages else ()), *past.notes),
            **made_how,
        )
        for place, seed in enumerate(seeds)
    ]


def _past(prepared: Prepared, kept: Checkpoints | None, made: Made, micro_batches: int) -> Past:
    """What a run has behind it when it begins, and what its result should say of that; nothing, if it begins anew."""
    recipe, now = prepared.recipe, environment.commit()
    found, damaged = kept.load(made) if kept else (None, [])
    past = found or Past(prepared.seeds)
    notes = [*past.notes, *damaged]
    if kept and not damaged and kept.unlike(made):
        notes.append("it began anew: its checkpoint was of other versions, data, seeds or machine")
    ours = found is not None and past.recipe == recipe.id  # and not what another schedule's run has left for it
    if ours:
        notes = [note for note in notes if not note.startswith("resumed ")]
        times = f"{past.resumed + 1} times, last " if past.resumed else ""
        notes.append(f"resumed {times}after {past}")
    if past.commit and past.commit != now:
        notes.append(f"its beginning, up to {past}, was trained by commit {past.commit}")
    if micro_batches > past.micro_batches:
        where = f"from {past} on " if found else ""
        notes.append(f"it ran out of memory, so {where}each batch was trained in {micro_batches} micro-batches")
    return replace(
        past,
        micro_batches=max(micro_batches, past.micro_batches),
        resumed=past.resumed + ours,
        notes=tuple(dict.fromkeys(notes)),
    )


@dataclass
class _Run:
    """A prepared run, epoch by epoch, from what it has behind it; with `stages` its steps are replayed.

    With checkpoints `kept` it leaves one after each epoch but the last, and in an epoch whenever it is time.

    `done` are the results so far, and `orders` the generators of the order of rows as this epoch found them. In
    seconds: the run `started`, its first epoch was `begun`, the `last` checkpoint was left; `clock` has what this
    epoch's steps took. `full` says that a checkpoint has found no room.
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

    def epochs(self) -> Iterator[tuple[EpochResult, ...]]:
        """Each epoch's results, a seed each, trained and scored: those that it has behind it first."""
        prepared, recipe, past = self.prepared, self.prepared.recipe, self.past
        for place, message in past.failed.items():
            prepared.axis.fail(place, NonFinite(message))
        for order, state in zip(prepared.orders, past.state.get("orders", ()), strict=bool(past.state)):
            order.set_state(state)
        self.done += past.epochs
        yield from past.epochs
        schedule, steps, count = recipe.build_schedule(), prepared.steps, len(prepared.seeds)
        label = f"{recipe.id} seed{'s' * (count > 1)} {', '.join(map(str, prepared.seeds))}"
        # a replayed step reads the learning rate from a tensor
        dtype = next(prepared.model.parameters()).dtype
        held = torch.zeros((), dtype=dtype, device=self.device) if self.stages else None
        self.begun = self.last = time.perf_counter()
        self._begin(past.spent)
        fitting = fit(
            prepared.model, recipe, schedule, functools.partial(prepared.batches, past.micro_batches), steps,
            axis=prepared.axis, runner=self.stages or (lambda step: step), held=held, past=past.state,
            after_step=self._after_step if self.kept else lambda snapshot: None, label=label,
        )  # fmt: skip
        for trained in fitting:
            seconds, cpu_seconds = (spent / count for spent in self.clock.spent())  # a seed's share
            found = prepared.score()
            for place, scores in enumerate(found):
                if isinstance(scores, NonFinite):
                    prepared.axis.fail(place, scores)
            flops = prepared.epoch_flops(schedule[trained.t])
            updated = prepared.updated_parameters(trained.updated_parameters)
            self.done.append(
                tuple(
                    epoch_result(scores, updated, loss, seconds, steps, flops, cpu_seconds)
                    for scores, loss in zip(found, trained.losses, strict=True)
                )
            )
            lines.tell(label, trained.t + 1, recipe.epochs, self.done[-1])
            self._begin()
            if self.kept:
                self._keep(trained.state())
            yield self.done[-1]
            self.clock = Clock()

    def _begin(self, spent: tuple[float, float] = (0.0, 0.0)) -> None:
        """An epoch begins, or goes on after so many seconds; from the generators as they are it draws its order."""
        self.orders = [order.get_state() for order in self.prepared.orders]
        self.clock = Clock(*spent)

    def _after_step(self, snapshot: Callable[[], dict[str, Any]]) -> None:
        if time.perf_counter() - self.last >= checkpoints.EVERY:
            self._keep(snapshot())

    def _keep(self, state: dict[str, Any]) -> None:
        """Leave a checkpoint, and the epochs that other runs share to them; where there is no room, say so once."""
        prepared, epoch, now, spent = self.prepared, state["epoch"], time.perf_counter(), self.clock.spent()
        past = replace(
            self.past,
            epochs=tuple(self.done),
            seconds=self.past.seconds + now - self.started,
            peak_memory_bytes=max(environment.peak_memory(self.device), self.past.peak_memory_bytes),
            state=state | {"orders": self.orders},
            failed={place: str(problem) for place, problem in prepared.axis.failed.items()},
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
        self.clock = Clock(*spent)  # an epoch's seconds are those of its steps
        self.last = time.perf_counter()
