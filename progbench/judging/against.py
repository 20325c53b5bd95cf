"""Two folders of results, of two machines or two versions, compared score by score. No torch."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from progbench import environment
from progbench.errors import BadInput
from progbench.files import closed, require_folder
from progbench.judging.changes import CHANGED, OUTCOMES, BySeed, Change, Pair, Side, changes
from progbench.runs import results
from progbench.runs.ledger import Run, entry
from progbench.runs.results import RunResult
from progbench.tasks import catalog


@dataclass(frozen=True)
class Folder:
    """A folder of results: the good ones by "<suite>/<recipe>" and digest, and the problems of others, by file."""

    path: Path
    good: Mapping[str, Mapping[str, BySeed]]
    errors: Mapping[str, str]

    @property
    def suites(self) -> list[str]:
        return sorted({name.partition("/")[0] for name in (*self.good, *self.errors)})


@dataclass(frozen=True)
class Ratio:
    """A recipe's median step time (of runs that had their device to themselves) and peak memory, first over second."""

    recipe: str
    step_seconds: float | None
    memory: float | None


@dataclass(frozen=True)
class Difference:
    """All differences between two folders; `environment` has both folders' values of each field that differs.

    `doubtful` counts the results of each folder that cannot be taken as they are, by their problem.
    """

    folders: tuple[str, str]
    changes: Sequence[Change]
    ratios: Sequence[Ratio]
    only: tuple[Sequence[str], Sequence[str]]
    errors: tuple[Mapping[str, str], Mapping[str, str]]
    environment: Mapping[str, tuple[Sequence[str], Sequence[str]]]
    doubtful: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """How many scores are the same, how many changed, and what could not be compared."""
        counts = {outcome: sum(change.outcome == outcome for change in self.changes) for outcome in OUTCOMES}
        words = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        line = f"{len(self.changes)} scores compared: {words or 'nothing'}"
        alone = [
            f"{len(names)} only in {folder}" for folder, names in zip(self.folders, self.only, strict=True) if names
        ]
        wrong = sum(map(len, self.errors))
        return "; ".join([line, *alone, *([f"{wrong} errors"] if wrong else [])])

    @property
    def failed(self) -> bool:
        """Whether a score changed beyond chance, a result is an error, or the folders have nothing in common."""
        return not self.changes or any(change.outcome == CHANGED for change in self.changes) or any(self.errors)


def read(path: Path, suite: str = "") -> Folder:
    """Every result below a folder, or of one suite in it. Raises BadInput if there is none."""
    require_folder(path)
    good: dict[str, dict[str, dict[int, RunResult]]] = {}
    shut = closed(path / suite, 2) if suite else closed(path, 3)
    errors = {place.relative_to(path).as_posix(): why for place, why in shut.items()}
    for file in sorted(path.glob(f"{suite or '*'}/*/*/seed*.json")):
        name = file.relative_to(path).as_posix()
        try:
            result = results.read(file)
        except BadInput as problem:
            errors[name] = str(problem)
            continue
        if problem := results.checked(result).error or _lacking(result):
            errors[name] = problem
            continue
        where = "/".join(name.split("/")[:2])
        good.setdefault(where, {}).setdefault(file.parent.name, {})[result.seed] = result
    if not good and not errors:
        raise BadInput(f"no results{f' of the suite {suite}' if suite else ''} in {path}")
    return Folder(path, good, errors)


def _lacking(result: RunResult) -> str:
    try:
        task = catalog.tasks()[result.recipe.task]
        for evaluation_set in task.evaluate:
            for metric in task.metrics:
                result.score(evaluation_set, metric)
    except BadInput as problem:
        return str(problem)
    return ""


def compare(first: Folder, second: Folder) -> Difference:
    """Compare two folders recipe by recipe and score by score.

    Recipes are matched by name. Of several digests the newest that both folders have is compared, else the newest of
    each. Then `digests` shows that the recipe, or SCORES_VERSION, differs.
    """
    shared = sorted(set(first.good) & set(second.good))
    pairs = {name: _pair(first.good[name], second.good[name]) for name in shared}
    names = [folder.path.as_posix() for folder in (first, second)]
    return Difference(
        folders=(names[0], names[1]),
        changes=changes(pairs),
        ratios=[_ratio(name, pair) for name, pair in pairs.items()],
        only=(sorted(set(first.good) - set(second.good)), sorted(set(second.good) - set(first.good))),
        errors=(first.errors, second.errors),
        environment=_environment(pairs.values()),
        doubtful=_doubtful(pairs.values()),
    )


def _pair(left: Mapping[str, BySeed], right: Mapping[str, BySeed]) -> Pair:
    def newest(sides: Mapping[str, BySeed], among: Iterable[str]) -> Side:
        dates = {name: max(str(run.environment.get("date", "")) for run in sides[name].values()) for name in among}
        digest = max(dates, key=dates.__getitem__)
        return digest, sides[digest]

    shared = left.keys() & right.keys()
    return newest(left, shared or left), newest(right, shared or right)


def _ratio(name: str, pair: Pair) -> Ratio:
    listed = [entry(next(iter(side.values())).recipe, side.values()).runs for _, side in pair]

    def ratio(quantity: str, sides: Sequence[Sequence[Run]]) -> float | None:
        values = [[value for run in side if (value := getattr(run, quantity)) is not None] for side in sides]
        return statistics.median(values[0]) / statistics.median(values[1]) if all(values) else None

    alone = [[run for run in side if run.alone] for side in listed]
    return Ratio(name, ratio("step_seconds", alone), ratio("memory", listed))


def _doubtful(pairs: Iterable[Pair]) -> dict[str, tuple[int, int]]:
    sides = [[run for side in both for run in side[1].values()] for both in zip(*pairs, strict=True)]
    doubts: dict[str, Callable[[RunResult], bool]] = {
        "made by changed code, which no commit has": lambda run: commit_of(run).endswith(environment.DIRTY),
        "made by code of unknown commit": lambda run: commit_of(run) == "unknown",
        results.UNSEALED: lambda run: not run.sealed,
    }

    def commit_of(run: RunResult) -> str:
        return str(run.environment.get("commit", "unknown"))

    counts = {what: [sum(map(doubt, side)) for side in sides] for what, doubt in doubts.items()}
    return {what: (count[0], count[1]) for what, count in counts.items() if any(count)}


def _environment(pairs: Iterable[Pair]) -> dict[str, tuple[list[str], list[str]]]:
    values: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for i, run in ((i, run) for pair in pairs for i, (_, side) in enumerate(pair) for run in side.values()):
        for key, value in (run.about | run.fingerprints).items():
            values.setdefault(key, ({}, {}))[i][str(value)] = None
    for when in ("date", "others"):  # of each run its own
        values.pop(when, None)
    return {key: (sorted(left), sorted(right)) for key, (left, right) in values.items() if left.keys() != right.keys()}
