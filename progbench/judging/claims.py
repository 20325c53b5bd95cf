"""The paper's sentences as comparisons over cells, judged on the print and on our runs.

"Do the paper's own numbers support its sentence?" and "do our runs?" are two questions, and each is answered with
*holds*, *does not hold* or *undecided*. Printed scores may also be *within noise* of the bound that the sentence sets:
nearer to it than the margin of their cells, so that they speak neither for it nor against it. Pure: no files, no torch.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from progbench.errors import BadInput
from progbench.judging.resolution import EDGE, least_sd_of_mean
from progbench.judging.verdict import Observed

HOLDS, WITHIN, FAILS, UNDECIDED = "holds", "within noise", "does not hold", "undecided"
OUTCOMES = (HOLDS, WITHIN, FAILS, "disputed", UNDECIDED, "error")
COUNTS = "counts, which are arithmetic and take no run"
QUANTITIES = ("difference", "reduction", "fits")


@dataclass(frozen=True)
class Comparison:
    """Cells against cells, each as "table/id"; several stand for their mean."""

    column: str
    left: tuple[str, ...]
    right: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper: a quantity over cells, and the range in which the sentence says it lies."""

    id: str
    sentence: str
    source: str
    quantity: str
    comparisons: tuple[Comparison, ...]
    lowest: float = -math.inf
    highest: float = math.inf
    strict: bool = False
    reason: str = ""
    metric: Mapping[str, str] = field(default_factory=dict)
    variant: str = ""
    disputed: str = ""
    problem: str = ""

    @property
    def range(self) -> str:
        """The wanted range in words."""
        if self.quantity == "fits":
            return "all of them"
        if math.isinf(self.highest):
            return f"{'above' if self.strict else 'at least'} {self.lowest:g}"
        return f"{self.lowest:g} to {self.highest:g}"


@dataclass(frozen=True)
class Measured:
    """One comparison's quantity: as printed, or on our side exact or by seed.

    `mixed` says that the printed numbers are of two metrics, `missing` and `error` why our side is not there, and
    `least_sd` the least spread over seeds that the quantity is believed to have. `margin` is that of the cells that are
    compared, in points, and `margin_reason` what it follows from; 0 for counts.
    """

    column: str
    printed: float | None = None
    exact: float | None = None
    seeds: Mapping[int, float] = field(default_factory=dict)
    mixed: str = ""
    missing: str = ""
    error: str = ""
    least_sd: float = 0.0
    margin: float = 0.0
    margin_reason: str = ""


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim's two answers, each with the numbers in words, and what the session makes of them.

    `reason` is why the wanted range is what it is, where the sentence does not say it. `print_rests_on` and
    `ours_rests_on` say what each answer rests on; `by_counts`, that ours is arithmetic and took no run.
    """

    claim: str
    sentence: str
    source: str
    on_print: str
    print_words: str
    on_ours: str
    our_words: str
    disputed: str
    outcome: str
    reason: str = ""
    print_rests_on: str = ""
    ours_rests_on: str = ""
    by_counts: bool = False

    @property
    def on_runs(self) -> bool:
        """Whether runs of ours stand behind the answer."""
        return bool(self.ours_rests_on) and not self.by_counts


def quantity(claim: Claim, left: float, right: float) -> float:
    """What the claim compares, of two numbers: points apart, or the percent that left saves of right.

    Raises BadInput for a share of nothing.
    """
    if claim.quantity == "reduction" and right == 0:
        raise BadInput(f"claim {claim.id!r}: a reduction cannot be computed from 0")
    return left - right if claim.quantity == "difference" else 100 * (1 - left / right)


def printed_quantity(claim: Claim, left: Sequence[str], right: Sequence[str]) -> float | None:
    """The claim's quantity over printed numbers, or None where one is not printed."""
    if not all((*left, *right)):
        return None
    return quantity(claim, *(statistics.fmean(map(float, side)) for side in (left, right)))


