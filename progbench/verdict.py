"""From a cell and what was observed to a verdict. Pure: no files, no torch, nothing of the trainer.

Against the paper, whose five seeds nobody has, a scored cell is an equivalence question: is the difference surely
within the margin, surely beyond it, or undecided? One seed decides nothing. Against our own raw reference seeds it is
a prediction question: would another run like the reference have come out here?
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from progbench.expected import Cell, Reference

OUTCOMES = ("reproduced", "deviates", "inconclusive", "disputed", "missing", "error")
JUDGED = ("reproduced", "deviates", "inconclusive", "disputed")
PAPER_SEEDS = 5  # section 4.1: "Every task is performed 5 times"
ALPHA = 0.05
MOST_SEEDS = 100
LEAST_SD = 0.05  # half a printed unit: equal seeds are no proof of a smaller spread than the paper's rounding hides


@dataclass(frozen=True)
class Observed:
    """What there is to judge a cell by: points by seed, or an exact count; and what went wrong or is not there."""

    values: Mapping[int, float] = field(default_factory=dict)
    count: int | None = None
    errors: Mapping[int, str] = field(default_factory=dict)
    missing: str = ""


@dataclass(frozen=True)
class Verdict:
    """One cell of the report. Numbers are in the cell's unit; None where there is none.

    `sd` is that of this cell's own `n` seeds; `spread`, with `df` degrees of freedom, the one it was judged by. From
    `low` to `high` is the difference's interval at 90 %: within the margin on both sides, it is an equivalence at 5 %.
    `p` belongs to no difference at all, after Holm's correction over the table. `tier` says what it was judged
    against, and `recipes` the runs it was read from, as `<recipe>/<digest>` below the suite's folder of results.
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

    @property
    def judged(self) -> bool:
        return self.outcome in JUDGED


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


def judge(cell: Cell, observed: Observed, comparisons: int = 1) -> Verdict:
    """Judge one cell; `comparisons` is how many scored cells its table has, for the rate of false alarms.

    >>> from progbench.expected import Expectation
    >>> cell = Cell("bert-large-constant-updated", "paper", "figure4", "Figure 4", "BERT_LARGE FT", "Updated",
    ...     "counted", "M parameters", "glue", "bert-large", "full", "constant", "section 4.2",
    ...     expectation=Expectation("1005.4"))
    >>> judge(cell, Observed(count=1005431814)).sentence
    'counted 1,005,431,814, which is the printed 1005.4 M'
    """
    found = _judge(cell, observed, comparisons)
    return _dispute(cell, found) if cell.disputed and found.judged else found


def _judge(cell: Cell, observed: Observed, comparisons: int) -> Verdict:
    if cell.problem:
        return _verdict(cell, "error", cell.problem, observed)
    if observed.errors:
        seed, message = min(observed.errors.items())
        others = f" (seeds with an error: {', '.join(map(str, observed.errors))})" if len(observed.errors) > 1 else ""
        return _verdict(cell, "error", f"seed {seed}: {message}{others}", observed)
    if cell.kind == "counted":
        return _judge_count(cell, observed)
    if not observed.values:
        return _verdict(cell, "missing", observed.missing or "not run", observed)
    if cell.expectation.printed:
        return _judge_against_paper(cell, observed, comparisons)
    if cell.expectation.reference is None:
        return _verdict(cell, "missing", cell.expectation.no_reference, observed)
    return _judge_against_reference(cell, cell.expectation.reference, observed, comparisons)


def _dispute(cell: Cell, found: Verdict) -> Verdict:
    """The verdict on a printed number that cannot follow from the paper's own equations.

    That it does after all is an error when it is arithmetic: then the argument is wrong, or the counting has changed.
    A score may agree by luck.
    """
    if found.outcome == "reproduced" and cell.kind != "scored":
        sentence = f"disputed, and yet {found.sentence}: correct disputed.toml or the count. It says: {cell.disputed}"
        return replace(found, outcome="error", sentence=sentence)
    return replace(found, outcome="disputed", direction=None, sentence=f"{found.sentence}; {cell.disputed}")


