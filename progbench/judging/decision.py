"""The statistics of a table's scores: spreads, chance, and the outcome. Arrays in, arrays out; loaded only to judge.

The last axis is a table's cells (in `values`, the last but one: seeds follow). Axes before it are other tables, each
judged for itself, so that the code that judges the real table also judges thousands of simulated ones.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from progbench.judging.resolution import ALPHA, EDGE, PAPER_SEEDS

LEAST_SD = 0.05  # half a printed unit: equal seeds are no proof of a smaller spread than rounding hides
MOST_SEEDS = 100


class Differences(NamedTuple):
    """Cells' differences from what is expected, and what they are judged by; NaN if unknown.

    That is the spread, its degrees of freedom, the standard error of the difference, the margin, and whether there are
    seeds enough to decide anything.
    """

    difference: NDArray
    spread: NDArray
    df: NDArray
    error: NDArray
    margin: NDArray
    enough: NDArray


class Decided(NamedTuple):
    """The difference's 90 % interval, its p-value alone and after Holm's correction, and what follows.

    `within`: the interval lies within the margin, an equivalence at 5 %. `beyond`: beyond the margin and beyond chance.
    """

    low: NDArray
    high: NDArray
    chance: NDArray
    p: NDArray
    within: NDArray
    beyond: NDArray


def pooled(values: ArrayLike, groups: ArrayLike) -> tuple[NDArray, NDArray]:
    """Each cell's standard deviation over seeds, pooled over its group, and its degrees of freedom.

    >>> sd, df = pooled([[1, 2, 3], [10, 14, np.nan], [5, np.nan, np.nan]], groups=[0, 0, 1])
    >>> sd.round(3), df  # of the first two: (1 + 0 + 1 + 4 + 4) / (2 + 1) is 1.826 squared; one seed has no spread
    (array([1.826, 1.826,   nan]), array([3, 3, 0]))

    Five seeds alone say little about a spread; schedules of one model on one task are taken to be equally noisy. A
    schedule whose seeds are all equal, a constant predictor's for example, is not: if another in the group has a
    spread, it lends none.
    """
    values, groups = np.asarray(values, float), np.asarray(groups)
    n = (~np.isnan(values)).sum(-1)
    squares = np.nansum((values - _mean(values)[..., None]) ** 2, -1)
    together = groups[:, None] == groups
    own = np.maximum(n - 1, 0)
    varies = np.fmax.reduce(values, -1) > np.fmin.reduce(values, -1)
    df = np.where((varies @ together) > 0, np.where(varies, own, 0) @ together, own @ together)
    variance = np.divide(squares @ together, df, out=np.full(df.shape, np.nan), where=df > 0)
    return np.sqrt(variance), df


def against_paper(
    values: ArrayLike, printed: ArrayLike, margin: ArrayLike, groups: ArrayLike, least: ArrayLike = 0.0
) -> Differences:
    """Scores by cell and seed (NaN for none) against printed means of five.

    >>> found = against_paper([[66.4, 66.5, 66.6, 66.7, 66.8]], 66.5, margin=2.9, groups=[0])
    >>> found.difference.round(3), found.error.round(3), found.df  # sd 0.158 · √(1/5 + 1/5)
    (array([0.1]), array([0.1]), array([4]))

    The paper gives no spread. Its mean is taken to be as noisy as a mean of five of ours: the error is sd · √(1/n +
    1/5). One seed is never enough, whatever its siblings' spread. No sd is believed below `least`, nor below half a
    printed unit.
    """
    values = np.asarray(values, float)
    n = (~np.isnan(values)).sum(-1)
    sd, df = pooled(values, groups)
    return _differences(_mean(values) - printed, sd, df, n, PAPER_SEEDS, margin, least, enough=n >= 2)


def against_reference(
    means: ArrayLike,
    n: ArrayLike,
    expected: ArrayLike,
    seeds: ArrayLike,
    sd: ArrayLike,
    df: ArrayLike,
    floor: ArrayLike,
    least: ArrayLike = 0.0,
) -> Differences:
    """Means of `n` seeds against means of a reference's `seeds`, whose pooled `sd` and `df` are known.

    The error is that of a prediction, sd · √(1/n + 1/seeds): would another run like the reference have come out here?
    For that one seed is enough.
    """
    means, n = np.asarray(means, float), np.asarray(n)
    sd, df, seeds = np.asarray(sd), np.asarray(df), np.asarray(seeds)
    return _differences(means - expected, sd, df, n, seeds, floor, least, enough=n >= 1)


def decide(differences: Differences, rest: ArrayLike = ()) -> Decided:
    """What these differences decide; `rest` are the p-values of the family's other cells, 1 for a cell without scores.

    >>> one = against_paper([[66.3, 66.4, 66.5, 66.6, 66.7], [76.3, 76.4, 76.5, 76.6, 76.7]], 66.5, 2.9, [0, 0])
    >>> decided = decide(one)
    >>> decided.within, decided.beyond
    (array([ True, False]), array([False,  True]))

    Holm's correction keeps the chance of any false *beyond* in the family at 5 %. A difference that cannot be judged
    has p = 1, so that the family's size does not depend on what has been run.
    """
    low, high = interval(differences.difference, differences.error, differences.df)
    alone = 2 * stdtr(differences.df, -np.abs(differences.difference) / differences.error)
    chance = np.where(np.isnan(alone), 1.0, alone)
    rest = np.asarray(rest, float)
    family = np.concatenate([chance, np.broadcast_to(rest, (*chance.shape[:-1], rest.shape[-1]))], -1)
    p = holm(family)[..., : chance.shape[-1]]
    margin = differences.margin + EDGE
    within = differences.enough & (low >= -margin) & (high <= margin)
    beyond = differences.enough & (p <= ALPHA) & (np.abs(differences.difference) > margin)
    return Decided(low, high, chance, p, within, beyond)


def interval(center: ArrayLike, error: ArrayLike, df: ArrayLike, alpha: float = ALPHA) -> tuple[NDArray, NDArray]:
    """Student's interval that leaves out `alpha` on each side: 90 % for the 5 % of an equivalence test.

    >>> [round(float(end), 3) for end in interval(1.0, error=0.1, df=4)]  # t(0.95, 4) = 2.132
    [0.787, 1.213]
    """
    low, high = (stdtrit(df, (1 + side * (1 - 2 * alpha)) / 2) for side in (-1, 1))
    return low * error + center, high * error + center


def holm(p: ArrayLike) -> NDArray:
    """P-values after Holm's correction along the last axis, a family each.

    For one family it equals statsmodels' `multipletests` to the last bit, which takes one family at a time and loads
    pandas; tests/judging/test_power.py corrects thousands.

    >>> holm([0.01, 0.04, 0.9]).round(3)  # 3 times the least, 2 times the next, the last as it is
    array([0.03, 0.08, 0.9 ])
    """
    p = np.asarray(p, dtype=float)
    order, left = p.argsort(-1), np.arange(p.shape[-1], 0, -1)
    steps = np.maximum.accumulate(np.take_along_axis(p, order, -1) * left, -1)
    corrected = np.empty_like(p)
    np.put_along_axis(corrected, order, np.minimum(steps, 1.0), -1)
    return corrected


def seeds_to_decide(differences: Differences, chance: ArrayLike, cell: int, n: int) -> float:
    """How many seeds more, at this difference and spread, would decide an undecided cell against the paper.

    >>> found = against_paper([[64.5, 65.5, 66.5, 67.5, 68.5]], 66.5, margin=2.1, groups=[0])
    >>> seeds_to_decide(found, decide(found).chance, cell=0, n=5)  # t(0.95, 5) · 1.58 · √(1/6 + 1/5) = 1.93
    1.0

    Mean and spread seldom stay as they are: so many seeds decide a cell in about one case of two. Infinite for more
    than a hundred; NaN if no number would, since the paper's own error remains: that is the limit of n → ∞. `chance`
    has the p-values of the whole family, in the order of `differences`.
    """
    more = np.append(np.arange(1.0, MOST_SEEDS + 1), np.inf)[:, None]
    difference, spread, df, _, margin, _ = (column[cell] for column in differences)
    difference, spread = np.full(more.shape, difference), np.full(more.shape, spread)
    later = _differences(difference, spread, df + more, n + more, PAPER_SEEDS, margin, 0.0, enough=more > 0)
    decided = decide(later, rest=np.delete(chance, cell))
    first = np.flatnonzero(decided.within | decided.beyond)
    return float(more[first[0], 0]) if len(first) else math.nan


def _differences(difference, sd, df, n, theirs, margin, least, enough) -> Differences:
    spread = np.maximum(sd, np.maximum(least, LEAST_SD))
    error = spread * np.sqrt(np.divide(1, n, out=np.full(np.shape(n), np.nan), where=n > 0) + 1 / theirs)
    return Differences(difference, spread, df, error, np.broadcast_to(margin, np.shape(difference)), enough)


def _mean(values: NDArray) -> NDArray:
    n = (~np.isnan(values)).sum(-1)
    return np.divide(np.nansum(values, -1), n, out=np.full(n.shape, np.nan), where=n > 0)