def our_quantity(claim: Claim, column: str, left: Sequence[Observed], right: Sequence[Observed]) -> Measured:
    """The claim's quantity over what we observed: exact for counts, else for each seed that all cells have."""
    sides = (*left, *right)
    for one in sides:
        if one.errors:
            return Measured(column, error=f"seed {min(one.errors)}: {one.errors[min(one.errors)]}")
        if why := one.missing or one.other_data:
            return Measured(column, missing=why)
    if all(one.count is not None for one in sides):
        pair = (statistics.fmean(one.count for one in side) for side in (left, right))
        return Measured(column, exact=quantity(claim, *pair))
    shared = sorted(set.intersection(*(set(one.values) for one in sides)))
    values = {
        seed: quantity(claim, *(statistics.fmean(one.values[seed] for one in side) for side in (left, right)))
        for seed in shared
    }
    apart = claim.quantity == "difference"  # a percentage's own steps are not known
    least = math.hypot(*(least_sd_of_mean(one.least_sd for one in side) for side in (left, right))) if apart else 0.0
    return Measured(column, seeds=values, missing="" if values else "no seed has all of its cells", least_sd=least)


def judge(claim: Claim, measured: Sequence[Measured]) -> ClaimVerdict:
    """Answer both questions over the claim's comparisons: it holds if all of them do, and not if one surely does not.

    >>> claim = Claim("x", "It is better.", "section 1", "difference", (), lowest=0.0, strict=True)
    >>> found = judge(claim, [Measured("em", printed=-0.9, seeds={0: 0.5, 1: 0.7, 2: 0.6})])
    >>> found.on_print, found.on_ours
    ('does not hold', 'holds')
    """
    if claim.problem:
        return _verdict(claim, (UNDECIDED, claim.problem), (UNDECIDED, claim.problem), "error")
    found = _judge(claim, measured)
    return replace(
        found,
        by_counts=bool(measured) and _exact(measured),
        print_rests_on=_print_rests_on(measured),
        ours_rests_on=_ours_rests_on(measured),
    )


def _exact(measured: Sequence[Measured]) -> bool:
    return all(one.exact is not None for one in measured)


def _judge(claim: Claim, measured: Sequence[Measured]) -> ClaimVerdict:
    on_print = _together(claim, [(one.column, *_of_printed(claim, one)) for one in measured])
    on_ours = _together(claim, [(one.column, *_of_ours(claim, one, len(measured))) for one in measured])
    if any(one.error for one in measured):
        return _verdict(claim, on_print, on_ours, "error")
    if claim.disputed and _exact(measured) and on_ours[0] == HOLDS:
        return _verdict(claim, on_print, on_ours, "error")
    return _verdict(claim, on_print, on_ours, "disputed" if claim.disputed else on_ours[0])


def judge_fit(claim: Claim, printed: Sequence[str], agree: Sequence[bool], elsewhere: Sequence[bool]) -> ClaimVerdict:
    """Answer a claim about whose totals are printed: which `agree` under its variant, and which under the primary."""
    if claim.problem:
        return _verdict(claim, (UNDECIDED, claim.problem), (UNDECIDED, claim.problem), "error")
    words = (
        f"{sum(agree)} of {len(printed)} printed totals fit {claim.variant}, {sum(elsewhere)} fit the model of their "
        "primary recipe"
    )
    answer = (HOLDS if all(agree) else FAILS, words)
    outcome = answer[0] if not claim.disputed else "error" if answer[0] == HOLDS else "disputed"
    found = _verdict(claim, answer, answer, outcome)
    return replace(found, by_counts=True, print_rests_on=COUNTS, ours_rests_on=COUNTS)


def not_judged(claim: Claim, failure: str) -> ClaimVerdict:
    """The verdict on a claim whose judging failed with a message, or (without one) that was not reached."""
    words = failure or "session stopped before this claim"
    return _verdict(claim, (UNDECIDED, words), (UNDECIDED, words), "error" if failure else UNDECIDED)


def unreadable(why: str) -> ClaimVerdict:
    """The verdict that stands for a whole file of claims that cannot be read."""
    return ClaimVerdict("claims", "", "claims.toml", UNDECIDED, why, UNDECIDED, why, "", "error")