def compare_variants(cell: Cell, primary: Verdict, observed: Mapping[str, Observed]) -> list[Variant]:
    """The primary's value and each variant's, the nearest to what is expected marked where something is.

    A variant that leaves a count as it is says nothing about it, and is left out.
    """
    others = {name: _verdict(cell, "", "", one) for name, one in observed.items()}
    if cell.kind == "counted":
        others = {name: one for name, one in others.items() if one.observed != primary.observed}
    found = {"": primary} | others if others else {}
    distances = {name: abs(one.difference) for name, one in found.items() if one.difference is not None}
    return [
        Variant(
            cell=cell.id,
            table=cell.table,
            variant=name,
            unit=cell.unit,
            expected=primary.expected,
            observed=one.observed,
            sd=one.sd,
            n=one.n,
            difference=one.difference,
            closest=name in distances and distances[name] == min(distances.values()),
            missing=(observed[name].missing if name else primary.sentence) if one.observed is None else "",
            error=next(iter(observed[name].errors.values()), "") if name else "",
        )
        for name, one in found.items()
    ]


def missing(cell: Cell, why: str) -> Verdict:
    """The verdict on a cell that was not looked at."""
    return _verdict(cell, "missing", why, Observed())


def error(cell: Cell, why: str) -> Verdict:
    """The verdict on a cell whose judging itself failed."""
    return _verdict(cell, "error", why, Observed())


def unreadable(table: str, why: str) -> Verdict:
    """The verdict that stands for a whole table whose file cannot be read."""
    return Verdict(table, table, "", "", "", "", None, None, None, None, 0, None, None, "error", None, why)


def agrees_with_print(count: int, printed: str) -> bool:
    """Whether a count, in millions, rounds or truncates to the printed string; the paper does both.

    >>> agrees_with_print(217_786_372, "217.7"), agrees_with_print(217_786_372, "217.8")
    (True, True)
    >>> agrees_with_print(217_786_372, "217.6")
    False
    """
    decimals = len(printed.partition(".")[2])
    scaled = count * 10**decimals / 1_000_000
    return round(float(printed) * 10**decimals) in (math.floor(scaled), math.floor(scaled + 0.5))


def _judge_count(cell: Cell, observed: Observed) -> Verdict:
    count, expectation = observed.count, cell.expectation
    if count is None:
        return _verdict(cell, "missing", observed.missing, observed)
    if expectation.printed:
        agrees = agrees_with_print(count, expectation.printed)
        how = "which is" if agrees else "which neither rounds nor truncates to"
        sentence = f"counted {count:,}, {how} the printed {expectation.printed} M"
    elif expectation.exact is not None:
        agrees = count == expectation.exact
        sentence = f"counted {count:,}, expected {'exactly that' if agrees else f'{expectation.exact:,}'}"
    else:
        return _verdict(cell, "missing", "no reference: the paper draws this bar without a number", observed)
    return _verdict(cell, "reproduced" if agrees else "deviates", sentence, observed)


def _judge_against_paper(cell: Cell, observed: Observed, comparisons: int) -> Verdict:
    values, expectation = list(observed.values.values()), cell.expectation
    difference = statistics.fmean(values) - float(expectation.printed)
    against = f"{_ours(observed)} against the printed {expectation.printed}: {difference:+.2f}"
    if len(values) < 2:
        sentence = f"{against}; one seed decides nothing, the paper's number is a mean of {PAPER_SEEDS}"
        return _verdict(cell, "inconclusive", sentence, observed)
    sd = statistics.stdev(values)
    outcome = _decide(difference, sd, len(values), expectation.margin, comparisons)
    if outcome == "inconclusive":
        wanted = next(
            (
                n
                for n in range(len(values) + 1, MOST_SEEDS + 1)
                if _decide(difference, sd, n, expectation.margin, comparisons) != "inconclusive"
            ),
            None,
        )
        more = (
            f"{wanted - len(values)} more seeds like these would decide"
            if wanted
            else f"not even {MOST_SEEDS} would decide: the paper's own mean of {PAPER_SEEDS} is the limit"
        )
        return _verdict(cell, outcome, f"{against}, margin {expectation.margin:g}; {more}", observed)
    how = "within the margin" if outcome == "reproduced" else "beyond chance and beyond the margin"
    return _verdict(cell, outcome, f"{against}, {how} of {expectation.margin:g}", observed)


