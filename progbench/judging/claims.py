"""The paper's sentences as comparisons over cells, judged on the print and on our runs.

"Do the paper's own numbers support its sentence?" and "do our runs?" are two questions, and each is answered with
*holds*, *does not hold* or *undecided*; printed scores may also be *within noise* (`on_print`). Pure: no files.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from progbench.errors import BadInput
from progbench.judging import on_print
from progbench.judging.compared import Compared, Paired, PrintAlone, interval, number
from progbench.judging.on_print import COUNTS, FAILS, HOLDS, UNDECIDED, WITHIN, Range
from progbench.judging.resolution import EDGE, least_sd_of_mean
from progbench.judging.terms import LEAST_SEEDS
from progbench.judging.verdict import Observed
from progbench.judging.words import A_LITTLE_LOWER, BETTER, LOWER, NOT_WORSE, WORSE

OUTCOMES = (HOLDS, WITHIN, FAILS, "disputed", UNDECIDED, "error")
QUANTITIES = ("difference", "reduction", "fits")
WANTED = (BETTER, NOT_WORSE)
_SAYS = {  # what an average's word answers to a claim that wants one of these
    BETTER: ({BETTER}, {A_LITTLE_LOWER, LOWER, WORSE}),
    NOT_WORSE: ({BETTER, NOT_WORSE, A_LITTLE_LOWER}, {WORSE}),
}


@dataclass(frozen=True)
class Comparison:
    """Cells against cells, each as "table/id"; several stand for their mean."""

    column: str
    left: tuple[str, ...]
    right: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper: a quantity over cells, and the range in which the sentence says it lies.

    A sentence that says which schedule is better has that in `wanted`. Where it is "not worse", `margin` is the loss,
    in points, that still counts as such.
    """

    id: str
    sentence: str
    source: str
    quantity: str
    comparisons: tuple[Comparison, ...]
    lowest: float = -math.inf
    highest: float = math.inf
    strict: bool = False
    wanted: str = ""
    margin: float = 0.0
    reason: str = ""
    metric: Mapping[str, str] = field(default_factory=dict)
    variant: str = ""
    disputed: str = ""
    problem: str = ""

    @property
    def inside(self) -> Range:
        """The wanted range."""
        return Range(self.lowest, self.highest, self.strict)

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

    A difference of scores has its paired `tasks`, several where a cell is their mean; of an average that the difference
    table judges, `compared` is that verdict. Without either it has a value by seed in `seeds`, and `least_sd` is the
    least spread that those are believed to have. `level` is the one-sided level of its interval.

    `mixed` says that the printed numbers are of two metrics, `alone` what the print says by itself, and `missing` and
    `error` why our side is not there. `margin` is that of the cells, in points, and `margin_reason` what it follows
    from; 0 for counts.
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
    def printed(self) -> bool:
        """Whether the print says anything of it; of a suite without printed numbers it does not."""
        return self.on_print != UNDECIDED or bool(self.print_rests_on)

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
        if why := one.missing or one.changed or one.other_data:
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
    printed = _together(claim, [(one.column, *on_print.read(claim.inside, one)) for one in measured])
    on_ours = _together(claim, [(one.column, *_of_ours(claim, one, len(measured))) for one in measured])
    exact = bool(measured) and all(one.exact is not None for one in measured)
    wrong = any(one.error for one in measured) or (claim.disputed and exact and on_ours[0] == HOLDS)
    outcome = "error" if wrong else "disputed" if claim.disputed else on_ours[0]
    rests_on = {"print_rests_on": on_print.rests_on(measured), "ours_rests_on": _ours_rests_on(measured, exact)}
    return replace(_verdict(claim, printed, on_ours, outcome), by_counts=exact, **rests_on)


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


def _ours_rests_on(measured: Sequence[Measured], exact: bool) -> str:
    """What the answer on our side rests on; "" where nothing was run."""
    if exact:
        return COUNTS
    counts = [len(seeds) for one in measured for seeds in ([each.seeds for each in one.tasks] or [one.seeds]) if seeds]
    several = " to ".join(map(str, sorted({min(counts, default=0), max(counts, default=0)})))
    return f"differences paired by seed, of {several} seeds" if counts else ""


def _of_ours(claim: Claim, one: Measured, comparisons: int) -> tuple[str, str]:
    """One comparison on our side. That all hold needs no correction for their number; that one fails does."""
    if one.exact is not None:
        return HOLDS if claim.inside.has(one.exact) else FAILS, f"{one.exact:+.2f}"
    if one.compared and claim.wanted:
        holding, failing = _SAYS[claim.wanted]
        word = one.compared.word
        return HOLDS if word in holding else FAILS if word in failing else UNDECIDED, one.compared.sentence
    values = tuple(one.seeds.values())
    tasks = one.tasks or (Paired(one.column, 1, tuple(one.seeds), values, (0.0,) * len(values), least_sd=one.least_sd),)
    fewest, most = (pick(len(task.seeds) for task in tasks) for pick in (min, max))
    if not fewest:
        return UNDECIDED, f"unknown ({one.error or one.missing})"
    if fewest < LEAST_SEEDS:
        return UNDECIDED, f"{_mean(tasks):+.2f} ({_FEW[fewest]}; a difference takes {LEAST_SEEDS})"
    from progbench.judging import compare

    found, other = compare.together(tasks)
    shared = one.level / comparisons / (1 if claim.wanted else 2)  # a range can be left on two sides
    (low, high), far = (compare.ends(found, level) for level in (one.level, shared))
    said = f"{number(float(found.mean), low, high)} ({fewest if fewest == most else f'{fewest} to {most}'})"
    if other:
        said += f" and for examples like these {interval(*compare.ends(other, one.level))}"
    if claim.inside.has(low) and claim.inside.has(high):
        return HOLDS, said
    return FAILS if far[1] < claim.lowest - EDGE or far[0] > claim.highest + EDGE else UNDECIDED, said


_FEW = {1: "one seed decides nothing", 2: "two seeds decide nothing"}


def _mean(tasks: Sequence[Paired]) -> float:
    """The mean difference of tasks, as their columns weigh."""
    means = [statistics.fmean(task.left) - statistics.fmean(task.right) for task in tasks]
    return statistics.fmean(means, [task.columns for task in tasks])


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
