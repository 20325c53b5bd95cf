"""What is shown beside a difference: a correlation, how often one schedule is ahead, and what so few seeds can see."""

import bisect
import math
from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv, nctdtr, stdtrit

from progbench.judging.compared import Paired
from progbench.judging.effect import components_of, interval, on_this_set

ALPHA = 0.05  # one-sided, as claims are judged
POWER = 0.8
MOST = 1000  # seeds: nobody trains more


def correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Pearson's correlation of two schedules' scores over seeds; None if one of them does not vary.

    >>> correlation([1.0, 2.0, 3.0], [2.0, 2.5, 3.0]), correlation([1.0, 2.0], [5.0, 5.0])
    (1.0, None)
    """
    if len(left) < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(np.corrcoef(left, right)[0, 1])


def chance_of_at_least(differences: Sequence[float], level: float) -> tuple[float, float, float]:
    """How often a new seed's difference is at least 0: the share of these seeds, and its Clopper-Pearson interval.

    >>> [round(one, 3) for one in chance_of_at_least([0.4, -0.1, 0.0, 0.3, 0.2], level=0.05)]
    [0.8, 0.343, 0.99]

    The interval leaves out at most `level` on each side, whatever the differences' distribution.
    """
    n, at_least = len(differences), sum(difference >= 0 for difference in differences)
    low = betaincinv(at_least, n - at_least + 1, level) if at_least else 0.0
    high = betaincinv(at_least + 1, n - at_least, 1 - level) if at_least < n else 1.0
    return at_least / n, float(low), float(high)


def coefficient_of_variation(scores: Sequence[float]) -> float | None:
    """CV* in percent, (1 + 1/4n) · sd / mean · 100, corrected for few seeds; None for a single score, and a mean of 0.

    >>> round(coefficient_of_variation([66.0, 67.0, 68.0]), 3)  # 13/12 · 1 / 67 · 100
    1.617

    Source: Belz, QRA++ (arXiv 2505.17043).
    """
    if len(scores) < 2 or not np.mean(scores):
        return None
    return float((1 + 1 / (4 * len(scores))) * np.std(scores, ddof=1) / np.mean(scores) * 100)


def seeds_needed(sd: float, margin: float, level: float = 0.05) -> int:
    """How many seeds show with a chance of 80 % that equal schedules are not worse by `margin`.

    >>> seeds_needed(sd=1.5, margin=0.5), seeds_needed(sd=1.5, margin=1.0), seeds_needed(sd=0.2, margin=0.5)
    (113, 30, 4)

    `sd` is one schedule's over seeds, in points. The two are taken to vary independently, since nobody knows their
    correlation beforehand: a difference has √2 times the sd. At least three.
    """
    return 3 if margin <= 0 or sd <= 0 else _fewest(margin / (sd * math.sqrt(2)), level, 3)


def _fewest(effect: float, level: float, least: int) -> int:
    """The fewest seeds, at least `least`, that see an effect, in a difference's standard deviations, often enough.

    It gives 10⁹ where no fewer do.
    """
    return least + bisect.bisect_left(range(least, 10**9), POWER, key=lambda n: _power(effect, n, level))


def _power(effect: float, seeds: int, level: float) -> float:
    """The chance that a one-sided t-test of paired differences sees an effect, which is in their standard deviation.

    To the bit statsmodels' TTestPower, which loads pandas.
    """
    critical = -stdtrit(seeds - 1, level)
    return 1 - float(nctdtr(seeds - 1, effect * math.sqrt(seeds), critical))


def in_words(difference: Paired, level: float = ALPHA) -> str:
    """A task's mean difference in points, with its interval on this development set, which the pages show, too.

    >>> in_words(Paired("mine", seeds=(0, 1, 2), left=(67.0, 68.0, 69.0), right=(66.0, 66.0, 66.0)))
    '+2.00 points, 90 % interval +0.31 to +3.69 (3 seeds)'

    It leaves out `level` on each side, 2 ± 2.92 · 1 / √3 in the example.
    """
    seeds = len(difference.seeds)
    if difference.missing or not seeds:
        return f"unknown: {difference.missing or 'no seed has both'}"
    if seeds < 2:
        return f"{difference.left[0] - difference.right[0]:+z.2f} points (one seed: no interval)"
    estimate = on_this_set(components_of(difference))
    low, high = interval(estimate, level)
    share = f"{100 * (1 - 2 * level):g} % interval"
    return f"{float(estimate.mean):+z.2f} points, {share} {float(low):+z.2f} to {float(high):+z.2f} ({seeds} seeds)"


def could_see(difference: Paired, margin: float) -> str:
    """A sentence on whether so many seeds could have seen a difference of `margin` points.

    >>> could_see(Paired("mine", seeds=(0, 1, 2), left=(67.0, 68.0, 69.0), right=(66.0, 66.0, 66.0)), 4.0)
    '3 seeds could have seen a difference of 4 points: with differences that vary by 1.00, in 99 % of comparisons'

    Nobody can say of fewer than two seeds.
    """
    said, seeds = f"a difference of {margin:g} point{'s' * (margin != 1)}", len(difference.seeds)
    if difference.missing or not seeds:
        return f"no seed has both, so nobody can say whether as many could have seen {said}"
    if seeds < 2:
        return f"one seed cannot tell {said} from chance: start with --seeds 5"
    sd = math.sqrt(on_this_set(components_of(difference)).variance * seeds)
    power = _power(margin / sd, seeds, ALPHA)
    varying = f"with differences that vary by {sd:.2f}, in {100 * power:.0f} % of comparisons"
    if power >= POWER:
        return f"{seeds} seeds could have seen {said}: {varying}"
    needed = _fewest(margin / sd, ALPHA, 2)
    more = f"; {needed} seeds would in {100 * POWER:.0f} %" if needed <= MOST else f"; nor would {MOST:,} seeds"
    return f"{seeds} seeds could hardly have seen {said}: {varying}{more}"
