"""Two folders of results, of two machines or two versions, compared score by score. No torch.

Neither side is the truth. Spreads are pooled over both sides and over a model's schedules on a task. Holm's correction
is over all compared scores.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from progbench import environment
from progbench.errors import BadInput
from progbench.files import closed, require_folder
from progbench.judging import resolution
from progbench.recipes.recipe import split_id
from progbench.runs import results
from progbench.runs.ledger import Run, entry
from progbench.runs.results import RunResult
from progbench.tasks import catalog

IDENTICAL, WITHIN, CHANGED, UNDECIDED = "bit-identical", "within chance", "changed", "undecided"
OUTCOMES = (CHANGED, UNDECIDED, WITHIN, IDENTICAL)

BySeed = Mapping[int, RunResult]
Side = tuple[str, BySeed]  # a digest, and its results by seed
Pair = tuple[Side, Side]
Score = tuple[str, str]  # evaluation set and metric
Key = tuple[str, Score]  # of a recipe
Sides = tuple[Mapping[int, float], ...]  # points by seed, in both folders
Compared = tuple[float, float, float] | None  # the interval's ends, and p


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
class Change:
    """One score of one recipe in both folders. `difference` is the first folder's mean less the second's, in points.

    *bit-identical*: both have the same seeds with the same scores, to the last bit, after every epoch. Else *changed*
    if p is below 5 % after Holm's correction, *within chance* if not, *undecided* if no seed was repeated. From `low`
    to `high` is the 95 % interval of this comparison alone.
    """

    recipe: str
    score: str
    digests: tuple[str, str]
    means: tuple[float, float]
    sds: tuple[float | None, float | None]
    seeds: tuple[int, int]
    difference: float
    low: float | None
    high: float | None
    p: float | None
    outcome: str


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


def changes(pairs: Mapping[str, Pair]) -> list[Change]:
    """Every score of every recipe, with p after Holm's correction over all comparable ones."""
    points = {
        (name, score): tuple({seed: run.score(*score) for seed, run in side.items()} for _, side in pair)
        for name, pair in pairs.items()
        for score in _scores(pair)
    }
    compared = _compared(points, {(name, score): _least_sd(pairs[name], *score) for name, score in points})
    return [_change(name, score, pairs[name], points[name, score], compared[name, score]) for name, score in points]


def _scores(pair: Pair) -> list[Score]:
    sets = [
        {(evaluation_set, metric) for evaluation_set, scores in run.epochs[-1].scores.items() for metric in scores}
        for _, side in pair
        for run in side.values()
    ]
    return sorted(set.intersection(*sets))


def _least_sd(pair: Pair, evaluation_set: str, metric: str) -> float:
    runs = [run for _, side in pair for run in side.values()]
    return resolution.least_sd(metric, resolution.examples_of(evaluation_set, runs))


def _compared(points: Mapping[Key, Sides], least: Mapping[Key, float]) -> dict[Key, Compared]:
    """Each score's 95 % interval of the difference and Holm's p; None if no seed was repeated.

    Spreads are pooled over the schedules of a model and tuning on a task, on both sides.
    """
    import numpy as np

    from progbench.judging import decision

    if not points:
        return {}
    sides = [list(side.values()) for both in points.values() for side in both]
    values = np.full((len(sides), max(map(len, sides))), np.nan)
    for row, side in zip(values, sides, strict=True):
        row[: len(side)] = side
    pools = [(split_id(name)[0], score) for name, score in points]
    group_of = {pool: number for number, pool in enumerate(dict.fromkeys(pools))}
    sd, df = decision.pooled(values, np.repeat([group_of[pool] for pool in pools], 2))
    known = df[::2] > 0
    means, n = np.nanmean(values, axis=1), (~np.isnan(values)).sum(axis=1)
    sides_of_known = (array[known] for array in (means[::2], n[::2], means[1::2], n[1::2], sd[::2], df[::2]))
    least_of_known = np.array([least[key] for key in points])[known]
    differences = decision.against_reference(*sides_of_known, floor=0.0, least=least_of_known)
    low, high = decision.interval(differences.difference, differences.error, differences.df, decision.ALPHA / 2)
    decided = zip(low.tolist(), high.tolist(), decision.decide(differences).p.tolist(), strict=True)
    return {key: next(decided) if is_known else None for key, is_known in zip(points, known, strict=True)}


def _change(name: str, score: Score, pair: Pair, sides: Sides, compared: Compared) -> Change:
    from progbench.judging.decision import ALPHA

    means = tuple(statistics.fmean(side.values()) for side in sides)
    low, high, p = compared or (None, None, None)
    if _identical(pair, *score):
        outcome = IDENTICAL
    elif p is None:
        outcome = UNDECIDED
    else:
        outcome = CHANGED if p <= ALPHA else WITHIN
    return Change(
        recipe=name,
        score=" ".join(score),
        digests=(pair[0][0], pair[1][0]),
        means=means,
        sds=tuple(statistics.stdev(side.values()) if len(side) > 1 else None for side in sides),
        seeds=tuple(map(len, sides)),
        difference=means[0] - means[1],
        low=low,
        high=high,
        p=p,
        outcome=outcome,
    )


def _identical(pair: Pair, evaluation_set: str, metric: str) -> bool:
    (_, left), (_, right) = pair

    def curve(run: RunResult) -> list[float]:
        return [epoch.scores.get(evaluation_set, {}).get(metric) for epoch in run.epochs]

    return left.keys() == right.keys() and all(curve(left[seed]) == curve(right[seed]) for seed in left)
