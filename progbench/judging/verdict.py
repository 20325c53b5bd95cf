"""What was observed of a cell, and the verdict on it: what judging and reports share. No torch, no arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from progbench.judging.expected import Cell
from progbench.judging.resolution import beyond

# "reproduced" is said of the paper alone; what agrees with our own earlier runs, or our own arithmetic, is "consistent"
OUTCOMES = (
    "reproduced", "consistent", "deviates", "inconclusive", "disputed", "unjudged", "not printed", "missing", "error",
)  # fmt: skip
AGREES = ("reproduced", "consistent")
JUDGED = (*AGREES, "deviates", "inconclusive", "disputed")


@dataclass(frozen=True)
class Observed:
    """What there is to judge a cell by: points by seed, or an exact count; and what went wrong or is not there.

    `same` has the seeds that were made as the reference's, and whether their scores are identical, bit for bit.
    `other_data` says that the scores were not made on the published data, `changed` that they were not made on the data
    that lies here now. `least_sd` is the least believed spread over seeds, in points, with so many examples.
    """

    values: Mapping[int, float] = field(default_factory=dict)
    count: int | None = None
    errors: Mapping[int, str] = field(default_factory=dict)
    missing: str = ""
    same: Mapping[int, bool] = field(default_factory=dict)
    recipes: tuple[str, ...] = ()
    other_data: str = ""
    changed: str = ""
    least_sd: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """The verdict on one cell. Numbers are in the cell's unit, None for none.

    `sd` is that of this cell's own `n` seeds; `spread`, with `df` degrees of freedom, the one it was judged by. From
    `low` to `high` is the difference's interval at 90 %: if it lies within the margin, that is an equivalence at 5 %.
    `p` belongs to no difference at all, after Holm's correction over the table. `tier` says what it was judged against,
    and `recipes` the runs it was read from, as `<recipe>/<digest>` below the suite's folder of results.

    For a printed count, `basis` is what it rests on (one of `guards.BASES`), and `rounding` how it agrees with the
    print: "both", "rounded", "truncated", or "" if it does not.
    """

    cell: str
    table: str
    row: str
    column: str
    kind: str
    unit: str
    expected: float | None
    printed: str | None
    observed: float | None
    sd: float | None
    n: int
    difference: float | None
    tolerance: float | None
    outcome: str
    direction: str | None
    sentence: str
    low: float | None = None
    high: float | None = None
    p: float | None = None
    spread: float | None = None
    df: int | None = None
    tier: str = ""
    recipes: tuple[str, ...] = ()
    metric: str = ""
    basis: str = ""
    rounding: str = ""

    @property
    def judged(self) -> bool:
        return self.outcome in JUDGED

    @classmethod
    def on(
        cls, cell: Cell, outcome: str, sentence: str, observed: Observed, *, expected: float | None = None, **statistics
    ) -> Verdict:
        """The verdict on a cell with this outcome: its numbers, and the `statistics` that only some verdicts have.

        `expected` replaces what the cell itself expects.
        """
        expectation, values = cell.expectation, list(observed.values.values())
        if cell.kind == "counted":
            ours = observed.count
            if ours is not None and cell.unit.startswith("M "):
                ours /= 1_000_000
        else:
            ours = fmean(values) if values else None
        if expected is None:
            expected = _expected(cell)
        # a counted cell may differ from its print by less than one unit of the last digit: rounded or truncated
        last_digit = 10.0 ** -len(expectation.printed.partition(".")[2]) if expectation.printed else 0.0
        tolerance = last_digit if cell.kind == "counted" else expectation.margin or None
        difference = None if ours is None or expected is None else ours - expected
        copied = ("table", "row", "column", "kind", "unit", "metric", "basis")
        return cls(
            cell=cell.id,
            **{name: getattr(cell, name) for name in copied},
            expected=expected,
            printed=expectation.printed or None,
            observed=ours,
            sd=stdev(values) if len(values) > 1 else None,
            n=len(values) if cell.kind != "counted" else int(ours is not None),
            difference=difference,
            tolerance=None if expected is None else tolerance,
            outcome=outcome,
            direction=("high" if difference > 0 else "low") if outcome == "deviates" and difference else None,
            sentence=sentence,
            recipes=observed.recipes,
            **statistics,
        )


def _expected(cell: Cell) -> float | None:
    expectation = cell.expectation
    if expectation.printed and not cell.problem:
        return float(expectation.printed)
    if expectation.exact is not None:
        return expectation.exact
    return fmean(expectation.reference.seeds.values()) if expectation.reference else None


@dataclass(frozen=True)
class Variant:
    """A cell's value under one recipe: the primary (no name) or a variant; `closest` is the nearest to the print."""

    cell: str
    table: str
    variant: str
    unit: str
    expected: float | None
    observed: float | None
    sd: float | None
    n: int
    difference: float | None
    closest: bool
    missing: str
    error: str


def compare_variants(cell: Cell, primary: Verdict, observed: Mapping[str, Observed]) -> list[Variant]:
    """The primary's value and each variant's; the nearest to what is expected is marked.

    A variant that leaves a count as it is says nothing about it, and is left out.
    """
    others = {name: Verdict.on(cell, "", "", seen) for name, seen in observed.items()}
    if cell.kind == "counted":
        others = {name: verdict for name, verdict in others.items() if verdict.observed != primary.observed}
    verdicts = {"": primary} | others if others else {}
    distances = {name: abs(verdict.difference) for name, verdict in verdicts.items() if verdict.difference is not None}
    return [
        Variant(
            cell=cell.id,
            table=cell.table,
            variant=name,
            unit=cell.unit,
            expected=primary.expected,
            **{number: getattr(verdict, number) for number in ("observed", "sd", "n", "difference")},
            closest=name in distances and not beyond(distances[name], min(distances.values())),
            missing=(observed[name].missing if name else primary.sentence) if verdict.observed is None else "",
            error=next(iter(observed[name].errors.values()), "") if name else "",
        )
        for name, verdict in verdicts.items()
    ]


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
            ranked = sorted(
                (_closing(verdict, one) for one in others),
                key=lambda one: math.inf if one.closed is None else -one.closed,
            )
            about = (verdict.cell, verdict.table, verdict.outcome, verdict.unit, verdict.difference)
            found.append(Attribution(*about, tuple(ranked)))
    return found


def _closing(verdict: Verdict, one: Variant) -> Closing:
    if one.difference is None:
        return Closing(one.variant, one.observed, None, None, one.error or one.missing)
    closed = 1 - abs(one.difference) / abs(verdict.difference)
    return Closing(one.variant, one.observed, one.difference, closed)


def missing(cell: Cell, why: str) -> Verdict:
    """The verdict on a cell that was not looked at."""
    return Verdict.on(cell, "missing", why, Observed())


def error(cell: Cell, why: str) -> Verdict:
    """The verdict on a cell whose judging failed."""
    return Verdict.on(cell, "error", why, Observed())


def unreadable(table: str, why: str) -> Verdict:
    """The verdict for a whole table whose file cannot be read."""
    return Verdict(table, table, "", "", "", "", None, None, None, None, 0, None, None, "error", None, why)
