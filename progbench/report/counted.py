"""Printed counts that agree: how many could have failed, how many were fitted, and by which rule they are printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from progbench.judging.basis import FITTED, PREDICTED, STATED
from progbench.judging.verdict import Verdict


def fitted(verdicts: Sequence[Verdict]) -> int:
    """How many counts agree with the print by a setting that the paper's own totals determined."""
    found = Counter(one.basis for one in verdicts if one.outcome == "reproduced")
    return found[FITTED] + found[PREDICTED]


def words(verdicts: Sequence[Verdict]) -> str:
    """What the printed counts rest on, and that no single rule of rounding gives all; "" where none agrees."""
    agreeing = [one for one in verdicts if one.outcome == "reproduced" and one.rounding]
    if not agreeing:
        return ""
    basis, ways = (Counter(getattr(one, name) for one in agreeing) for name in ("basis", "rounding"))
    disputed = sum(one.outcome == "disputed" and one.kind == "counted" for one in verdicts)
    phrases = [
        (basis[STATED], f"{basis[STATED]} follow from what the paper states"),
        (
            basis[FITTED] + basis[PREDICTED],
            f"{basis[FITTED] + basis[PREDICTED]} from a setting that its totals determined ({basis[FITTED]} of these "
            f"determined one, {basis[PREDICTED]} follow from it)",
        ),
        (disputed, f"{disputed} disputed"),
    ]
    text = f"printed counts: {', '.join(phrase for count, phrase in phrases if count)}"
    if ways["rounded"] and ways["truncated"]:
        text += (
            f"; of the {len(agreeing)} that agree {ways['both']} do so rounded and truncated, {ways['rounded']} only "
            f"rounded, {ways['truncated']} only truncated: no single rule gives all"
        )
    return text
