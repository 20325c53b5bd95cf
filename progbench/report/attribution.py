"""Why a cell deviates: its variants, ranked by how much of the gap each closes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from progbench.judging.verdict import Variant, Verdict


@dataclass(frozen=True)
class Closing:
    """What one variant makes of a cell's gap: the share of |difference| it closes, or None where it has no value."""

    variant: str
    observed: float | None
    difference: float | None
    closed: float | None
    why: str = ""


@dataclass(frozen=True)
class Attribution:
    """A cell that does not agree with what is expected, and its variants, the one that closes most first."""

    cell: str
    table: str
    outcome: str
    unit: str
    difference: float
    variants: tuple[Closing, ...]


def attribute(verdicts: Sequence[Verdict], variants: Sequence[Variant]) -> list[Attribution]:
    """Rank the variants of every cell that deviates or is disputed; cells without variants are left out.

    A variant that comes out on the print closes all of the gap (1), one as far away as the primary none (0), and one
    further away less than none. Those without a value stand last, with the reason.
    """
    tried: dict[tuple[str, str], list[Variant]] = {}
    for one in variants:
        if one.variant:
            tried.setdefault((one.table, one.cell), []).append(one)
    found = []
    for verdict in verdicts:
        others = tried.get((verdict.table, verdict.cell))
        if others and verdict.difference and verdict.outcome in ("deviates", "disputed"):
            ranked = sorted((_closing(verdict, one) for one in others), key=_rank)
            about = (verdict.cell, verdict.table, verdict.outcome, verdict.unit, verdict.difference)
            found.append(Attribution(*about, tuple(ranked)))
    return found


def _closing(verdict: Verdict, one: Variant) -> Closing:
    if one.difference is None:
        return Closing(one.variant, one.observed, None, None, one.error or one.missing)
    closed = 1 - abs(one.difference) / abs(verdict.difference)
    return Closing(one.variant, one.observed, one.difference, closed)


def _rank(one: Closing) -> float:
    return float("inf") if one.closed is None else -one.closed
