"""What a printed difference says by itself and of a claim: by published spreads if there are some, else by margins.

Print gives no spread. A margin is about the standard error of one score on other examples; two models scored on the
same examples differ by less noise. Spreads that others published for these tasks are the closer yardstick.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from progbench.judging.compared import Compared, Paired, PrintAlone, number
from progbench.judging.resolution import ALPHA, EDGE, PAPER_SEEDS
from progbench.judging.terms import Spread

HOLDS, WITHIN, FAILS, UNDECIDED = "holds", "within noise", "does not hold", "undecided"
COUNTS = "counts, which are arithmetic and take no run"


@dataclass(frozen=True)
class Range:
    """The range of a quantity in which a sentence holds; `strict` leaves out the lower end."""

    lowest: float = -math.inf
    highest: float = math.inf
    strict: bool = False

    def has(self, value: float) -> bool:
        """Whether a value lies in it.

        >>> Range(0.0).has(0.0), Range(0.0, strict=True).has(0.0)
        (True, False)
        """
        above = value > self.lowest + EDGE if self.strict else value >= self.lowest - EDGE
        return above and value <= self.highest + EDGE

    def answer(self, low: float, high: float) -> str:
        """What an interval says: all of it inside, all of it outside, or neither.

        >>> [Range(0.0).answer(low, low + 1.2) for low in (0.1, -0.4, -1.3)]
        ['holds', 'within noise', 'does not hold']
        """
        if self.has(low) and self.has(high):
            return HOLDS
        return FAILS if high < self.lowest - EDGE or low > self.highest + EDGE else WITHIN


@dataclass(frozen=True)
class Measured:
    """One comparison's quantity: as printed, and on our side exact or by seed.

    A difference of scores has its paired `tasks`, several for a mean of cells; `compared` is the difference table's
    verdict on an average. Without either it has a value by seed in `seeds`, and `least_sd` is the least spread that
    these are believed to have. `level` is the one-sided level of its interval.

    `mixed` says that the printed numbers are of two metrics, `alone` what the print says by itself, `missing` and
    `error` why our side is not there. `margin` is that of the cells, in points, for the `margin_reason`; 0 for counts.
    """

    column: str
    printed: float | None = None
    exact: float | None = None
    seeds: Mapping[int, float] = field(default_factory=dict)
    mixed: str = ""
    missing: str = ""
    error: str = ""
    least_sd: float = 0.0
    tasks: tuple[Paired, ...] = ()
    compared: Compared | None = None
    alone: PrintAlone | None = None
    level: float = 0.05
    margin: float = 0.0
    margin_reason: str = ""


def read(wanted: Range, comparison: Measured) -> tuple[str, str]:
    """The answer on the print, and its numbers in words."""
    if comparison.printed is None:
        return UNDECIDED, "unknown (not printed)"
    if comparison.mixed:
        return UNDECIDED, f"{comparison.printed:+.2f}, but of {comparison.mixed}"
    if not comparison.margin:
        return HOLDS if wanted.has(comparison.printed) else FAILS, f"{comparison.printed:+.2f}"
    by_margin = wanted.answer(comparison.printed - comparison.margin, comparison.printed + comparison.margin)
    alone = comparison.alone
    if not _has_spreads(alone):
        return by_margin, f"{comparison.printed:+.2f} (margin {comparison.margin:g})"
    up = ""
    if alone.without is not None:
        up = f", {alone.up} of {alone.tasks} tasks up, sign flip p = {alone.p:.2g}"
        up += f", {alone.without:+z.2f} without {alone.most}"
    words = f"{number(alone.average, alone.low, alone.high)} by published spreads (c* = {alone.factor:.2f}{up})"
    return wanted.answer(alone.low, alone.high), f"{words}, {by_margin} by the margin of {comparison.margin:g}"


def rests_on(printed: Sequence[Measured]) -> str:
    """What the answer on the print rests on; "" if nothing is printed."""
    there = [comparison for comparison in printed if comparison.printed is not None]
    with_margin = [comparison for comparison in there if comparison.margin]
    margins = {f"{each.column} {each.margin:g}": each.margin_reason for each in with_margin}
    if not margins:
        return COUNTS if there else ""
    if any(_has_spreads(comparison.alone) for comparison in there):
        return "printed means, with spreads over seeds that others published (difference.toml)"
    words = "; ".join(f"{name}: {why}" if why else name for name, why in margins.items())
    return f"printed means without a spread, by the margins of their cells ({words})"


def _has_spreads(alone: PrintAlone | None) -> bool:
    return alone is not None and None not in (alone.factor, alone.low, alone.high)


def by_print(
    table: str,
    body: str,
    columns: Mapping[str, tuple[str, float]],
    spreads: Mapping[str, Spread],
    margin: float = 0.5,
) -> PrintAlone:
    """What the print says of a row less another; `columns` has the task and printed difference of each, in points.

    >>> found = by_print("Table 1", "m", {"rte": ("rte", 3.0), "cola": ("cola", -1.0)},
    ...     {"rte": Spread(2.0, "a"), "cola": Spread(1.0, "b")})
    >>> found.average, found.p, found.most, found.without  # two of the four sign patterns give 1 or more
    (1.0, 0.5, 'rte', -1.0)
    >>> round(found.factor, 3), found.word  # 1 / (1.645 · √(2/5 · (2² + 1²)) / 2)
    (0.86, 'not worse')

    The average counts every column. The sign flip counts every task once: its columns are scores of the same models.
    """
    tasks: dict[str, list[float]] = {}
    for task, difference in columns.values():
        tasks.setdefault(task, []).append(round(difference, 6))  # as printed: binary fractions are no difference
    means = {task: round(statistics.fmean(values), 6) for task, values in tasks.items()}
    average = _mean(tasks)
    error = standard_error({task: len(values) for task, values in tasks.items()}, spreads)
    half = None if error is None else statistics.NormalDist().inv_cdf(1 - ALPHA) * error
    most = max(tasks, key=lambda task: sum(tasks[task]) * math.copysign(1, average))
    rest = {task: values for task, values in tasks.items() if task != most}
    return PrintAlone(
        table=table,
        body=body,
        average=average,
        up=sum(gap > 0 for gap in means.values()),
        tasks=len(means),
        p=_sign_flip([*means.values()], average),
        factor=abs(average) / half if half else None,
        low=None if half is None else average - half,
        high=None if half is None else average + half,
        most=most,
        without=_mean(rest) if rest else None,
        margin=margin,
        assumed=tuple(task for task in means if task in spreads and spreads[task].assumed),
    )


def _sign_flip(differences: Sequence[float], average: float) -> float:
    """The share of all patterns of signs whose sum is at least as far in the average's direction."""
    observed = math.fsum(differences) * (-1 if average < 0 else 1)
    sums = [0.0]
    for difference in differences:
        sums = [total + signed for total in sums for signed in (difference, -difference)]
    return sum(total >= observed - EDGE for total in sums) / len(sums)


def _mean(tasks: Mapping[str, list[float]]) -> float:
    return round(statistics.fmean(value for values in tasks.values() for value in values), 6)


def standard_error(columns: Mapping[str, int], spreads: Mapping[str, Spread]) -> float | None:
    """The standard error of an average's printed difference, from published spreads; None if one is not known.

    >>> round(standard_error({"rte": 1, "mnli": 2}, {"rte": Spread(2.0, "a"), "mnli": Spread(0.3, "b")}), 4)
    0.4402

    `columns` counts each task's columns of the average. Both rows are means of five seeds, taken to vary independently.
    A task's columns are taken to vary together, since they are scores of the same models.
    """
    if not set(columns) <= set(spreads):
        return None
    squares = sum((count * spreads[task].sd) ** 2 for task, count in columns.items())
    return math.sqrt(2 / PAPER_SEEDS * squares) / sum(columns.values())
