"""What a run takes here, by the results on file: measured, or scaled by FLOPs, or unknown.

Only runs count that were made on this kind of machine and had it to themselves. FLOPs are the same on every machine, so
a task's size is taken from any result.
"""

import functools
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from progbench import environment
from progbench.method.flops import step_flops
from progbench.method.layout import LAYOUTS
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult
from progbench.tasks import catalog


@dataclass(frozen=True)
class Estimate:
    """The seconds of one seed's run, None if nobody knows, and where they are from."""

    seconds: float | None
    source: str


@dataclass(frozen=True)
class _Measured:
    """A recipe's run here: the seconds of its training steps, those of the rest, and its floating-point operations."""

    training: float
    rest: float
    flops: float | None


def kind_of(about: Mapping[str, object]) -> str:
    """The kind of machine in a result's environment: a GPU by its name, a CPU by its name and threads.

    >>> kind_of({"device": "cuda", "gpu": "NVIDIA H100"}), kind_of({"device": "cpu", "cpu": "EPYC", "threads": 2})
    ('NVIDIA H100', 'EPYC, 2 threads')
    """
    if str(about.get("device", "")).startswith("cuda"):
        return str(about.get("gpu", "unknown"))
    model = f" ({about['cpu_model']})" if "cpu_model" in about else ""
    threads = about.get("threads", "unknown")
    return f"{about.get('cpu', 'unknown')}{model}, {threads} thread{'s' * (threads != 1)}"


def here(device: str, threads: int) -> str:
    """The kind of this machine for runs on `device` ("auto": a GPU if there is one); "" without that device."""
    if device != "cpu" and environment.gpu_count():
        return environment.gpu_name()
    if device == "cuda":
        return ""
    if not threads:
        import torch

        threads = torch.get_num_threads()
    return kind_of(environment.describe("cpu", threads))


class Times:
    """The times of runs on a kind of machine, by the good results of recipes.

    >>> Times("EPYC, 1 thread", {}).of(None)
    Estimate(seconds=None, source='unknown: no run on file was made alone on this kind of machine')
    """

    def __init__(self, kind: str, made: Mapping[Recipe, Sequence[RunResult]]) -> None:
        # a machine without a GPU plans for the card that made most of the results
        cards = [kind_of(run.environment) for runs in made.values() for run in runs if "gpu" in run.environment]
        self.kind = kind or max(cards, key=Counter(cards).__getitem__, default="")
        self._measured: dict[Recipe, _Measured] = {}
        self._sizes: dict[tuple, dict[str, tuple[int, float]]] = {}
        for wanted, runs in made.items():
            on_this = [run for run in runs if kind_of(run.environment) == self.kind]
            if alone := [run for run in on_this if run.provenance.others == 0]:
                training = statistics.median(math.fsum(epoch.seconds for epoch in run.epochs) for run in alone)
                rest = max(0.0, statistics.median(run.seconds for run in alone) - training)
                self._measured[wanted] = _Measured(training, rest, _total(alone[0]))
            if size := next((counted for run in runs if (counted := _size(wanted, run))), None):
                self._sizes.setdefault(_data(wanted), {})[wanted.model] = size

    def of(self, wanted: Recipe) -> Estimate:
        """The seconds of one seed: the median of the recipe's own runs, or by FLOPs from the likest measured recipe.

        The likest has the same precision, and as much as can be of model, tuning, task and size. Its steps are scaled
        by FLOPs. The rest of its seconds (reading, scoring) stays as it is.
        """
        if not self._measured:
            return Estimate(None, "unknown: no run on file was made alone on this kind of machine")
        if own := self._measured.get(wanted):
            return Estimate(own.training + own.rest, "measured")
        flops = self._flops(wanted)
        if flops is None:
            return Estimate(None, f"unknown: no run on file says how much {wanted.task} is")
        like = {recipe: m for recipe, m in self._measured.items() if m.flops and recipe.precision == wanted.precision}
        if not like:
            return Estimate(None, f"unknown: no run in {wanted.precision} was measured on this kind of machine")

        def distance(other: Recipe) -> tuple:
            unlike = (getattr(wanted, name) != getattr(other, name) for name in ("model", "tuning", "task"))
            return (*unlike, abs(math.log(flops / like[other].flops)), other.id)

        likest = min(like, key=distance)
        measured = like[likest]
        return Estimate(measured.rest + measured.training * flops / measured.flops, f"by FLOPs from {likest.id}")

    def _flops(self, wanted: Recipe) -> float | None:
        """The FLOPs of a run that nobody has made: its rows are as many and as long as those of a run on file."""
        sizes = self._sizes.get(_data(wanted), {})
        if not sizes or not spec(wanted.model).described or spec(wanted.model).architecture not in LAYOUTS:
            return None
        rows, length = sizes.get(wanted.model) or next(iter(sizes.values()))
        base, linear, square = _by_length(wanted)
        return rows * (base + linear * length + square * length * length)


def _total(run: RunResult) -> int | None:
    flops = [epoch.flops for epoch in run.epochs]
    return None if None in flops else sum(flops)


def _data(wanted: Recipe) -> tuple:
    """What decides a task's rows; the model's tokenizer makes little difference."""
    return (wanted.task, wanted.dataset, wanted.max_length, wanted.doc_stride, wanted.train_questions)


def _size(wanted: Recipe, run: RunResult) -> tuple[int, float] | None:
    """How many rows a run trained on, and the one length of all rows that gives its FLOPs."""
    rows, flops = run.examples.get("train windows", run.examples.get("train")), _total(run)
    if not rows or not flops or not spec(wanted.model).described:
        return None
    base, linear, square = _by_length(wanted)
    spare = linear * linear - 4 * square * (base - flops / rows)
    return (rows, (math.sqrt(spare) - linear) / (2 * square)) if spare >= 0 else None


def share_of(wanted: Recipe, epochs: int) -> float:
    """The share of a run's FLOPs that its first epochs have, for texts of 64 tokens; 0 of a model that is unknown."""
    model, task = spec(wanted.model), catalog.tasks()[wanted.task]
    if not epochs or not model.described or model.architecture not in LAYOUTS:
        return 0.0
    options = {"lengths": [64], "num_labels": task.num_labels, **wanted.tuning_options}
    stages = wanted.build_schedule()
    each = [step_flops(model, stage.blocks, wanted.tuning, task.head, **options) for stage in stages]
    return sum(each[:epochs]) / sum(each)


@functools.cache
def _by_length(wanted: Recipe) -> tuple[float, float, float]:
    """The FLOPs of one row in all epochs, as a + b l + c l² of its length l."""
    task = catalog.tasks()[wanted.task]
    stages = Counter(stage.blocks for stage in wanted.build_schedule())
    options = {"num_labels": task.num_labels, **wanted.tuning_options}

    def at(length: int) -> int:
        return sum(
            count * step_flops(spec(wanted.model), blocks, wanted.tuning, task.head, lengths=[length], **options)
            for blocks, count in stages.items()
        )

    at_0, at_1, at_2 = at(0), at(1), at(2)
    square = (at_2 - 2 * at_1 + at_0) / 2
    return at_0, at_1 - at_0 - square, square
