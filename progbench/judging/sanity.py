"""No score of Progtuning deviates from the paper unless fine-tuning's beside it is sound. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from progbench.judging.expected import Cell
from progbench.judging.verdict import AGREES, Verdict

BASELINE = "constant"


def sound(
    verdicts: Mapping[str, Verdict], cells: Mapping[str, Cell], sibling: Callable[[Cell], Verdict | None]
) -> dict:
    """A table's verdicts; what deviates beside an unsound fine-tuning becomes *inconclusive*.

    A recipe, data or weights that are not the paper's move both: then nothing is known of Progtuning. `sibling` gives
    the verdict on fine-tuning's cell, in whatever table, or None. It is sound if it was judged, and neither deviates
    nor is disputed. Our own references ask another question: whether a score repeats.
    """
    return {name: _held(verdict, cells[name], sibling) for name, verdict in verdicts.items()}


def _held(verdict: Verdict, cell: Cell, sibling: Callable[[Cell], Verdict | None]) -> Verdict:
    if verdict.outcome != "deviates" or verdict.tier != "paper" or cell.schedule == BASELINE:
        return verdict
    beside = sibling(cell)
    if beside is None or beside.outcome in (*AGREES, "inconclusive"):
        return verdict
    why = f"fine-tuning's cell {beside.cell} {_WORDS.get(beside.outcome, f'is {beside.outcome}')}"
    sentence = (
        f"{verdict.sentence}; not held against Progtuning, since {why}, so the setting may be another than the paper's"
    )
    return replace(verdict, outcome="inconclusive", direction=None, sentence=sentence)


_WORDS = {"deviates": "deviates, too", "error": "is an error"}
