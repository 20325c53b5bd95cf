"""Speed on a GPU: what the card reaches, what a step takes with several seeds, and the hours of the paper's grid.

Everything here runs on a CPU too, with the same words and without graphs, so that it can be tried before a card is at
hand.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gpu_stand_in  # noqa: F401 (a CPU captures, too)
import torch
from contenders import Case, Theirs
from gpu_hours import SEEDS, grid, projected
from texts import head_of, rows, shuffled, words

from progbench.method import flops
from progbench.method.schedule import Schedule, Stage
from progbench.models import loading
from progbench.models.spec import ModelSpec, spec
from progbench.recipes import reading
from progbench.training import memory, packing, process, vocabulary
from progbench.training.fitting import Hooks, fit
from progbench.training.graph import WARM_UP, Replayed, device_of
from progbench.training.packed_seeds import SeedCollator
from progbench.training.prepared import prefetched
from progbench.training.side_by_side import StackedSeeds, stack


def now(device: str) -> float:
    """Seconds, once the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def ceiling(precision: str, device: str, size: int = 8192, rounds: int = 10) -> float:
    """The floating-point operations a second of a product of two square matrices: what a step is measured against."""
    if device == "cpu":
        size = 1024
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    with process.products(precision):
        square = torch.randn(size, size, device=device, dtype=dtype)
        square @ square
        start = now(device)
        for _ in range(rounds):
            square @ square
        return rounds * 2 * size**3 / (now(device) - start)


@dataclass(frozen=True)
class Shape:
    """What a step costs by: a model's dimensions, a tuning, a task's lengths, how many texts, and a precision."""

    model: ModelSpec
    tuning: str
    task: str
    batch: int
    precision: str = "tf32"

    def __str__(self) -> str:
        return f"{self.model.name} {self.tuning} {self.task} x {self.batch} {self.precision}"


@dataclass(frozen=True)
class Taken:
    """What a step of one seed took, in seconds, and what else was seen of it.

    `launches` are the host's a step of all seeds, `captured` the graphs that were replayed, `memory` the peak in bytes.
    """

    seconds: float
    flops: float
    memory: int
    launches: float
    captured: int
    refused: str


class SeedsTogether:
    """A model of a shape with random weights for as many seeds, stacked, and how long its steps take in a stage."""

    def __init__(self, shape: Shape, seeds: int, device: str) -> None:
        from progbench import apply_tuning

        self.shape, self.seeds, self.device = shape, seeds, device
        torch.manual_seed(0)
        with torch.device(device):  # a GPU makes random weights in no time
            self.model = loading.build(shape.model, 2, head_of(shape.task))
            apply_tuning(self.model, shape.tuning)
        packed = packing.pack(self.model)
        stack([self.model] * seeds)  # the same weights for all: time does not depend on them
        vocabulary.cut(self.model, words(shape.model, shape.task))
        self.rows = rows(shape.model, shape.task)[0]
        self.lengths = [len(row["input_ids"]) for row in self.rows]
        longest = min(shape.model.readable, 384 if shape.task == "squad1" else 128)
        answering = head_of(shape.task) == "question_answering"
        self.collate = SeedCollator(packed, self.model.config.pad_token_id, longest, answering)

    def take(self, stage: Stage, steps: int = 30) -> Taken:
        """The mean of `steps` steps, batches made and copied, once each form of batch has been captured."""
        shape, run = self.shape, []
        orders = [shuffled(self.lengths, shape.batch, steps, seed) for seed in range(self.seeds)]
        chosen = [[[self.rows[i] for i in order] for order in those] for those in zip(*orders, strict=True)]
        warm = [chosen[0]] * WARM_UP + chosen * 2
        started = []

        def batches():
            made = prefetched(self.collate(own).ready_for(self.device) for own in [*warm, *chosen])
            for number, batch in enumerate(made):
                if number == len(warm):
                    started.append(now(self.device))
                yield batch

        def runner(step):
            run.append(Replayed(step, device_of(self.device)))
            return run[0]

        recipe = reading.read("paper", "glue", model="bert-base", schedule="constant", task="sst2")
        recipe = replace(recipe, tuning=shape.tuning, precision=shape.precision, batch_size=shape.batch)
        schedule = Schedule("stage", shape.model.blocks, (stage,))
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with process.products(shape.precision):
            axis, held = StackedSeeds(self.seeds), torch.zeros((), device=self.device)
            list(fit(self.model, recipe, schedule, batches, len(warm) + steps, hooks=Hooks(axis, runner, held)))
            seconds = (now(self.device) - started[0]) / steps / self.seeds
            launches = self._launches(run[0], chosen, held)
        lengths = [self.lengths[i] for step in orders[0] for i in step]
        cost = flops.step_flops(shape.model, stage.blocks, shape.tuning, head_of(shape.task), lengths=lengths) / steps
        memory = torch.cuda.max_memory_reserved() if self.device == "cuda" else 0
        return Taken(seconds, cost, memory, launches, len(run[0].captured), run[0].refused)

    def _launches(self, run: Replayed, chosen: list, held: torch.Tensor) -> float:
        """What the host launches and copies in a step of all seeds, by the profiler; 0 on a CPU."""
        if self.device != "cuda":
            return 0.0
        batches = [self.collate(own).ready_for(self.device) for own in chosen[:10]]
        both = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=both) as profile:
            for batch in batches:
                run(batch)
                held.fill_(1e-9)  # as the schedule does after each step
            torch.cuda.synchronize()
        launched = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx", "cudaGraphLaunch",
                    "cudaMemcpyAsync", "cudaMemsetAsync")  # fmt: skip
        return sum(event.count for event in profile.key_averages() if event.key in launched) / len(batches)


