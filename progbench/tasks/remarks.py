"""What is wrong with data, or what a reader should know of it, as the files read say. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from progbench.errors import BadInput

_CUT = re.compile(r"[\d,]+ of [\d,]+ texts of \S+ are cut at [\d,]+ tokens")


def cut(name: str, count: int, texts: int, length: int) -> str:
    """A sentence on texts that are longer than a model reads; "" where none is.

    >>> cut("rte", 33, 277, 128)
    '33 of 277 texts of rte are cut at 128 tokens'
    """
    return f"{count:,} of {texts:,} texts of {name} are cut at {length:,} tokens" if count else ""


def is_cut(note: str) -> bool:
    """Whether a note of a result is such a sentence: it matters only beside a run that reads more, or less, of them.

    >>> is_cut(cut("rte", 33, 277, 128)), is_cut("padded batches")
    (True, False)
    """
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


def blank(text: str) -> bool:
    """Whether a text has no character that a reader could see, as in a file that was cut, or filled with zeros by a
    disk.

    >>> [blank(text) for text in ("", " \\t", "\\u200b", "?")]
    [True, True, True, False]
    """
    return not any(letter.isprintable() and not letter.isspace() for letter in text)


def other_counts(
    published: Mapping[str, tuple[int, ...]], examples: Mapping[str, int], left_out: Mapping[str, int]
) -> list[str]:
    """A sentence on each set of which a run read another number of rows than any that was published.

    >>> other_counts({"train": (2490,), "rte": (277,)}, {"train": 32, "rte": 277}, {})
    ['read 32 rows of train (published: 2,490)']

    Some authors count the rows that are left out here, and some do not: with them or without, one count must fit.
    """
    differences = []
    for name, counts in published.items():
        if (read := examples.get(name)) is None:
            differences.append(f"does not say how many rows of {name} it read")
        elif not {read, read + left_out.get(name, 0)} & {*counts}:
            differences.append(
                f"read {read:,} rows of {name} (published: {' or '.join(f'{count:,}' for count in counts)})"
            )
    return differences


def refuse_known(where: str, texts: Iterable[Sequence[str]], train: str, trained: Iterable[Sequence[str]]) -> None:
    """Raise BadInput for a file of evaluation whose every text (or pair of texts) a model is trained on."""
    if {*map(tuple, texts)} <= {*map(tuple, trained)}:
        raise BadInput(f"{where}: every text in it also stands in {train}; evaluation must not know them")