def _print_rests_on(measured: Sequence[Measured]) -> str:
    """What the answer on the print rests on; "" where nothing is printed."""
    printed = [one for one in measured if one.printed is not None]
    margins = {f"{one.column} {one.margin:g}": one.margin_reason for one in printed if one.margin}
    if not margins:
        return COUNTS if printed else ""
    words = "; ".join(f"{name}: {why}" if why else name for name, why in margins.items())
    return f"printed means without a spread, by the margins of their cells ({words})"


def _ours_rests_on(measured: Sequence[Measured]) -> str:
    """What the answer on our side rests on; "" where nothing was run."""
    if measured and _exact(measured):
        return COUNTS
    seeds = sorted({len(one.seeds) for one in measured if one.seeds})
    return (
        f"differences paired by seed, of {' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seeds"
        if seeds
        else ""
    )


def _inside(claim: Claim, value: float) -> bool:
    above = value > claim.lowest + EDGE if claim.strict else value >= claim.lowest - EDGE
    return above and value <= claim.highest + EDGE


def _of_printed(claim: Claim, one: Measured) -> tuple[str, str]:
    if one.printed is None:
        return UNDECIDED, "unknown (not printed)"
    if one.mixed:
        return UNDECIDED, f"{one.printed:+.2f}, but of {one.mixed}"
    words = f"{one.printed:+.2f}" + (f" (margin {one.margin:g})" if one.margin else "")
    if not one.margin:
        return HOLDS if _inside(claim, one.printed) else FAILS, words
    low, high = one.printed - one.margin, one.printed + one.margin
    if _inside(claim, low) and _inside(claim, high):
        return HOLDS, words
    beyond = high < claim.lowest - EDGE or low > claim.highest + EDGE
    return FAILS if beyond else WITHIN, words


def _of_ours(claim: Claim, one: Measured, comparisons: int) -> tuple[str, str]:
    """One comparison on our side. That all hold needs no correction for their number; that one fails does."""
    if one.exact is not None:
        return HOLDS if _inside(claim, one.exact) else FAILS, f"{one.exact:+.2f}"
    values = list(one.seeds.values())
    if not values:
        return UNDECIDED, f"unknown ({one.error or one.missing})"
    mean = statistics.fmean(values)
    if len(values) < 2:
        return UNDECIDED, f"{mean:+.2f} (one seed decides nothing)"
    from progbench.judging import decision

    words = f"{mean:+.2f} ± {statistics.stdev(values):.2f} ({len(values)})"
    near, far = (
        decision.interval_of_mean(values, alpha, one.least_sd)
        for alpha in (decision.ALPHA, decision.ALPHA / 2 / comparisons)
    )
    if all(_inside(claim, end) for end in near):
        return HOLDS, words
    if far[1] < claim.lowest - EDGE or far[0] > claim.highest + EDGE:
        return FAILS, words
    return UNDECIDED, words


def _together(claim: Claim, answers: Sequence[tuple[str, str, str]]) -> tuple[str, str]:
    found = [answer for _, answer, _ in answers]
    answer = next((one for one in (FAILS, UNDECIDED, WITHIN) if one in found), HOLDS)
    groups: dict[str, list[str]] = {}
    for column, _, words in answers:
        groups.setdefault(words, []).append(column)
    unit = "%" if claim.quantity == "reduction" else "points"
    words = "; ".join(f"{', '.join(columns)} {words}" for words, columns in groups.items())
    return answer, f"{words}; wanted {claim.range} {unit}"


def _verdict(claim: Claim, on_print: tuple[str, str], on_ours: tuple[str, str], outcome: str) -> ClaimVerdict:
    return ClaimVerdict(
        claim=claim.id,
        sentence=claim.sentence,
        source=claim.source,
        on_print=on_print[0],
        print_words=on_print[1],
        on_ours=on_ours[0],
        our_words=on_ours[1],
        disputed=claim.disputed,
        outcome=outcome,
        reason=claim.reason,
    )