COMPARED = ("sst2", "mnli")


def short(device: str, say: Callable[[str], None], end: float = math.inf) -> dict:
    """The speed of a few shapes, each said as soon as it is measured; on a CPU that of a tiny model.

    None is begun after `end`, by time.perf_counter; from shapes that were left out follow no hours.
    """
    tiny = [{"model": "tiny-bert", "tuning": "full", "task": "sst2", "batch": 32}]
    shapes = [shape for shape in grid()["shapes"] if shape.pop("short")] if device == "cuda" else tiny
    steps = [
        step
        for shape in shapes
        if time.perf_counter() < end
        for step in measure(**shape, device=device, precisions=("tf32",), rounds=1, say=say)
    ]
    return {"ceilings": ceilings(device), "steps": steps, "hours": projected(steps) if device == "cuda" else {}}


def ceilings(device: str) -> dict[str, float]:
    """Floating-point operations a second of large products, by precision."""
    return {precision: ceiling(precision, device) for precision in ("fp32", "tf32", "bf16")}


def measure(
    model: str,
    tuning: str,
    task: str,
    batch: int,
    *,
    device: str,
    precisions: Iterable[str],
    rounds: int = 3,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[dict]:
    """One shape with one and five seeds in each precision, and the comparators: a record each.

    *default* pads to 128 tokens in fp32, *tuned* groups texts by length in bf16; of SQuAD, LoRA and the like only ours
    are measured. Both sides are measured in turn.
    """
    known = spec(model)
    stage = Stage(range(known.blocks))
    sides = {}
    if tuning == "full" and task in COMPARED:
        for against, precision in (("default", "fp32"), ("tuned", "bf16")):
            sides[against] = Theirs(known, Case(tuning, precision, against, (task,)), task, device)
    for precision, seeds in itertools.product(precisions, (1, SEEDS)):
        shape, taken, theirs = Shape(known, tuning, task, batch, precision), [], {name: [] for name in sides}
        try:
            ours = SeedsTogether(shape, seeds, device)
            for _ in range(rounds):
                for name, side in sides.items():
                    theirs[name].append(side.seconds(stage))
                taken.append(ours.take(stage, 30 if device == "cuda" else 3))
        except torch.OutOfMemoryError:
            say(f"{shape}, {seeds} seeds: out of memory")
            continue
        finally:
            ours = None
            memory.free_all(device)
        seconds, first = statistics.median(own.seconds for own in taken), taken[0]
        record = {
            "model": model, "tuning": tuning, "task": task, "batch": batch, "precision": precision, "seeds": seeds,
            "milliseconds": 1000 * seconds, "utilisation": first.flops / seconds / ceiling(precision, device),
            "memory": first.memory, "launches": first.launches, "captured": first.captured, "refused": first.refused,
            **{name: statistics.median(times) / seconds for name, times in theirs.items()},
        }  # fmt: skip
        say(line(record))
        yield record


def line(record: Mapping[str, Any]) -> str:
    """A record in words."""
    ratios = "".join(
        f", {name} takes {record[name]:.1f} times as long" for name in ("default", "tuned") if name in record
    )
    graphs = (
        f"{record['captured']} graphs, {record['launches']:.0f} launches a step"
        if not record["refused"]
        else record["refused"]
    )
    return (
        f"{record['model']} {record['tuning']} {record['task']} x {record['batch']} {record['precision']}, "
        f"{record['seeds']} seeds: {record['milliseconds']:.2f} ms a seed's step, "
        f"{100 * record['utilisation']:.0f} % of the card, {record['memory'] / 2**30:.1f} GiB, {graphs}{ratios}"
    )
