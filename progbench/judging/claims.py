"""The paper's sentences as comparisons over cells: read from expected/<suite>/claims.toml, judged on print and on ours.

"Do the paper's own numbers support its sentence?" and "do our runs?" are two questions, and each is answered with
*holds*, *does not hold* or *undecided*. Pure but for the reading: no torch, nothing of the trainer.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from progbench.errors import BadInput
from progbench.files import read_toml
from progbench.judging.expected import disputed, edited
from progbench.judging.verdict import Observed

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
OUTCOMES = ("holds", "does not hold", "disputed", "undecided", "error")
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

    `mixed` says that the printed numbers are of two metrics, `missing` and `error` why our side is not there.
    """

    column: str
    printed: float | None = None
    exact: float | None = None
    seeds: Mapping[int, float] = field(default_factory=dict)
    mixed: str = ""
    missing: str = ""
    error: str = ""


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim's two answers, each with the numbers in words, and what the session makes of them.

    `reason` is why the wanted range is what it is, where the sentence does not say it.
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


def read(root: Path, suite: str) -> list[Claim] | BadInput:
    """The claims in expected/<suite>/claims.toml; a file that cannot be read is returned as what is wrong with it."""
    path = root / suite / "claims.toml"
    try:
        arguments = disputed(root, suite)["claims"]
        content = read_toml(path)
        if set(content) != {"claims"} or not content["claims"]:
            raise BadInput(f"{path}: one [[claims]] for each sentence, and nothing else; it has {sorted(content)}")
        problem = edited(root / suite, ["claims.toml", "disputed.toml"], printed=bool(arguments))
        found = [_claim(entry, arguments, problem, f"{path}: claim {entry['id']!r}") for entry in content["claims"]]
        names = [claim.id for claim in found]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise BadInput(f"{path}: two claims are called {twice[0]!r}")
        return found
    except BadInput as problem:
        return problem
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as problem:
        return BadInput(f"{path} (or its disputed.toml): malformed: {problem!r}")


_WANTED = {"id", "sentence", "source", "quantity", "left", "columns"}
_KNOWN = _WANTED | {"right", "above", "at_least", "at_most", "reason", "metric", "variant"}


def _claim(entry: dict, arguments: Mapping[str, str], problem: str, where: str) -> Claim:
    if unknown := sorted(set(entry) - _KNOWN):
        raise BadInput(f"{where}: unknown key {unknown[0]}; known are {', '.join(sorted(_KNOWN))}")
    if absent := [key for key in sorted(_WANTED) if not entry.get(key)]:
        raise BadInput(f"{where}: no {', '.join(absent)}")
    if entry["quantity"] not in QUANTITIES:
        raise BadInput(f"{where}: quantity = {entry['quantity']!r}: allowed are {', '.join(QUANTITIES)}")
    second = "variant" if entry["quantity"] == "fits" else "right"
    if not entry.get(second):
        raise BadInput(f"{where}: no {second}")
    bounds = [key for key in ("above", "at_least") if key in entry]
    if entry["quantity"] != "fits" and len(bounds) != 1:
        raise BadInput(f"{where}: one of above and at_least must say when it holds")
    if wrong := [key for key in (*bounds, "at_most") if not isinstance(entry.get(key, 0.0), int | float)]:
        raise BadInput(f"{where}: {wrong[0]} = {entry[wrong[0]]!r}: allowed is a number")
    lowest = entry.get("above", entry.get("at_least", -math.inf))
    if lowest > entry.get("at_most", math.inf):
        raise BadInput(f"{where}: at_most = {entry['at_most']:g} is below {lowest:g}")
    if strange := sorted(set(entry.get("metric", {})) - set(entry["columns"])):
        raise BadInput(f"{where}: metric names {strange[0]}, which is not listed in columns")

    def cells(side: str, column: str) -> tuple[str, ...]:
        rows = entry.get(side, ())
        return tuple(f"{row}-{column}" for row in ([rows] if isinstance(rows, str) else rows))

    return Claim(
        id=entry["id"],
        sentence=entry["sentence"],
        source=entry["source"],
        quantity=entry["quantity"],
        comparisons=tuple(Comparison(name, cells("left", name), cells("right", name)) for name in entry["columns"]),
        lowest=lowest,
        highest=entry.get("at_most", math.inf),
        strict="above" in entry,
        reason=entry.get("reason", ""),
        metric=entry.get("metric", {}),
        variant=entry.get("variant", ""),
        disputed=arguments.get(entry["id"], ""),
        problem=problem,
    )


def quantity(claim: Claim, left: float, right: float) -> float:
    """What the claim compares, of two numbers: points apart, or the percent that left saves of right."""
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
    return Measured(column, seeds=values, missing="" if values else "no seed has all of its cells")


def judge(claim: Claim, measured: Sequence[Measured]) -> ClaimVerdict:
    """Answer both questions over the claim's comparisons: it holds if all of them do, and not if one surely does not.

    >>> claim = Claim("x", "It is better.", "section 1", "difference", (), lowest=0.0, strict=True)
    >>> found = judge(claim, [Measured("em", printed=-0.9, seeds={0: 0.5, 1: 0.7, 2: 0.6})])
    >>> found.on_print, found.on_ours
    ('does not hold', 'holds')
    """
    if claim.problem:
        return _verdict(claim, (UNDECIDED, claim.problem), (UNDECIDED, claim.problem), "error")
    on_print = _together(claim, [(one.column, *_of_printed(claim, one)) for one in measured])
    on_ours = _together(claim, [(one.column, *_of_ours(claim, one, len(measured))) for one in measured])
    exact = all(one.exact is not None for one in measured)
    if any(one.error for one in measured):
        return _verdict(claim, on_print, on_ours, "error")
    if claim.disputed and exact and on_ours[0] == HOLDS:
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
    return _verdict(claim, answer, answer, outcome)


def not_judged(claim: Claim, failure: str) -> ClaimVerdict:
    """The verdict on a claim whose judging failed with a message, or (without one) that was not reached."""
    words = failure or "session stopped before this claim"
    return _verdict(claim, (UNDECIDED, words), (UNDECIDED, words), "error" if failure else UNDECIDED)


def unreadable(why: str) -> ClaimVerdict:
    """The verdict that stands for a whole file of claims that cannot be read."""
    return ClaimVerdict("claims", "", "claims.toml", UNDECIDED, why, UNDECIDED, why, "", "error")


def _inside(claim: Claim, value: float) -> bool:
    slack = 1e-9  # printed decimals are not exact in binary
    above = value > claim.lowest + slack if claim.strict else value >= claim.lowest - slack
    return above and value <= claim.highest + slack


def _of_printed(claim: Claim, one: Measured) -> tuple[str, str]:
    if one.printed is None:
        return UNDECIDED, "unknown (not printed)"
    if one.mixed:
        return UNDECIDED, f"{one.printed:+.2f}, but of {one.mixed}"
    return HOLDS if _inside(claim, one.printed) else FAILS, f"{one.printed:+.2f}"


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
    near, far = (decision.of_mean(values, alpha) for alpha in (decision.ALPHA, decision.ALPHA / 2 / comparisons))
    if all(_inside(claim, end) for end in near):
        return HOLDS, words
    if far[1] < claim.lowest or far[0] > claim.highest:
        return FAILS, words
    return UNDECIDED, words


def _together(claim: Claim, answers: Sequence[tuple[str, str, str]]) -> tuple[str, str]:
    found = [answer for _, answer, _ in answers]
    answer = FAILS if FAILS in found else HOLDS if all(one == HOLDS for one in found) else UNDECIDED
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
