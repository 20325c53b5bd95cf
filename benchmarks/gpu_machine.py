"""Trains smoke's smallest run on one device, for the checks of `gpu_check.py`."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import gpu_stand_in  # noqa: F401 (a CPU captures, too)
import torch
from without_dropout import silence

from progbench.method.anatomy import Anatomy
from progbench.recipes import reading
from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult
from progbench.training import graph, train
from progbench.training.checkpoints import Checkpoints
from progbench.training.fitting import Hooks, fit
from progbench.training.graph import Device, Replayed, device_of
from progbench.training.optimizer import build_optimizer
from progbench.training.prepared import Prepared
from progbench.training.step import Step

SEEDS = (0, 1, 2)


class Skipped(Exception):
    """Something a check needs is not here."""


class NotReplayed(Exception):
    """A run whose steps were to be replayed, and were not."""


def recipe(schedule: str = "shrinking", **changes: object) -> Recipe:
    """Smoke's smallest run, forty steps: two epochs, the second of another stage, without weight decay."""
    read = reading.read("smoke", "glue", model="tiny-roberta", schedule=schedule, task="sst2")
    return dataclasses.replace(read, epochs=2, batch_size=20, **changes)


def apart(ours: torch.Tensor, other: torch.Tensor) -> float:
    """The largest relative difference."""
    return float(((ours - other).abs() / other.abs().clamp(min=1e-12)).max())


@contextlib.contextmanager
def noted() -> Iterator[list[Replayed]]:
    """What replays the stages of the runs that are trained meanwhile."""
    stages, call = [], graph.Stages.__call__
    graph.Stages.__call__ = lambda *given: stages.append(call(*given)) or stages[-1]
    try:
        yield stages
    finally:
        graph.Stages.__call__ = call


@contextlib.contextmanager
def never_captured() -> Iterator[None]:
    """All steps run as they are, by a warm-up that does not end."""
    before, graph.WARM_UP = graph.WARM_UP, 10**9
    try:
        yield
    finally:
        graph.WARM_UP = before


def replayed(recipe: Recipe, seeds: tuple[int, ...], device: str, kept: Checkpoints | None = None) -> list[RunResult]:
    """Train seeds side by side. Raises NotReplayed where no step was replayed, or a result says that it was not."""
    with noted() as runs:
        results = list(train.train_together(recipe, seeds, device, kept=kept))
    notes = [note for result in results for note in result.notes if "not captured" in note]
    if notes or not sum(run.replays for run in runs):
        raise NotReplayed(notes[0] if notes else "no step was replayed")
    return results


class Machine:
    """Trains on one device, with graphs where there are any, and with their stand-in elsewhere."""

    def __init__(self, device: str) -> None:
        self.device = device

    def graphs(self) -> Device:
        return device_of(self.device)

    @contextlib.contextmanager
    def prepared(self, recipe: Recipe, *, dropout: bool) -> Iterator[Prepared]:
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
            made = Prepared.of(recipe, SEEDS, self.device, Path(folder), together=True)
            if not dropout:
                silence(made.model)
            yield made

    @contextlib.contextmanager
    def replaying(self, recipe: Recipe, *, dropout: bool) -> Iterator[tuple]:
        """What replays a step, a batch for it, its learning rate, and the parameters that it moves."""
        with self.prepared(recipe, dropout=dropout) as made:
            parameters = Anatomy.of(made.model).parameters()
            rate = torch.zeros((), device=self.device)
            optimizer = build_optimizer(Anatomy.of(made.model), recipe, made.axis, rate)
            run = Replayed(Step(made.model, recipe, optimizer, parameters, made.axis), self.graphs())
            yield run, next(made.batches()), rate, parameters

    def losses(
        self, recipe: Recipe, *, dropout: bool = False, change: Callable[[Prepared], None] = lambda made: None
    ) -> dict:
        """Every step's losses of three seeds, the parameters after each epoch, and how many steps were replayed."""
        seen, runs = [], graph.Stages(self.device)
        with noted() as stages, self.prepared(recipe, dropout=dropout) as made:

            def runner(step: Step) -> Callable:
                run = runs(step)
                return lambda batch: seen.append(run(batch)) or seen[-1]

            change(made)
            schedule, kept, frozen = recipe.build_schedule(), [], []
            held = torch.zeros((), device=self.device)
            for trained in fit(
                made.model, recipe, schedule, made.batches, made.steps, hooks=Hooks(made.axis, runner, held)
            ):
                anatomy = Anatomy.of(made.model, recipe.tuning)
                kept.append([parameter.detach().clone() for parameter in anatomy.parameters()])
                live = {id(parameter) for parameter in anatomy.trainable(schedule[trained.t])}
                frozen = [id(parameter) not in live for parameter in anatomy.parameters()]
            different = {id(run): run for run in stages}.values()
            run = {
                "losses": torch.stack(seen).double().cpu(), "kept": kept, "frozen": frozen,
                "replays": sum(run.replays for run in different),
                "refused": [run.refused for run in different if run.refused],
            }  # fmt: skip
            runs.close()
        return run
