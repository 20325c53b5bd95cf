"""Scores of two folders side by side: bit-identical, changed beyond chance, or neither. No torch.

Neither side is the truth. Spreads are pooled over both and over the schedules of a model on a task, and Holm's
correction is over every score that is compared.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from progbench.recipe import split_id
from progbench.runs import RunResult
from progbench.verdict import ALPHA, LEAST_SD

IDENTICAL, WITHIN, CHANGED, UNDECIDED = "bit-identical", "within chance", "changed", "undecided"
OUTCOMES = (CHANGED, UNDECIDED, WITHIN, IDENTICAL)

Seeds = Mapping[int, RunResult]
Side = tuple[str, Seeds]  # a digest, and its results by seed
Pair = tuple[Side, Side]
Score = tuple[str, str]  # evaluation set and metric


@dataclass(frozen=True)
class Change:
    """One score of one recipe in both folders. `difference` is the first folder's mean less the second's, in points.

    *bit-identical*: the seeds that both have scored the same to the last bit, after every epoch. Else *changed* if
    Holm's correction leaves p below 5 %, *within chance* if not, *undecided* where no seed was repeated. From `low` to
    `high` is the interval at 95 %, of this comparison alone.
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
    """Every score of every recipe, with p after Holm's correction over them all."""
    points = {
        (name, score): tuple(_points(side, *score) for _, side in pair)
        for name, pair in pairs.items()
        for score in _scores(pair)
    }
    spreads = _spreads(points)
    raw = {key: _p(sides, spreads[_pool(*key)]) for key, sides in points.items()}
    known = [key for key in raw if raw[key] is not None]
    corrected = dict(zip(known, _holm([raw[key] for key in known]), strict=True))
    return [
        _change(
            name, score, pairs[name], points[name, score], spreads[_pool(name, score)], corrected.get((name, score))
        )
        for name, score in points
    ]


def _scores(pair: Pair) -> list[Score]:
    """The evaluation sets and metrics that every result of both sides has."""
    found = [
        {(part, metric) for part, scores in run.epochs[-1].scores.items() for metric in scores}
        for _, side in pair
        for run in side.values()
    ]
    return sorted(set.intersection(*found))


def _points(side: Seeds, part: str, metric: str) -> dict[int, float]:
    return {seed: run.score(part, metric) for seed, run in side.items()}


def _pool(name: str, score: Score) -> tuple[str, Score]:
    """What scores share a spread: those of a model and tuning on a task, under whatever schedule."""
    return split_id(name)[0], score


def _spreads(points: Mapping[tuple[str, Score], tuple[dict, dict]]) -> dict[tuple[str, Score], tuple[float, int]]:
    """The pooled standard deviation of each pool, and its degrees of freedom."""
    pools: dict[tuple[str, Score], list[list[float]]] = {}
    for key, sides in points.items():
        pools.setdefault(_pool(*key), []).extend(list(side.values()) for side in sides)
    found = {}
    for pool, samples in pools.items():
        repeated = [values for values in samples if len(values) > 1]
        df = sum(len(values) - 1 for values in repeated)
        squares = sum(statistics.variance(values) * (len(values) - 1) for values in repeated)
        # equal seeds are no proof of a smaller spread than this
        found[pool] = (max(math.sqrt(squares / df), LEAST_SD) if df else math.nan, df)
    return found


def _error(sides: tuple[dict, dict], sd: float) -> float:
    return sd * math.sqrt(sum(1 / len(side) for side in sides))


def _p(sides: tuple[dict, dict], spread: tuple[float, int]) -> float | None:
    from scipy.stats import t

    sd, df = spread
    difference = statistics.fmean(sides[0].values()) - statistics.fmean(sides[1].values())
    return float(2 * t.sf(abs(difference) / _error(sides, sd), df)) if df else None


def _holm(values: Sequence[float]) -> Sequence[float]:
    from statsmodels.stats.multitest import multipletests

    return [float(value) for value in multipletests(values, method="holm")[1]] if values else []


def _change(
    name: str, score: Score, pair: Pair, sides: tuple[dict, dict], spread: tuple[float, int], p: float | None
) -> Change:
    from scipy.stats import t

    means = tuple(statistics.fmean(side.values()) for side in sides)
    half = float(t.ppf(1 - ALPHA / 2, spread[1])) * _error(sides, spread[0]) if spread[1] else None
    if _identical(pair, *score):
        outcome = IDENTICAL
    elif p is None:
        outcome = UNDECIDED
    else:
        outcome = CHANGED if p < ALPHA else WITHIN
    return Change(
        recipe=name,
        score=" ".join(score),
        digests=(pair[0][0], pair[1][0]),
        means=means,
        sds=tuple(statistics.stdev(side.values()) if len(side) > 1 else None for side in sides),
        seeds=tuple(map(len, sides)),
        difference=means[0] - means[1],
        low=None if half is None else means[0] - means[1] - half,
        high=None if half is None else means[0] - means[1] + half,
        p=p,
        outcome=outcome,
    )


def _identical(pair: Pair, part: str, metric: str) -> bool:
    (_, left), (_, right) = pair
    shared = left.keys() & right.keys()

    def curve(run: RunResult) -> list[float]:
        return [epoch.scores.get(part, {}).get(metric) for epoch in run.epochs]

    return bool(shared) and all(curve(left[seed]) == curve(right[seed]) for seed in shared)
