"""The power of a paired comparison: whether so many seeds could have seen a difference."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

ALPHA = 0.05  # one-sided, as claims are judged
POWER = 0.8
MOST = 1000  # seeds: nobody trains more


def interval(differences: Sequence[float]) -> str:
    """The mean of paired differences in points, with its 95 % interval by Student's t.

    >>> interval([1.0, 2.0, 3.0])
    '+2.00 points, 95 % interval -0.48 to +4.48 (3 seeds)'
    """
    if not differences:
        return "unknown: no seed has both"
    mean = statistics.fmean(differences)
    if len(differences) < 2:
        return f"{mean:+.2f} points (one seed: no interval)"
    import scipy.stats

    half = scipy.stats.t.ppf(0.975, len(differences) - 1) * statistics.stdev(differences) / len(differences) ** 0.5
    return f"{mean:+.2f} points, 95 % interval {mean - half:+.2f} to {mean + half:+.2f} ({len(differences)} seeds)"


def words(differences: Sequence[float], margin: float) -> str:
    """A sentence on whether so many seeds could have seen a difference of `margin` points.

    >>> words([0.5, 0.9, 0.7, 0.4, 1.0], 1.0)
    '5 seeds could have seen a difference of 1 point: with differences that vary by 0.25, in 100 % of comparisons'

    Nobody can say of fewer than two seeds, or of seeds that all differ by the same.
    """
    said = f"a difference of {margin:g} point{'s' * (margin != 1)}"
    if not differences:
        return f"no seed has both, so nobody can say whether as many could have seen {said}"
    if len(differences) < 2:
        return f"one seed cannot tell {said} from chance: start with --seeds 5"
    sd = statistics.stdev(differences)
    if sd == 0:
        return f"all {len(differences)} seeds differ by the same, so nobody can say whether they could have seen {said}"
    from statsmodels.stats.power import TTestPower

    power = TTestPower().power(margin / sd, len(differences), ALPHA, alternative="larger")
    varying = f"with differences that vary by {sd:.2f}, in {100 * power:.0f} % of comparisons"
    if power >= POWER:
        return f"{len(differences)} seeds could have seen {said}: {varying}"
    enough = TTestPower().power(margin / sd, MOST, ALPHA, alternative="larger") >= POWER
    needed = _seeds(margin / sd) if enough else None
    more = f"; {needed} seeds would in {100 * POWER:.0f} %" if needed else f"; nor would {MOST:,} seeds"
    return f"{len(differences)} seeds could hardly have seen {said}: {varying}{more}"


def _seeds(effect: float) -> int:
    """The fewest seeds that see an effect, in standard deviations, often enough."""
    from statsmodels.stats.power import TTestPower

    low, high = 2, MOST
    while low < high:
        middle = (low + high) // 2
        if TTestPower().power(effect, middle, ALPHA, alternative="larger") >= POWER:
            high = middle
        else:
            low = middle + 1
    return low
