"""Texts padded together for attention, alike for all seeds, so that a graph can be replayed.

Short texts share bins of one length, of which rows are made: then attention sees the rows as they are. Long ones would
leave such rows empty in part, so they are brought to bins of up to three lengths for attention alone.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence

BUCKET = 64  # tokens of a row, and of the longest text
ALIGNED = 16  # a row of attention's mask must be a multiple of so many bytes, and a bin of so many tokens
BINS = range(64, 129, 8)  # how long bins may be
PLACE = (
    88  # what a place in a bin costs, to bring and to keep, in attention's scores: reckoned for an H200, not measured
)
Groups = tuple[tuple[int, int], ...]  # how many bins of each seed a group has, and how long they are


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


def in_mixed_bins(lengths: Sequence[Sequence[int]], most: int, tokens: int) -> tuple[Groups, list[list[int]]]:
    """Bins of up to three lengths for texts of up to `most` tokens, and where each text starts in its seed's bins.

    >>> in_mixed_bins([[30, 40, 180], [60, 90, 130]], most=192, tokens=320)
    (((1, 128), (1, 192)), [[40, 0, 128], [258, 0, 128]])

    The lengths are a half, two thirds and the whole of the longest text, rounded up. The cheapest bins that hold each
    seed's texts win. They have at least `tokens` places: each token of a row shall have one.
    """
    whole = min(rounded(max(map(max, lengths)), BUCKET), rounded(most, ALIGNED))
    sizes = sorted({min(whole, rounded(whole * sixths // 6, BUCKET)) for sixths in (3, 4, 6)})
    above = [max(sum(text > size for text in row) for row in lengths) for size in sizes[:-1]]
    counts = range(max(len(lengths[0]), math.ceil(tokens / sizes[0])) + 1)
    forms = (own for own in itertools.product(counts, repeat=len(sizes))
             if all(sum(own[i:]) >= least for i, least in enumerate(above, 1)))  # fmt: skip
    priced = (
        (sum(count * size * (PLACE + size) for count, size in zip(own, sizes, strict=True)), own)
        for own in forms
        if sum(map(operator.mul, own, sizes)) >= tokens
    )
    for _, own in sorted(priced):
        bins = [size for count, size in zip(own, sizes, strict=True) for _ in range(count)]
        placed = [_best_fit(row, bins) for row in lengths]
        if all(placed):
            return tuple((count, size) for count, size in zip(own, sizes, strict=True) if count), placed


def _best_fit(lengths: Sequence[int], bins: Sequence[int]) -> list[int]:
    """Where each text starts: the longest first, each in the fullest bin with room. Empty if one has no room."""
    free, starts = [*bins], [0] * len(lengths)
    for text in reversed(range(len(lengths))):
        _, place = min(((room, i) for i, room in enumerate(free) if room >= lengths[text]), default=(0, -1))
        if place < 0:
            return []
        starts[text] = sum(bins[: place + 1]) - free[place]
        free[place] -= lengths[text]
    return starts


def rounded(count: int, to: int) -> int:
    """The next multiple of `to`.

    >>> rounded(65, 64), rounded(64, 64)
    (128, 64)
    """
    return math.ceil(count / to) * to
