"""What the print says by itself of a difference between two rows: a sign flip over tasks, and published spreads."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from progbench.judging.compared import PrintAlone
from progbench.judging.resolution import ALPHA, EDGE, PAPER_SEEDS
from progbench.judging.terms import Spread


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
