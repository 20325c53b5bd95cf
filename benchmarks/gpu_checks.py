"""The checks of `gpu_check.py`: each gives a number, the most it may be, and what it means."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from gpu_going_on import going_on
from without_dropout import silence, silenced

from progbench.errors import Missing
from progbench.method.anatomy import Anatomy
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.recipes.recipe import Recipe
from progbench.tasks import catalog
from progbench.training import train
from progbench.training.fitting import Step, build_optimizer, fit
from progbench.training.graph import WARM_UP, Replayed, StandIn, device_of
from progbench.training.prepared import Prepared
from progbench.training.seed_rows import SeedRows
from progbench.training.varlen import attend

SEEDS = (0, 1, 2)


class Skipped(Exception):
    """Something a check needs is not here."""


def recipe(**changes: object) -> Recipe:
    """Smoke's smallest run, forty steps: two epochs, the second of another stage, without weight decay."""
    one = reading.read("smoke", "glue", model="tiny-roberta", schedule="shrinking", task="sst2")
    return dataclasses.replace(one, epochs=2, batch_size=20, **changes)


class Machine:
    """Trains on one device, with graphs where there are any."""

    def __init__(self, device: str) -> None:
        self.device = device

    def graphs(self) -> StandIn:
        return device_of(self.device)

    @contextlib.contextmanager
    def prepared(self, one: Recipe, *, dropout: bool) -> Iterator[Prepared]:
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
            made = Prepared.of(one, SEEDS, self.device, Path(folder), together=True)
            if not dropout:
                silence(made.model)
            yield made

    @contextlib.contextmanager
    def replaying(self, one: Recipe, *, dropout: bool) -> Iterator[tuple]:
        """What replays a step, a batch for it, its learning rate, and the parameters that it moves."""
        with self.prepared(one, dropout=dropout) as made:
            parameters = Anatomy.of(made.model).parameters()
            rate = torch.zeros((), device=self.device)
            optimizer = build_optimizer(Anatomy.of(made.model), one, made.seeds, rate)
            run = Replayed(Step(made.model, one, optimizer, parameters, made.seeds), self.graphs())
            yield run, next(made.batches()), rate, parameters

    def losses(self, one: Recipe, captured: Callable[[], StandIn], *, dropout: bool = False, change=None) -> dict:
        """Every step's losses of three seeds, the parameters at the end, and how many graphs were replayed."""
        seen, runs = [], []

        def runner(step: Step):
            run = Replayed(step, captured())
            runs.append(run)
            return lambda batch: seen.append(run(batch)) or seen[-1]

        with self.prepared(one, dropout=dropout) as made:
            if change:
                change(made)
            schedule = one.build_schedule()
            kept = []
            for trained in fit(made.model, one, schedule, made.batches, made.steps, seeds=made.seeds, runner=runner):
                anatomy = Anatomy.of(made.model, one.tuning)
                kept.append([parameter.detach().clone() for parameter in anatomy.parameters()])
                live = {id(parameter) for parameter in anatomy.trainable(schedule[trained.t])}
                frozen = [id(parameter) not in live for parameter in anatomy.parameters()]
            refused = [run.refused for run in runs if run.refused]
            replays = sum(run.replays for run in runs)
        return {
            "losses": torch.stack(seen).double().cpu(),
            "kept": kept,
            "frozen": frozen,
            "replays": replays,
            "refused": refused,
        }


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest relative difference."""
    return float(((one - other).abs() / other.abs().clamp(min=1e-12)).max())


def graph_against_eager(machine: Machine) -> tuple[float, float, str]:
    """(a) The same steps replayed and as they are: losses within 1e-5, over a stage change."""
    as_it_is = functools.partial(StandIn, machine.device)
    replayed, eager = (machine.losses(recipe(), one) for one in (machine.graphs, as_it_is))
    if replayed["refused"]:
        return math.inf, 1e-5, replayed["refused"][0]
    number = apart(replayed["losses"], eager["losses"])
    steps, replays = len(replayed["losses"]), replayed["replays"]
    words = f"{steps} steps, {replays} of them replays; losses differ by at most {number:.1e}"
    return number if replays >= 20 else math.inf, 1e-5, words


def learning_rate_of_a_replay(machine: Machine) -> tuple[float, float, str]:
    """(b) A replay at rate 0 moves nothing, and at twice a rate twice as far."""
    with machine.replaying(recipe(), dropout=False) as (run, batch, rate, (weight, *_)):
        for _ in range(WARM_UP + 2):
            run(batch)
        moved = []
        for value in (0.0, 1e-6, 2e-6):
            rate.fill_(value)
            before = weight.detach().clone()
            run(batch)
            moved.append(float((weight.detach() - before).abs().sum()))
    ratio = moved[2] / moved[1] if moved[1] else math.inf
    number = max(moved[0], abs(ratio - 2))
    return number, 0.5, f"moved by {moved[0]:g} at rate 0; twice the rate moves {ratio:.3f} times as far"


def dropout_differs_and_repeats(machine: Machine) -> tuple[float, float, str]:
    """(c) Dropout draws anew in every replay, and the same seeds give the same losses."""
    first, second = (machine.losses(recipe(), machine.graphs, dropout=True) for _ in range(2))
    again = apart(first["losses"], second["losses"])
    with machine.replaying(recipe(learning_rate=1e-12), dropout=True) as (run, batch, _, _):
        drawn = {tuple(run(batch).tolist()) for _ in range(WARM_UP + 6)}
    alike = WARM_UP + 6 - len(drawn)
    words = f"{len(drawn)} of {WARM_UP + 6} steps on one batch differ; run again, losses differ by {again:.1e}"
    return max(again, float(alike)), 1e-3, words


def side_by_side_against_alone(machine: Machine, **changes: object) -> tuple[float, float, str]:
    """(d) Mean losses of an epoch, each seed of three against the seed alone, fp32."""
    load = loading.load
    loading.load = lambda *arguments: silenced(load(*arguments))
    try:
        together = list(train.train_together(recipe(**changes), SEEDS, machine.device))
        alone = [train.train(recipe(**changes), seed, machine.device) for seed in SEEDS]
    finally:
        loading.load = load
    pairs = [(one.loss, other.loss) for ours, theirs in zip(together, alone, strict=True)
             for one, other in zip(ours.epochs, theirs.epochs, strict=True)]  # fmt: skip
    number = max(abs(one - other) / other for one, other in pairs)
    return number, 1e-3, f"mean losses differ by at most {number:.1e}"


def frozen_stays(machine: Machine) -> tuple[float, float, str]:
    """(e) What the second stage freezes is, to the last bit, what the first left."""
    found = machine.losses(recipe(), machine.graphs, dropout=True)
    first, second = found["kept"]
    moved = [not torch.equal(one, other) for one, other in zip(first, second, strict=True)]
    wrong = sum(was_moved is is_frozen for was_moved, is_frozen in zip(moved, found["frozen"], strict=True))
    frozen = sum(found["frozen"])
    return float(wrong), 0.0, f"{frozen} of {len(moved)} tensors are frozen; {wrong} are not as they should be"


def nan_in_one_row(machine: Machine) -> tuple[float, float, str]:
    """(f) One seed's classifier is not a number: that seed fails, the others' losses are those of a run without it."""

    def poison(made: Prepared) -> None:
        with torch.no_grad():
            made.model.classifier.out_proj.bias[1] = math.nan

    whole, broken = (machine.losses(recipe(), machine.graphs, change=change) for change in (None, poison))
    number = apart(broken["losses"][:, [0, 2]], whole["losses"][:, [0, 2]])
    failed = bool(broken["losses"][:, 1].isnan().all())
    words = f"the others' losses differ by {number:.1e}; the broken seed's are {'nan' if failed else 'numbers'}"
    return number if failed else math.inf, 1e-5, words


def out_of_memory(machine: Machine) -> tuple[float, float, str]:
    """(g) Three seeds run out of memory in the middle of an epoch, graphs and all; two and one do not."""
    step, steps = Step.__call__, []

    def small(self, batch):
        steps.append(self.seeds.count)
        if self.seeds.count > 2 and len(steps) > WARM_UP + 2:
            raise torch.OutOfMemoryError("made up")
        return step(self, batch)

    Step.__call__ = small
    try:
        found = list(train.train_together(recipe(), SEEDS, machine.device))
    finally:
        Step.__call__ = step
    good = [one.seed for one in found if not one.error and "ran out of memory" in one.notes[-1]]
    return float(good != list(SEEDS)), 0.0, f"seeds {good} were trained and say so"


def no_capture(machine: Machine) -> tuple[float, float, str]:
    """(i) A step that reads from the device cannot be captured: it goes on as it is, dropout and all, and says why."""

    def read(made: Prepared) -> None:
        made.model.classifier.register_forward_hook(lambda module, arguments, out: out * float(out.max() > -1e9))

    found = machine.losses(recipe(), machine.graphs, dropout=True, change=read)
    finite = bool(found["losses"].isfinite().all())
    if machine.device == "cpu":
        return float(not finite), 0.0, "a CPU captures nothing, so nothing was refused"
    said = found["refused"][0] if found["refused"] else "nothing was refused"
    return float(not (finite and found["refused"])), 0.0, said


def attention_with_dropout(machine: Machine) -> tuple[float, float, str]:
    """(j) Attention is linear in its values: (gradient of values * values) is (result * weights), dropout or not."""
    torch.manual_seed(0)
    ends = torch.tensor([0, 5, 12, 20, 27, 32], device=machine.device)
    where = SeedRows(torch.tensor([[0, 5]], device=machine.device), ends, tokens=32, longest=8)
    query, key, value, weights = (torch.randn(1, 4, 32, 16, device=machine.device) for _ in range(4))
    value.requires_grad_()
    out = attend(query, key, value, where, dropout=0.3).transpose(1, 2)
    (out * weights).sum().backward()
    one, other = float((value.grad * value.detach()).sum()), float((out.detach() * weights).sum())
    number = abs(one - other) / max(1.0, abs(other))
    return number, 1e-3, f"the two sums are {one:.4f} and {other:.4f}"


def real_run(machine: Machine, task: str, schedule: str) -> tuple[float, float, str]:
    """(h) MiniLM with five seeds on a real task: the mean score is above that of the best constant answer."""
    if machine.device == "cpu":
        raise Skipped("ten real runs take a GPU a minute and a CPU an hour")
    part, metric, constant = REAL[task]
    one = reading.read("mini", "glue", model="minilm", schedule=schedule, task=task)
    try:
        catalog.require(catalog.tasks()[task], one.data_source)
        loading.require(spec(one.model))
    except Missing as problem:
        raise Skipped(str(problem)) from None
    start = time.perf_counter()
    found = list(train.train_together(one, range(5), machine.device))
    scores = [run.epochs[-1].scores[part][metric] for run in found if not run.error]
    if len(scores) < len(found):
        return math.inf, 0.0, "; ".join(run.error for run in found if run.error)
    mean, listed = sum(scores) / len(scores), " ".join(f"{100 * score:.1f}" for score in scores)
    words = f"{part} {metric} {100 * mean:.1f} ({listed}), {time.perf_counter() - start:.0f} s for five seeds"
    return constant - mean, 0.0, words


# what answering with the larger class scores: RTE's development set has 146 entailments of 277, and of MRPC's 408 pairs
# 279 are paraphrases, so that F1 is 2 * 279 / (408 + 279)
REAL = {"rte": ("rte", "accuracy", 146 / 277), "mrpc": ("mrpc", "f1", 558 / 687)}


CHECKS = {
    "a graph against eager": graph_against_eager,
    "b the learning rate of a replay": learning_rate_of_a_replay,
    "c dropout": dropout_differs_and_repeats,
    "d side by side against alone": side_by_side_against_alone,
    "e frozen parameters": frozen_stays,
    "f nan in one row": nan_in_one_row,
    "g out of memory": out_of_memory,
    "i a step that cannot be captured": no_capture,
    "j attention with dropout": attention_with_dropout,
    "k MPNet side by side against alone": functools.partial(side_by_side_against_alone, model="tiny-mpnet"),
    "l going on from a checkpoint": lambda machine: going_on(recipe(), SEEDS, machine.device),
    **{
        f"h {task} {schedule}": functools.partial(real_run, task=task, schedule=schedule)
        for task in REAL
        for schedule in ("constant", "shrinking")
    },
}
