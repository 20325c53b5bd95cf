"""How often a true difference is found: tables drawn at random, judged by the code that judges the real ones.

A table here has Table 1's shape: rows in pairs (fine-tuning and Progtuning) that share a model, a column and so a
spread. Everything is in units of that spread, the standard deviation over seeds.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from progbench.judging.verdict import Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from progbench.judging.decision import Decided

SHIFTS = tuple(shift / 2 for shift in range(13))  # 0 to 6 sd


@dataclass(frozen=True)
class Point:
    """The chance of each outcome for a cell with so many seeds that is truly `shift` sd from what the paper says."""

    seeds: int
    shift: float
    reproduced: float
    deviates: float
    inconclusive: float


@dataclass(frozen=True)
class Curves:
    """The chances over the true shift, for the margin (in sd) and number of scored cells of a report."""

    margin: float
    family: int
    points: tuple[Point, ...]


def of_report(verdicts: Sequence[Verdict]) -> Curves | None:
    """How often the method finds a difference, at the median margin of the cells judged against the paper.

    >>> of_report([]) is None
    True

    The family is that of the table with the most scored cells. None if nothing was judged against the paper.
    """
    scored = [verdict for verdict in verdicts if verdict.kind == "scored"]
    margins = [verdict.tolerance / verdict.spread for verdict in scored if verdict.tier == "paper" and verdict.df]
    if not margins:
        return None
    margin = round(statistics.median(margins), 1)
    family = max(2, *Counter(verdict.table for verdict in scored).values())
    return Curves(margin, family, tuple(curve(margin, family=family)))


def judged(
    random: np.random.Generator,
    tables: int,
    seeds: int,
    sd: Sequence[float],
    margin: ArrayLike,
    shift: ArrayLike = 0.0,
    groups: ArrayLike | None = None,
    rest: ArrayLike = (),
) -> Decided:
    """Draw so many tables with a cell for each `sd`, our seeds and the paper's mean of five, and judge them.

    `margin` and `shift`, our true distance from the paper, are in each cell's unit. `groups` says which cells pool
    their spread; by default each two neighbours do, which then must have the same sd. `rest` are the p-values of
    further cells of the same tables.
    """
    import numpy as np

    from progbench.judging import decision

    sd = np.asarray(sd, float)
    groups = np.arange(len(sd)) // 2 if groups is None else groups
    printed = random.normal(0.0, sd / np.sqrt(decision.PAPER_SEEDS), (tables, len(sd)))
    values = random.normal(np.broadcast_to(shift, sd.shape)[:, None], sd[:, None], (tables, len(sd), seeds))
    return decision.decide(decision.against_paper(values, printed, margin, groups), rest)


def curve(
    margin: float,
    seeds: Sequence[int] = (5, 10, 20),
    family: int = 54,
    shifts: Sequence[float] = SHIFTS,
    tables: int = 600,
) -> list[Point]:
    """The chance of each outcome over the true difference of one cell; difference and margin are in sd.

    >>> none, far = curve(margin=1.5, seeds=[10], family=6, shifts=[0, 6], tables=200)
    >>> none.deviates <= 0.05, far.deviates, far.inconclusive
    (True, 1.0, 0.0)

    `family` is how many scored cells the table has; the others are truly as the paper says. The same draws serve every
    shift and every call, so a curve is smooth and repeatable. Its standard error is at most 0.5 / √tables.
    """
    import numpy as np

    points = []
    for n in seeds:
        others = judged(np.random.default_rng(n), tables, n, np.ones(family - 2), margin).chance
        for shift in shifts:
            pair = judged(np.random.default_rng(n + 1000), tables, n, [1, 1], margin, [shift, 0], rest=others)
            reproduced, deviates = float(pair.within[:, 0].mean()), float(pair.beyond[:, 0].mean())
            points.append(Point(n, float(shift), reproduced, deviates, 1 - reproduced - deviates))
    return points
