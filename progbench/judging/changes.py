"""Scores of two folders side by side: bit-identical, changed beyond chance, or neither. No torch.

Neither side is the truth. Spreads are pooled over both sides and over a model's schedules on a task. Holm's correction
is over all compared scores.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from progbench.judging import resolution
from progbench.recipes.recipe import split_id
from progbench.runs.results import RunResult

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
