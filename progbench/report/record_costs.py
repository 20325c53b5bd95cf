"""What a schedule saves, from recorded runs: counted, by the processor's own seconds, and by the clock's."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from progbench.judging.likeness import MACHINE
from progbench.recipes.recipe import split_id
from progbench.report.cells import percent
from progbench.report.record import OfSuite
from progbench.runs import ledger
from progbench.runs.results import RunResult

HEADERS = ("schedule", "task", "seeds", "updated parameters", "FLOPs", "CPU seconds", "wall seconds")
ALIGN = "left left right right right right right"
AGREE = 0.05  # of wall seconds: a process that waits longer shares its processor


@dataclass(frozen=True)
class Spent:
    """A schedule's training time as a share of fine-tuning's, by the seeds that one machine ran of both.

    None where it was not recorded; `wall` also where some run's clock and processor disagree.
    """

    seeds: int
    cpu: float | None
    wall: float | None


def rows(suite: OfSuite) -> list[list[str]]:
    """A line for each recipe that has fine-tuning beside it: shares of what fine-tuning takes, in percent."""
    listed = [ledger.entry(suite.recipes[name], runs) for name, runs in suite.results.items() if "~" not in name]
    found = []
    for one in ledger.costs(listed):
        pair = [suite.results[f"{one.body}-{schedule}-{one.task}"] for schedule in (one.schedule, "constant")]
        time = spent(*pair)
        counted = [percent(value) for value in (one.updated, one.flops)]
        times = [percent(time.cpu), "not told" if time.wall is None else percent(time.wall)]
        name = one.schedule if one.body == suite.recipes[f"{one.body}-constant-{one.task}"].model else ""
        label = name or f"{split_id(f'{one.body}-constant-{one.task}')[0]} {one.schedule}"
        found.append([label, one.task, str(time.seeds), *counted, *times])
    return found


def spent(ours: Sequence[RunResult], theirs: Sequence[RunResult]) -> Spent:
    """Median shares over the seeds that both have, from one kind of machine."""
    beside = {run.seed: run for run in theirs if not run.error}
    pairs = [(run, beside[run.seed]) for run in ours if not run.error and run.seed in beside]
    pairs = [pair for pair in pairs if len({tuple(run.environment.get(key) for key in MACHINE) for run in pair}) == 1]
    timed = [pair for pair in pairs if all(_cpu(run) for run in pair)]
    cpu = [_cpu(one) / _cpu(other) for one, other in timed]
    told = timed and all(agree(run) for pair in timed for run in pair)
    wall = [_wall(one) / _wall(other) for one, other in timed] if told else []
    return Spent(len(pairs), *(statistics.median(values) if values else None for values in (cpu, wall)))


def agree(run: RunResult) -> bool:
    """Whether the clock and the processor tell the same time of a run's training, a thread's share of each."""
    threads = run.environment.get("threads", 1)
    per_thread = _cpu(run) / threads if isinstance(threads, int) and threads else 0.0
    return bool(per_thread) and abs(_wall(run) - per_thread) <= AGREE * _wall(run)


def _cpu(run: RunResult) -> float:
    """CPU seconds of training, 0 where some epoch did not record them."""
    values = [epoch.cpu_seconds for epoch in run.epochs]
    return sum(values) if values and all(values) else 0.0


def _wall(run: RunResult) -> float:
    return sum(epoch.seconds for epoch in run.epochs)


def hours(runs: Iterable[RunResult]) -> tuple[float, float]:
    """Hours of training by the clock and by the processor, over runs; an epoch that two runs share counts in both."""
    good = [run for run in runs if not run.error]
    return sum(map(_wall, good)) / 3600, sum(map(_cpu, good)) / 3600
