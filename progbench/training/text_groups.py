"""Texts padded together for attention, in a few groups by length, alike for all seeds, for a graph to be replayed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy

BUCKET = 64  # tokens of a row, and of the longest text
ALIGNED = 16  # a row of attention's mask must be a multiple of so many bytes and numbers
# where a batch's texts, by length, are cut into groups: long ones are few, and cost by the square
GROUPS = (0.4, 0.7, 0.9)
Groups = tuple[tuple[int, int], ...]  # how many texts of each seed a group has, and to how many tokens it pads them


def groups_of(longest: Sequence[int], most: int, bucket: int = BUCKET) -> Groups:
    """The groups of texts whose longest over all seeds, by rank, are these; no text is longer than `most`.

    >>> groups_of([7, 9, 12, 20, 22, 25, 30, 80], most=128)
    ((6, 32), (2, 96))

    Lengths are rounded up coarsely, since each form of batch is captured for itself. Groups of one length are joined.
    """
    groups: list[tuple[int, int]] = []
    start = 0
    for stop in sorted({math.ceil(share * len(longest)) for share in (*GROUPS, 1)}):
        most_here = longest[stop - 1]
        step = max(1, bucket // (1 if most_here > 2 * bucket else 2 if most_here > bucket else 4))
        length = max(most_here, min(rounded(most_here, step), rounded(most, min(bucket, ALIGNED))))
        if groups and groups[-1][1] == length:
            start -= groups.pop()[0]
        groups.append((stop - start, length))
        start = stop
    return tuple(groups)


def with_room(groups: Groups, lengths: numpy.ndarray, step: int) -> Groups:
    """The groups with a place without a token for each seed, whose gradient its surplus tokens are given."""
    padded_to = numpy.repeat([longest for _, longest in groups], [texts for texts, _ in groups])
    if (lengths < padded_to).any(1).all():
        return groups
    *shorter, (texts, longest) = groups
    return (*shorter, (texts, longest + step))


def rounded(count: int, to: int) -> int:
    """The next multiple of `to`.

    >>> rounded(65, 64), rounded(64, 64)
    (128, 64)
    """
    return math.ceil(count / to) * to
