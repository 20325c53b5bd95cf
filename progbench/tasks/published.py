"""What published data is like: as many rows as its authors say, and a text in every row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from progbench.errors import BadInput


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
