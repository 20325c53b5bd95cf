"""The checks of `gpu_check.py`: each gives a number, the most it may be, and what it means."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from unittest import mock

import gpu_attention
import torch
from gpu_going_on import going_on
from gpu_machine import SEEDS, Machine, Skipped, apart, never_captured, recipe, replayed
from without_dropout import silenced

from progbench.errors import Missing
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.tasks import catalog
from progbench.training import chains, train
from progbench.training.graph import WARM_UP
from progbench.training.prepared import Prepared
from progbench.training.step import Step

Check = Callable[[Machine], tuple[float, float, str]]


def graph_against_eager(machine: Machine, *, dropout: bool) -> tuple[float, float, str]:
    """(a) The same steps replayed and as they are: losses within 1e-5, over a stage change.

    With dropout a replay has to draw what a step draws that runs as it is: both go on with one stream of chance.
    """
    graphs = machine.losses(recipe(), dropout=dropout)
    with never_captured():
        eager = machine.losses(recipe(), dropout=dropout)
    if graphs["refused"]:
        return math.inf, 1e-5, graphs["refused"][0]
    number = apart(graphs["losses"], eager["losses"])
    steps, replays = len(graphs["losses"]), graphs["replays"]
    words = f"{steps} steps, {replays} of them replays; losses differ by at most {number:.1e}"
    return number if replays >= steps / 2 else math.inf, 1e-5, words


def chains_against_eager(machine: Machine) -> tuple[float, float, str]:
    """(n) The same steps with the chains that torch.compile writes and without them: losses within 1e-5."""
    ours = machine.losses(recipe(), dropout=True)
    with mock.patch.object(chains, "compiled", lambda function: function):
        theirs = machine.losses(recipe(), dropout=True)
    number, refused = apart(ours["losses"], theirs["losses"]), [function.__name__ for function in chains.refused]
    words = f"losses differ by at most {number:.1e}; torch.compile refused {', '.join(refused) or 'none'}"
    return math.inf if refused else number, 1e-5, words


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
    number = max(moved[0], abs(ratio - 2)) if run.replays else math.inf
    return number, 0.5, f"moved by {moved[0]:g} at rate 0; twice the rate moves {ratio:.3f} times as far"


def dropout_differs_and_repeats(machine: Machine) -> tuple[float, float, str]:
    """(c) Dropout draws anew in every replay, the same seeds give the same losses, and a tenth falls out."""
    first, second = (machine.losses(recipe(), dropout=True) for _ in range(2))
    unlike = apart(first["losses"], second["losses"])
    with machine.replaying(recipe(learning_rate=1e-12), dropout=True) as (run, batch, _, _):
        drawn = {tuple(run(batch).tolist()) for _ in range(WARM_UP + 6)}
    alike = WARM_UP + 6 - len(drawn)
    deviations, shares = gpu_attention.share_dropped(machine)
    words = f"{len(drawn)} of {WARM_UP + 6} steps on one batch differ; run again, losses differ by {unlike:.1e}"
    words += f"; the shares that fall out are {shares} ({deviations:.1f} standard deviations)"
    return max(unlike, float(alike), float(deviations > 5)), 1e-3, words


def side_by_side_against_alone(machine: Machine, **changes: object) -> tuple[float, float, str]:
    """(d) Mean losses of an epoch, each seed of three against the seed alone, fp32."""
    load = loading.load
    loading.load = lambda *arguments: silenced(load(*arguments))
    try:
        together = replayed(recipe(**changes), SEEDS, machine.device)
        alone = [train.train(recipe(**changes), seed, machine.device) for seed in SEEDS]
    finally:
        loading.load = load
    number = losses_apart(together, alone)
    return number, 1e-3, f"mean losses differ by at most {number:.1e}"


def losses_apart(ours: list, theirs: list) -> float:
    """The largest relative difference of two lists of runs' mean losses of epochs."""
    pairs = [(epoch.loss, other.loss) for run, beside in zip(ours, theirs, strict=True)
             for epoch, other in zip(run.epochs, beside.epochs, strict=True)]  # fmt: skip
    return max(abs(loss - other) / other for loss, other in pairs)


def frozen_stays(machine: Machine) -> tuple[float, float, str]:
    """(e) What the second stage freezes is, to the last bit, what the first left."""
    run = machine.losses(recipe(), dropout=True)
    first, second = run["kept"]
    moved = [not torch.equal(before, after) for before, after in zip(first, second, strict=True)]
    wrong = sum(was_moved is is_frozen for was_moved, is_frozen in zip(moved, run["frozen"], strict=True))
    frozen = sum(run["frozen"])
    return float(wrong), 0.0, f"{frozen} of {len(moved)} tensors are frozen; {wrong} are not as they should be"


def nan_in_one_row(machine: Machine) -> tuple[float, float, str]:
    """(f) One seed's classifier is not a number: that seed fails, the others' losses are those of a run without it."""

    def poison(made: Prepared) -> None:
        with torch.no_grad():
            made.model.classifier.out_proj.bias[1] = math.nan

    whole, broken = machine.losses(recipe()), machine.losses(recipe(), change=poison)
    number = apart(broken["losses"][:, [0, 2]], whole["losses"][:, [0, 2]])
    failed = bool(broken["losses"][:, 1].isnan().all())
    words = f"the others' losses differ by {number:.1e}; the broken seed's are {'nan' if failed else 'numbers'}"
    return number if failed and broken["replays"] else math.inf, 1e-5, words


