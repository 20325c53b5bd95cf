"""The paper's sentences as comparisons over cells, judged on the print and on our runs.

"Do the paper's own numbers support its sentence?" and "do our runs?" are two questions. Each is answered with *holds*,
*does not hold* or *undecided*; printed scores may also be *within noise* (`on_print`). Pure: no files.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from progbench.errors import BadInput
from progbench.judging import on_print
from progbench.judging.compared import Paired, interval, number
from progbench.judging.on_print import COUNTS, FAILS, HOLDS, UNDECIDED, WITHIN, Measured, Range
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
    """One sentence of the paper: a quantity over cells, and the range in which the sentence puts it.

    A sentence on which schedule is better has that word in `wanted`. For "not worse", `margin` is the loss, in points,
    that still counts as such.
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
class ClaimVerdict:
    """A claim's two answers, each with its numbers in words, and the outcome.

    `reason` is why the wanted range is what it is, if the sentence does not say so. `print_rests_on` and
    `ours_rests_on` say what each answer rests on; `by_counts` that ours is arithmetic and took no run.
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
    """Points apart, or the percent that left saves of right. Raises BadInput for a share of nothing."""
    if claim.quantity == "reduction" and right == 0:
        raise BadInput(f"claim {claim.id!r}: a reduction cannot be computed from 0")
    return left - right if claim.quantity == "difference" else 100 * (1 - left / right)


def printed_quantity(claim: Claim, left: Sequence[str], right: Sequence[str]) -> float | None:
    """The claim's quantity over printed numbers; None if one is not printed."""
    if not all((*left, *right)):
        return None
    return quantity(claim, *(statistics.fmean(map(float, side)) for side in (left, right)))


def our_quantity(claim: Claim, column: str, left: Sequence[Observed], right: Sequence[Observed]) -> Measured:
    """The claim's quantity over what we observed: exact for counts, else for each seed that all cells have."""
    sides = (*left, *right)
    for observed in sides:
        if observed.errors:
            return Measured(column, error=f"seed {min(observed.errors)}: {observed.errors[min(observed.errors)]}")
        if why := observed.missing or observed.changed or observed.other_data:
            return Measured(column, missing=why)
    if all(observed.count is not None for observed in sides):
        pair = (statistics.fmean(observed.count for observed in side) for side in (left, right))
        return Measured(column, exact=quantity(claim, *pair))
    shared = sorted(set.intersection(*(set(observed.values) for observed in sides)))
    values = {
        seed: quantity(claim, *(statistics.fmean(observed.values[seed] for observed in side) for side in (left, right)))
        for seed in shared
    }
    least = 0.0  # a percentage's own steps are not known
    if claim.quantity == "difference":
        least = math.hypot(*(least_sd_of_mean(observed.least_sd for observed in side) for side in (left, right)))
    return Measured(column, seeds=values, missing="" if values else "no seed has all of its cells", least_sd=least)


def judge(claim: Claim, measured: Sequence[Measured]) -> ClaimVerdict:
    """The verdict on a claim: it holds if all its comparisons do, and does not if one surely does not.

    >>> claim = Claim("x", "It is better.", "section 1", "difference", (), lowest=0.0, strict=True)
    >>> found = judge(claim, [Measured("em", printed=-0.9, seeds={0: 0.5, 1: 0.7, 2: 0.6})])
    >>> found.on_print, found.on_ours
    ('does not hold', 'holds')
    """
    if claim.problem:
        return not_judged(claim, claim.problem)
    printed = _together(claim, measured, lambda comparison: on_print.read(claim.inside, comparison))
    on_ours = _together(claim, measured, lambda comparison: _of_ours(claim, comparison, len(measured)))
    exact = bool(measured) and all(comparison.exact is not None for comparison in measured)
    wrong = any(comparison.error for comparison in measured) or (claim.disputed and exact and on_ours[0] == HOLDS)
    outcome = "error" if wrong else "disputed" if claim.disputed else on_ours[0]
    rests_on = {"print_rests_on": on_print.rests_on(measured), "ours_rests_on": _ours_rests_on(measured, exact)}
    return replace(_verdict(claim, printed, on_ours, outcome), by_counts=exact, **rests_on)


def judge_fit(claim: Claim, printed: Sequence[str], agree: Sequence[bool], elsewhere: Sequence[bool]) -> ClaimVerdict:
    """The verdict on a claim about printed totals: which `agree` under its variant, and which `elsewhere`."""
    if claim.problem:
        return not_judged(claim, claim.problem)
    words = (
        f"{sum(agree)} of {len(printed)} printed totals fit {claim.variant}, {sum(elsewhere)} fit the model of their "
        "primary recipe"
    )
    answer = (HOLDS if all(agree) else FAILS, words)
    outcome = answer[0] if not claim.disputed else "error" if answer[0] == HOLDS else "disputed"
    verdict = _verdict(claim, answer, answer, outcome)
    return replace(verdict, by_counts=True, print_rests_on=COUNTS, ours_rests_on=COUNTS)


