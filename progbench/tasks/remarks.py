"""What a reader should know of the texts that a model was scored on, counted from the files read. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CUT = re.compile(r"[\d,]+ of [\d,]+ texts of \S+ are cut at [\d,]+ tokens")


def cut(name: str, count: int, texts: int, length: int) -> str:
    """A sentence on texts that are longer than a model reads; "" where none is.

    >>> cut("rte", 33, 277, 128)
    '33 of 277 texts of rte are cut at 128 tokens'
    """
    return f"{count:,} of {texts:,} texts of {name} are cut at {length:,} tokens" if count else ""


def is_cut(note: str) -> bool:
    """Whether a note of a result is such a sentence: it matters only beside a run that reads more, or less, of them."""
    return _CUT.fullmatch(note) is not None


def doubles(
    name: str,
    texts: Sequence[tuple[str, ...]],
    labels: Sequence[float],
    known: Sequence[tuple[str, ...]],
    known_labels: Sequence[float],
) -> str:
    """A sentence on texts of evaluation that also stand in the training data, or twice with two labels; else "".

    >>> doubles("cola", [("I slept.",), ("It rained.",)], [0, 1], [("It rained.",)], [0])
    '1 of 2 texts of cola also stands in train, with another label'
    """
    trained: dict[tuple[str, ...], set[float]] = {}
    here: dict[tuple[str, ...], set[float]] = {}
    for text, label in zip(known, known_labels, strict=True):
        trained.setdefault(text, set()).add(label)
    for text, label in zip(texts, labels, strict=True):
        here.setdefault(text, set()).add(label)
    shared = [text for text in texts if text in trained]
    other = sum(label not in trained.get(text, {label}) for text, label in zip(texts, labels, strict=True))
    torn = sum(len(given) > 1 for given in here.values())
    remarks = []
    if shared:
        stands = "stands" if len(shared) == 1 else "stand"
        share = "" if not other else ", with another label" if other == len(shared) else f", {other} with another label"
        remarks.append(f"{len(shared):,} of {len(texts):,} texts of {name} also {stands} in train{share}")
    if torn:
        whole = "" if shared else f" of {len(texts):,} texts"
        stands = "stands" if torn == 1 else "stand"
        remarks.append(f"{torn:,}{whole} {stands} in {name} with two labels: not all can be right")
    return "; ".join(remarks)
