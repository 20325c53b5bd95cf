"""A verdict's numbers and outcome, as every view writes them."""

import re
from collections.abc import Sequence

from progbench.judging.claims import ClaimVerdict
from progbench.judging.resolution import beyond
from progbench.judging.verdict import AGREES, Variant, Verdict

MARKS = {
    "reproduced": "✓", "consistent": "=", "deviates": "✗", "inconclusive": "?", "disputed": "≠", "unjudged": "·",
    "not printed": "·", "missing": "–", "error": "!",
}  # fmt: skip
# a claim's words
AS_CELL = {
    "holds": "reproduced", "within noise": "inconclusive", "does not hold": "deviates", "undecided": "inconclusive",
}  # fmt: skip


def plain(text: object) -> str:
    r"""A text on one line, with what is no printable character spelled out: no name may move a terminal's cursor.

    >>> plain("a\x1b[2J\nb")
    'a\\x1b[2J b'
    """
    line = " ".join(str(text).split())
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


def short(text: object, most: int) -> str:
    """A text of at most so many characters, its middle left out where it is longer.

    >>> short("bert-base-constant-rte", 13)
    'bert-b…nt-rte'
    """
    line = plain(text)
    half = most // 2
    return line if len(line) <= most else f"{line[:half]}…{line[len(line) - (most - half - 1) :]}"


def some(names: Sequence[str], most: int) -> str:
    """Names in a sentence: no more than so many, and how many others there are.

    >>> some(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown = ", ".join(short(name, 60) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def subscript(label: str) -> tuple[str, str]:
    """A label as the paper sets it: what stands on the line, and what below it.

    >>> subscript("BERT_BASE"), subscript("SST-2")
    (('BERT', 'BASE'), ('SST-2', ''))
    """
    found = re.fullmatch(r"([A-Za-z]+)_([A-Za-z]+)", label)
    return found.groups() if found else (label, "")


def number(value: float | None, digits: str) -> str:
    return "" if value is None else format(value, digits)


def digits_of(kind: str, unit: str) -> str:
    """How a cell's numbers are written: whole numbers, or millions where the paper has them, or points."""
    return ",.0f" if unit == "parameters" else ".3f" if kind == "counted" else ".2f"


def expected(verdict: Verdict) -> str:
    return verdict.printed or number(verdict.expected, digits_of(verdict.kind, verdict.unit))


def observed(verdict: Verdict) -> str:
    return number(verdict.observed, digits_of(verdict.kind, verdict.unit))


def spread(verdict: Verdict) -> str:
    """Behind our own number: the spread of its seeds, and how many there are; nothing behind a count."""
    if verdict.observed is None or verdict.kind == "counted":
        return ""
    return (f"± {verdict.sd:.2f} " if verdict.sd is not None else "") + f"({verdict.n})"


def difference(verdict: Verdict) -> str:
    return signed(verdict.difference, verdict.kind, verdict.unit)


def signed(value: float | None, kind: str, unit: str) -> str:
    """A difference with its sign; what rounds to nothing has the plus of nothing.

    >>> signed(-0.004, "scored", "points"), signed(-8.0, "counted", "parameters")
    ('+0.00', '-8')
    """
    return number(value, "+z" + digits_of(kind, unit))


def margin(verdict: Verdict) -> str:
    return number(verdict.tolerance, "g" if verdict.kind == "counted" else ".2f")


def css(outcome: str) -> str:
    """An outcome as a class of the page's."""
    return outcome.replace(" ", "-")


def outcome(verdict: Verdict) -> str:
    """The outcome in words, with its direction."""
    return verdict.outcome + (f" ({verdict.direction})" if verdict.direction else "")


def our_answer(claim: ClaimVerdict) -> str:
    """A claim's answer on our side: by counting, on our runs, or that nothing was run."""
    if claim.by_counts:
        return f"{claim.on_ours} (counted)"
    return claim.on_ours if claim.on_runs or claim.outcome == "error" else "not run"


def heat(verdict: Verdict) -> str:
    """A difference on a scale of seven, from "low3" over "near" to "high3", in margins: a half, one, and two.

    Empty where nothing was compared. A count has no margin to be within: it agrees, or it does not.
    """
    if verdict.difference is None or not verdict.judged:
        return ""
    if verdict.kind == "counted":
        share = 0.0 if verdict.outcome in AGREES else 3.0
    else:
        share = abs(verdict.difference) / verdict.tolerance if verdict.tolerance else 0.0
    step = sum(beyond(share, limit) for limit in (0.5, 1.0, 2.0))
    return f"{'high' if verdict.difference > 0 else 'low'}{step}" if step else "near"


def junit_properties(verdict: Verdict) -> dict[str, str]:
    """A verdict as the properties of a test in a JUnit file: its sentence, and each number it has.

    >>> from progbench.judging.verdict import unreadable
    >>> junit_properties(unreadable("table1", "malformed"))
    {'verdict.outcome': 'error', 'verdict.sentence': 'malformed'}
    """
    names = ("outcome", "sentence", "expected", "observed", "sd", "n", "difference", "low", "high", "p", "tolerance")
    values = {f"verdict.{name}": getattr(verdict, name) for name in (*names, "tier")}
    return {name: plain(value) for name, value in values.items() if value or (value == 0.0 and name != "verdict.n")}


def percent(share: float | None) -> str:
    """A share in percent, 0.7406 as "74.1 %"."""
    return "unknown" if share is None else f"{100 * share:.1f} %"


def variant_value(variant: Variant) -> str:
    """A variant's number with its spread, or why there is none."""
    if variant.observed is None:
        return variant.error or variant.missing
    text = format(variant.observed, digits_of(*variant_kind(variant)))
    if variant.unit == "points":
        text += (f" ± {variant.sd:.2f}" if variant.sd is not None else "") + f" ({variant.n})"
    return text


def variant_kind(variant: Variant) -> tuple[str, str]:
    return "scored" if variant.unit == "points" else "counted", variant.unit
