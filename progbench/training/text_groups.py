"""Texts padded together for attention, alike for all seeds, so that a graph can be replayed.

Short texts share bins of one length, of which rows are made: then attention sees the rows as they are. Long ones would
leave bins half empty, so they are padded, in a few groups by length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

BUCKET = 64  # tokens of a row, and of the longest text
ALIGNED = 16  # a row of attention's mask must be a multiple of so many bytes, and padded texts of so many tokens
BINS = range(64, 129, 8)  # how long bins may be
# where a batch's texts, by length, are cut into groups: long ones are few, and cost by the square
GROUPS = (0.4, 0.7, 0.9)
Groups = tuple[tuple[int, int], ...]  # how many texts, or bins, of each seed a group has, and how long they are


def in_bins(lengths: Sequence[Sequence[int]], sizes: Sequence[int] = BINS) -> tuple[int, int, list[list[int]]]:
    """How many bins of how many tokens the rows of seeds have, and where each text starts in its row.

    >>> in_bins([[3, 5, 40, 60], [30, 30, 31, 32]])
    (2, 64, [[60, 104, 64, 0], [94, 64, 32, 0]])

    Texts are shortest first; the longest is placed first. Of the `sizes` that hold it, that of the shortest rows wins.
    """
    longest, most = max(map(max, lengths)), max(map(sum, lengths))
    best = None
    for least, size in sorted((rounded(most, size), size) for size in sizes if size >= longest):
        if best and best[0] * best[1] <= least:
            break  # no row could be shorter
        placed = [_first_fit(row, size) for row in lengths]
        count = max(bins for bins, _ in placed)
        if not best or count * size < best[0] * best[1]:
            best = count, size, [starts for _, starts in placed]
    return best


def _first_fit(lengths: Sequence[int], size: int) -> tuple[int, list[int]]:
    """How many bins texts need, and where each starts: the longest first, each in the first bin with room."""
    free, starts = [], [0] * len(lengths)
    for text in reversed(range(len(lengths))):
        place = next((i for i, room in enumerate(free) if room >= lengths[text]), len(free))
        if place == len(free):
            free.append(size)
        starts[text] = (place + 1) * size - free[place]
        free[place] -= lengths[text]
    return len(free), starts


def groups_of(longest: Sequence[int], most: int) -> Groups:
    """The groups of texts whose longest over all seeds, by rank, are these; no text is longer than `most`.

    >>> groups_of([7, 9, 12, 20, 22, 25, 30, 80], most=128)
    ((6, 32), (2, 96))

    Lengths are rounded up coarsely, since each form of batch is captured for itself. Groups of one length are joined.
    """
    groups: list[tuple[int, int]] = []
    start = 0
    for stop in sorted({math.ceil(share * len(longest)) for share in (*GROUPS, 1)}):
        most_here = longest[stop - 1]
        step = BUCKET // (1 if most_here > 2 * BUCKET else 2 if most_here > BUCKET else 4)
        length = min(rounded(most_here, step), rounded(most, ALIGNED))
        if groups and groups[-1][1] == length:
            start -= groups.pop()[0]
        groups.append((stop - start, length))
        start = stop
    return tuple(groups)


def with_room(groups: Groups, tokens: int) -> Groups:
    """The groups, of which the last is longer if a seed's texts would have fewer places than its row has tokens.

    >>> with_room(((6, 32), (2, 96)), tokens=448)
    ((6, 32), (2, 128))
    """
    *shorter, (texts, longest) = groups
    missing = tokens - sum(texts * longest for texts, longest in groups)
    return (*shorter, (texts, longest + rounded(max(0, math.ceil(missing / texts)), ALIGNED)))


def rounded(count: int, to: int) -> int:
    """The next multiple of `to`.

    >>> rounded(65, 64), rounded(64, 64)
    (128, 64)
    """
    return math.ceil(count / to) * to
