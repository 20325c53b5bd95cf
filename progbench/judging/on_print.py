"""What a printed difference says of a claim: by published spreads if there are some, else by the margins of cells.

Print gives no spread. A margin is about the standard error of one score on other examples; two models scored on the
same examples differ by less noise. Spreads that others published for these tasks are the closer yardstick.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from progbench.judging.compared import Compared, Paired, PrintAlone, number
from progbench.judging.resolution import EDGE

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