def not_judged(claim: Claim, failure: str) -> ClaimVerdict:
    """The verdict on a claim whose judging failed with a message, or (without one) was not reached."""
    words = failure or "session stopped before this claim"
    return _verdict(claim, (UNDECIDED, words), (UNDECIDED, words), "error" if failure else UNDECIDED)


def unreadable(why: str) -> ClaimVerdict:
    """The verdict for a whole file of claims that cannot be read."""
    return ClaimVerdict("claims", "", "claims.toml", UNDECIDED, why, UNDECIDED, why, "", "error")


def _ours_rests_on(measured: Sequence[Measured], exact: bool) -> str:
    if exact:
        return COUNTS
    seeds = [paired.seeds for comparison in measured for paired in comparison.tasks or (comparison,)]
    counts = sorted({len(paired) for paired in seeds if paired})
    several = " to ".join(map(str, dict.fromkeys((*counts[:1], *counts[-1:]))))
    return f"differences paired by seed, of {several} seeds" if counts else ""


def _of_ours(claim: Claim, comparison: Measured, comparisons: int) -> tuple[str, str]:
    """One comparison's answer. That all hold needs no correction for their number; that one fails does."""
    if comparison.exact is not None:
        return HOLDS if claim.inside.has(comparison.exact) else FAILS, f"{comparison.exact:+.2f}"
    if comparison.compared and claim.wanted:
        holding, failing = _SAYS[claim.wanted]
        shown = comparison.compared.shown
        holds, fails = (any(word in of for word in shown) for of in (holding, failing))
        before = "".join(f"; before, {look.text}" for look in comparison.compared.earlier)
        answer = UNDECIDED if holds == fails else HOLDS if holds else FAILS
        return answer, f"{comparison.compared.sentence}{before}"
    values = tuple(comparison.seeds.values())
    zeros, least = (0.0,) * len(values), comparison.least_sd
    tasks = comparison.tasks or (Paired(comparison.column, 1, tuple(comparison.seeds), values, zeros, least_sd=least),)
    fewest, most = (pick(len(task.seeds) for task in tasks) for pick in (min, max))
    if not fewest:
        return UNDECIDED, f"unknown ({comparison.error or comparison.missing})"
    if fewest < LEAST_SEEDS:
        return UNDECIDED, f"{_mean(tasks):+.2f} ({_FEW[fewest]}; a difference takes {LEAST_SEEDS})"
    from progbench.judging import compare

    estimate, other = compare.together(tasks)
    shared = comparison.level / comparisons / (1 if claim.wanted else 2)  # a range can be left on two sides
    (low, high), far = (compare.ends(estimate, level) for level in (comparison.level, shared))
    said = f"{number(float(estimate.mean), low, high)} ({fewest if fewest == most else f'{fewest} to {most}'})"
    if other:
        said += f" and for examples like these {interval(*compare.ends(other, comparison.level))}"
    if claim.inside.has(low) and claim.inside.has(high):
        return HOLDS, said
    return FAILS if far[1] < claim.lowest - EDGE or far[0] > claim.highest + EDGE else UNDECIDED, said


_FEW = {1: "one seed decides nothing", 2: "two seeds decide nothing"}


def _mean(tasks: Sequence[Paired]) -> float:
    """The mean difference of tasks, weighted by their columns."""
    means = [statistics.fmean(task.left) - statistics.fmean(task.right) for task in tasks]
    return statistics.fmean(means, [task.columns for task in tasks])


def _together(
    claim: Claim, measured: Sequence[Measured], answered: Callable[[Measured], tuple[str, str]]
) -> tuple[str, str]:
    """The answer over all comparisons, and its words, those of columns that say the same together."""
    answers = [answered(comparison) for comparison in measured]
    given = {answer for answer, _ in answers}
    answer = next((outcome for outcome in (FAILS, UNDECIDED, WITHIN) if outcome in given), HOLDS)
    groups: dict[str, list[str]] = {}
    for comparison, (_, words) in zip(measured, answers, strict=True):
        groups.setdefault(words, []).append(comparison.column)
    unit = "%" if claim.quantity == "reduction" else "points"
    words = "; ".join(f"{', '.join(columns)} {words}" for words, columns in groups.items())
    return answer, f"{words}; wanted {claim.range} {unit}"


def _verdict(claim: Claim, on_print: tuple[str, str], on_ours: tuple[str, str], outcome: str) -> ClaimVerdict:
    about = (claim.id, claim.sentence, claim.source)
    return ClaimVerdict(*about, *on_print, *on_ours, claim.disputed, outcome, claim.reason)