def _decide(difference: float, sd: float, n: int, margin: float, comparisons: int) -> str:
    """The outcome at this difference and spread with n seeds; the paper's mean of five is as noisy as five of ours.

    *Reproduced* is an equivalence test at 5 %. *Deviates* needs the difference beyond the margin and beyond chance at
    5 % shared among the table's scored cells (Bonferroni), so that a long table does not fail by its length.
    """
    from scipy.stats import t

    error = max(sd, LEAST_SD) * math.sqrt(1 / n + 1 / PAPER_SEEDS)
    if abs(difference) + t.ppf(1 - ALPHA, n - 1) * error <= margin:
        return "reproduced"
    if abs(difference) > margin and abs(difference) > t.ppf(1 - ALPHA / 2 / comparisons, n - 1) * error:
        return "deviates"
    return "inconclusive"


def _judge_against_reference(cell: Cell, reference: Reference, observed: Observed, comparisons: int) -> Verdict:
    from scipy.stats import t

    expected = statistics.fmean(reference.seeds.values())
    difference = statistics.fmean(observed.values.values()) - expected
    error = reference.sd * math.sqrt(1 / len(observed.values) + 1 / len(reference.seeds))
    tolerance = max(cell.expectation.margin, float(t.ppf(1 - ALPHA / 2 / comparisons, reference.df)) * error)
    within = abs(difference) <= tolerance
    sentence = (
        f"{_ours(observed)} against our reference {expected:.2f} (n={len(reference.seeds)}): {difference:+.2f}, "
        f"{'within' if within else 'beyond'} the prediction interval of ±{tolerance:.2f}"
    )
    return _verdict(cell, "reproduced" if within else "deviates", sentence, observed, tolerance)


def _ours(observed: Observed) -> str:
    values = list(observed.values.values())
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread} (n={len(values)})"


def _verdict(cell: Cell, outcome: str, sentence: str, observed: Observed, tolerance: float | None = None) -> Verdict:
    expectation, values = cell.expectation, list(observed.values.values())
    millions = cell.unit.startswith("M ")
    if cell.kind == "counted":
        ours = None if observed.count is None else observed.count / 1_000_000 if millions else observed.count
    else:
        ours = statistics.fmean(values) if values else None
    if expectation.printed and not cell.problem:
        expected = float(expectation.printed)
    elif expectation.exact is not None:
        expected = expectation.exact
    else:
        expected = statistics.fmean(expectation.reference.seeds.values()) if expectation.reference else None
    if tolerance is None and expected is not None:
        # a counted cell may differ from its print by less than one unit of the last digit: rounded or truncated
        last_digit = 10.0 ** -len(expectation.printed.partition(".")[2]) if expectation.printed else 0.0
        tolerance = last_digit if cell.kind == "counted" else expectation.margin or None
    difference = None if ours is None or expected is None else ours - expected
    return Verdict(
        cell=cell.id,
        table=cell.table,
        row=cell.row,
        column=cell.column,
        kind=cell.kind,
        unit=cell.unit,
        expected=expected,
        printed=expectation.printed or None,
        observed=ours,
        sd=statistics.stdev(values) if len(values) > 1 else None,
        n=len(values) if cell.kind != "counted" else int(ours is not None),
        difference=difference,
        tolerance=tolerance,
        outcome=outcome,
        direction=("high" if difference > 0 else "low") if outcome == "deviates" and difference else None,
        sentence=sentence,
    )