def out_of_memory(machine: Machine) -> tuple[float, float, str]:
    """(g) Three seeds run out of memory in the middle of an epoch, graphs and all; two and one do not.

    On a GPU for real: from the last step before the first capture on, three seeds are given no more memory in a step.
    """
    step, steps = Step.__call__, []
    limit = torch.cuda.set_per_process_memory_fraction if machine.device == "cuda" else _limit_of_a_cpu

    def small(self: Step, batch: object) -> torch.Tensor:
        steps.append(self.axis.count)
        if self.axis.count <= 2 or len(steps) < WARM_UP:
            return step(self, batch)
        limit(1e-6)
        try:
            return step(self, batch)
        finally:
            limit(1.0)

    Step.__call__ = small
    try:
        results = list(train.train_together(recipe(), SEEDS, machine.device))
    finally:
        Step.__call__ = step
    good = [result.seed for result in results if not result.error and "ran out of memory" in result.notes[-1]]
    return float(good != list(SEEDS)), 0.0, f"seeds {good} were trained and say so"


def _limit_of_a_cpu(share: float) -> None:
    if share < 1:
        raise torch.OutOfMemoryError("made up")


def constant_over_two_epochs(machine: Machine) -> tuple[float, float, str]:
    """(m) A whole run of a constant schedule, dropout and all: its second epoch begins with a replay."""
    wanted = recipe("constant")
    ours = replayed(wanted, SEEDS, machine.device)
    with never_captured():
        theirs = list(train.train_together(wanted, SEEDS, machine.device))
    number = losses_apart(ours, theirs)
    return number, 1e-4, f"mean losses differ from those of steps that run as they are by at most {number:.1e}"


def no_capture(machine: Machine) -> tuple[float, float, str]:
    """(i) A step that reads a number is seen before it is captured, and goes on as it is, saying why.

    Then a capture is made to fail: what it held is given back, and one more succeeds.
    """

    def read(made: Prepared) -> None:
        made.model.classifier.register_forward_hook(lambda module, arguments, out: out * float(out.max() > -1e9))

    run, words = machine.losses(recipe(), dropout=True, change=read), []
    said = run["refused"][0] if run["refused"] else "nothing was refused"
    right = bool(run["losses"].isfinite().all()) and said.startswith("steps were not captured as a graph: ")
    right &= any(word in said for word in ("synchronizing", "item", "_local_scalar_dense"))
    device, number = machine.graphs(), torch.ones((), device=machine.device)
    try:
        device.capture(lambda: number * float(number))
        right = False
    except RuntimeError as problem:
        words.append(str(problem).partition("\n")[0])
        right &= "captur" in str(problem)
    replay = device.capture(lambda: number * 3)
    right &= replay().item() == 3 and machine.losses(recipe())["replays"] > 0
    return float(not right), 0.0, f"{said}; a capture that fails: {'; '.join(words)}; the next one succeeds"


def real_run(machine: Machine, task: str, schedule: str) -> tuple[float, float, str]:
    """(h) MiniLM with five seeds on a real task: the mean score is above that of the best constant answer."""
    if machine.device == "cpu":
        raise Skipped("ten real runs take a GPU a minute and a CPU an hour")
    evaluation_set, metric, constant = REAL[task]
    wanted = reading.read("mini", "glue", model="minilm", schedule=schedule, task=task)
    try:
        catalog.require(catalog.tasks()[task], wanted.data_source)
        loading.require(spec(wanted.model))
    except Missing as problem:
        raise Skipped(str(problem)) from None
    start = time.perf_counter()
    results = replayed(wanted, tuple(range(5)), machine.device)
    scores = [run.epochs[-1].scores[evaluation_set][metric] for run in results if not run.error]
    if len(scores) < len(results):
        return math.inf, 0.0, "; ".join(run.error for run in results if run.error)
    mean, listed = sum(scores) / len(scores), " ".join(f"{100 * score:.1f}" for score in scores)
    words = f"{evaluation_set} {metric} {100 * mean:.1f} ({listed}), {time.perf_counter() - start:.0f} s for five seeds"
    return constant - mean, 0.0, words


# what answering with the larger class scores: RTE's development set has 146 entailments of 277, and of MRPC's 408 pairs
# 279 are paraphrases, so that F1 is 2 * 279 / (408 + 279)
REAL = {"rte": ("rte", "accuracy", 146 / 277), "mrpc": ("mrpc", "f1", 558 / 687)}


CHECKS: dict[str, Check] = {
    "a graph against eager": functools.partial(graph_against_eager, dropout=False),
    "a graph against eager, with dropout": functools.partial(graph_against_eager, dropout=True),
    "n chains against their operations": chains_against_eager,
    "b the learning rate of a replay": learning_rate_of_a_replay,
    "c dropout": dropout_differs_and_repeats,
    "d side by side against alone": side_by_side_against_alone,
    "e frozen parameters": frozen_stays,
    "f nan in one row": nan_in_one_row,
    "g out of memory": out_of_memory,
    "j attention with dropout": gpu_attention.with_dropout,
    "j attention against others": gpu_attention.against_others,
    "k MPNet side by side against alone": functools.partial(side_by_side_against_alone, model="tiny-mpnet"),
    "l going on from a checkpoint": lambda machine: going_on(recipe(), SEEDS, machine.device),
    "m a constant run over two epochs": constant_over_two_epochs,
    "o attention again": gpu_attention.again,
    **{
        f"h {task} {schedule}": functools.partial(real_run, task=task, schedule=schedule)
        for task in REAL
        for schedule in ("constant", "shrinking")
    },
    "i a step that cannot be captured": no_capture,  # last: what a failed capture leaves would spoil the others
}
