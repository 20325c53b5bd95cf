"""What is shown beside a difference: a correlation, how often one schedule is ahead, and the seeds needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

POWER = 0.8


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
    at_least = sum(difference >= 0 for difference in differences)
    interval = binomtest(at_least, len(differences)).proportion_ci(1 - 2 * level)
    return at_least / len(differences), float(interval.low), float(interval.high)


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
    from statsmodels.stats.power import TTestPower

    if margin <= 0 or sd <= 0:
        return 3
    effect = margin / (sd * math.sqrt(2))
    if TTestPower().power(effect, 3, level, alternative="larger") >= POWER:
        return 3
    return math.ceil(TTestPower().solve_power(effect, alpha=level, power=POWER, alternative="larger") - 1e-9)
