"""The sections on the runs themselves: what there is and what there is not, what failed, and how each was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from progbench.judging.likeness import MACHINE, VERSIONS
from progbench.recipes.recipe import split_id
from progbench.report import provenance, record_costs
from progbench.report.record import Block, Grid, OfSuite, Recorded
from progbench.runs.results import RunResult
from progbench.tasks.catalog import tasks


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
        "One line makes a recipe's runs again, at the commit that the grid names and with as many threads "
        "(OMP_NUM_THREADS) as are said here: progbench run RECIPE --suite SUITE --seeds 0-4 --device cpu. The digest "
        "comes out the same everywhere; on the same kind of machine, with the same versions, so do the scores, to the "
        "last bit."
    )
    for suite in found.suites:
        if not suite.runs:
            yield f"{suite.name}: nothing is recorded."
            continue
        yield f"{suite.name}:"
        yield [*_about(suite)]
        rows = [[name, suite.recipes[name].digest, *_where(runs)] for name, runs in suite.results.items()]
        yield Grid(("recipe", "digest", "seeds", "commits", "from", "to"), rows, "left left left left left left")


def _about(suite: OfSuite) -> Iterator[str]:
    good = [run for run in suite.runs if not run.error]
    for words, fields in (("machine", MACHINE), ("versions", VERSIONS)):
        counts = Counter(
            ", ".join(f"{key} {run.environment[key]}" for key in fields if key in run.environment) for run in good
        )
        yield from (f"{words}, {count} runs: {value}" for value, count in counts.most_common())
    wall, cpu = record_costs.hours(good)
    yield (
        f"training took {wall:.1f} hours by the clock and {cpu:.1f} CPU hours in all; an epoch that two schedules "
        "share was trained once, and counts in both"
    )
    notes = Counter(note for run in good for note in run.notes)
    yield from (f"noted of {count} runs: {note}" for note, count in notes.most_common())
    yield from suite.report.warnings


def _where(runs: Sequence[RunResult]) -> list[str]:
    seeds = sorted(run.seed for run in runs)
    whole = seeds == list(range(len(seeds))) and len(seeds) > 1
    dates = sorted(str(run.environment.get("date", "unknown"))[:16] for run in runs)
    commits = dict.fromkeys(provenance.commit(str(run.environment.get("commit", "unknown"))) for run in runs)
    return [f"0-{seeds[-1]}" if whole else ", ".join(map(str, seeds)), ", ".join(commits), dates[0], dates[-1]]
