"""The sections on the runs themselves: which there are, which failed, how each was made, and what it took."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from progbench.judging.likeness import MACHINE, VERSIONS
from progbench.judging.terms import LEAST_SEEDS
from progbench.recipes.recipe import split_id
from progbench.report import provenance
from progbench.report.cells import percent
from progbench.report.record import Block, Grid, OfSuite, Recorded
from progbench.runs import ledger
from progbench.runs.results import RunResult
from progbench.tasks.catalog import tasks

_SETTINGS = {
    "epochs": "epochs", "learning_rate": "learning rate", "batch_size": "batch size", "max_length": "most tokens",
}  # fmt: skip
AGREE = 0.05  # of wall seconds: a process that waits longer shares its processor


def there(found: Recorded) -> Iterator[Block]:
    """A grid a suite: how many seeds of each schedule and task are recorded."""
    yield "Seeds by schedule and task. A dash stands where the suite has a recipe and no run of it is recorded."
    for suite in found.suites:
        rows: dict[str, dict[str, str]] = {}
        for name, recipe in suite.recipes.items():
            body, schedule, task = split_id(name.partition("~")[0])
            label = f"{body} {schedule}{f', {recipe.variant}' if recipe.variant else ''}"
            rows.setdefault(label, {})[task] = _count(suite.results.get(name, ()))
        columns = [task for task in tasks() if any(task in row for row in rows.values())]
        yield f"{suite.name}: {len(suite.runs)} runs of {len(suite.results)} of {len(suite.recipes)} recipes."
        lines = [[label, *(row.get(task, "") for task in columns)] for label, row in rows.items()]
        yield Grid(("schedule", *columns), lines, " ".join(["left"] + ["right"] * len(columns)))


def _count(runs: Sequence[RunResult]) -> str:
    failed = sum(bool(run.error) for run in runs)
    good = len(runs) - failed
    return f"{good or '–'}{f' + {failed} failed' if failed else ''}"


def failed(found: Recorded) -> list[str]:
    """Each run that is an error, with its message."""
    lines = [
        f"{suite.name}, {name}, seed {run.seed}: {run.error}"
        for suite in found.suites
        for name, runs in suite.results.items()
        for run in runs
        if run.error
    ]
    return lines or ["None of the recorded runs failed."]


def made(found: Recorded) -> Iterator[Block]:
    """Machine, versions, commits, dates and hours by suite; then a line a recipe that makes its runs again."""
    yield (
        "One line makes a recipe's runs again, in a checkout of the commit, with recipe and seeds from the grid: "
        "OMP_NUM_THREADS=1 progbench run RECIPE --suite SUITE --seeds SEEDS --device cpu --runs FOLDER (threads as "
        "they are said below). The digest comes out the same everywhere; on the same kind of machine, which the grid "
        "gives by its number for each seed, with the same versions, so do the scores, to the last bit."
    )
    machines = _machines(run for suite in found.suites for run in suite.runs)
    for suite in found.suites:
        if not suite.runs:
            yield f"{suite.name}: nothing is recorded."
            continue
        yield f"{suite.name}:"
        yield [*_about(suite, machines)]
        yield _settings(suite)
        rows = [
            [name, suite.recipes[name].digest, *_where(those, str(number))]
            for name, runs in suite.results.items()
            for machine, number in machines.items()
            if (those := [run for run in runs if _told(run, MACHINE) == machine])
        ]
        headers = ("recipe", "digest", "seeds", "machine", "commits", "first finished", "last finished")
        yield Grid(headers, rows, "left left left right left left left")
    if found.repeated:
        yield "Runs of the reference that were drawn by chance and made again, each beside its copy on file:"
        headers = ("date", "suite", "recipe", "seed", "made again at", "machine", "drawn", "result")
        yield Grid(headers, found.repeated, " ".join(["left"] * len(headers)))


def _settings(suite: OfSuite) -> Grid:
    """What a model and tuning was trained with; of tasks that differ, each value once."""
    rows: dict[str, dict[str, list]] = {}
    for name in suite.results:
        recipe = suite.recipes[name]
        row = rows.setdefault(split_id(name.partition("~")[0])[0], {})
        for field in _SETTINGS:
            row.setdefault(field, []).append(f"{getattr(recipe, field):g}")
    lines = [[label, *(", ".join(dict.fromkeys(values)) for values in row.values())] for label, row in rows.items()]
    return Grid(("model", *_SETTINGS.values()), lines, " ".join(["left"] + ["right"] * len(_SETTINGS)))


def _machines(runs: Iterable[RunResult]) -> dict[str, int]:
    """A number for each kind of machine, from 1 for the one that made most of the runs."""
    made_most = Counter(_told(run, MACHINE) for run in runs).most_common()
    return {machine: number for number, (machine, _) in enumerate(made_most, start=1)}


def _told(run: RunResult, fields: Iterable[str]) -> str:
    return ", ".join(f"{key} {run.environment[key]}" for key in fields if key in run.environment)


def _about(suite: OfSuite, machines: Mapping[str, int]) -> Iterator[str]:
    good = [run for run in suite.runs if not run.error]
    for machine, count in Counter(_told(run, MACHINE) for run in suite.runs).most_common():
        yield f"machine {machines[machine]}, {count} runs: {machine}"
    versions = Counter(_told(run, VERSIONS) for run in good)
    yield from (f"versions, {count} runs: {value}" for value, count in versions.most_common())
    wall, cpu = hours(good)
    yield (
        f"training took {wall:.1f} hours by the clock and {cpu:.1f} CPU hours in all, without scoring; an epoch that "
        "two schedules share was trained once, and counts once"
    )
    notes = Counter(note for run in good for note in run.notes)
    yield from (f"noted of {count} runs: {note}" for note, count in notes.most_common())
    yield from suite.report.warnings


def _where(runs: Sequence[RunResult], machine: str) -> list[str]:
    seeds = sorted(run.seed for run in runs)
    whole = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 1
    dates = sorted(str(run.environment.get("date", "unknown"))[:16] for run in runs)
    commits = dict.fromkeys(provenance.commit(str(run.environment.get("commit", "unknown"))) for run in runs)
    told = f"{seeds[0]}-{seeds[-1]}" if whole else ", ".join(map(str, seeds))
    return [told, machine, ", ".join(commits), dates[0], dates[-1]]


@dataclass(frozen=True)
class Spent:
    """A schedule's training time as a share of fine-tuning's, over the seeds that one kind of machine ran of both.

    Of `seeds` such pairs, `timed` are those in both of whose runs the clock and the processor agree. The shares are
    medians over these, None of fewer than three: where another program shares the core, CPU seconds grow, too.
    """

    seeds: int
    timed: int
    cpu: float | None
    wall: float | None


def shares(suite: OfSuite) -> list[tuple[ledger.Cost, Spent]]:
    """What each recipe takes that has fine-tuning beside it, as shares of what that takes."""
    listed = [ledger.entry(suite.recipes[name], runs) for name, runs in suite.results.items() if "~" not in name]
    found = []
    for one in ledger.costs(listed):
        pair = [suite.results[f"{one.body}-{schedule}-{one.task}"] for schedule in (one.schedule, "constant")]
        found.append((one, spent(*pair)))
    return found


def costs(suite: OfSuite) -> Grid:
    """The shares in percent, a line a recipe."""
    rows = []
    for one, time in shares(suite):
        counted = [percent(value) for value in (one.updated, one.flops)]
        times = ["not told" if share is None else percent(share) for share in (time.cpu, time.wall)]
        name = one.schedule if one.body == suite.recipes[f"{one.body}-constant-{one.task}"].model else ""
        label = name or f"{split_id(f'{one.body}-constant-{one.task}')[0]} {one.schedule}"
        rows.append([label, one.task, str(time.seeds), str(time.timed), *counted, *times])
    headers = ("schedule", "task", "seeds", "timed", "updated parameters", "FLOPs", "CPU seconds", "wall seconds")
    return Grid(headers, rows, "left left right right right right right right")


def spent(ours: Sequence[RunResult], theirs: Sequence[RunResult]) -> Spent:
    """The shares over the seeds that both have."""
    beside = {run.seed: run for run in theirs if not run.error}
    pairs = [(run, beside[run.seed]) for run in ours if not run.error and run.seed in beside]
    pairs = [pair for pair in pairs if len({tuple(run.environment.get(key) for key in MACHINE) for run in pair}) == 1]
    timed = [pair for pair in pairs if all(map(agree, pair))]
    cpu = [_cpu(one) / _cpu(other) for one, other in timed]
    wall = [_wall(one) / _wall(other) for one, other in timed]
    enough = len(timed) >= LEAST_SEEDS
    return Spent(len(pairs), len(timed), *(statistics.median(values) if enough else None for values in (cpu, wall)))


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
    """Hours of training by the clock and by the processor, over runs.

    An epoch that two schedules share counts once: both results have its seconds, to the last digit.
    """
    trained = {
        (replace(run.recipe, schedule=""), run.seed, number, epoch.seconds, epoch.cpu_seconds)
        for run in runs
        if not run.error
        for number, epoch in enumerate(run.epochs)
    }
    return sum(one[-2] for one in trained) / 3600, sum(one[-1] or 0.0 for one in trained) / 3600
