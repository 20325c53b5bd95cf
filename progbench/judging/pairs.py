"""Whether two runs of one seed are a pair: alike in all but their schedules. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from progbench.runs.results import RunResult


def not_a_pair(
    left: RunResult, right: RunResult, first: tuple[Mapping[str, object], Mapping[str, object]] | None = None
) -> str:
    """Why two schedules' runs of one seed, whose first epochs train the same blocks, are no pair; "" if they are.

    Their first epochs are the same computation. So the scores after it must be the same to the last bit, and so must
    the predictions, where both results have them: `first` has those by evaluation set. Seeds that were trained side by
    side share one stream of dropout, so both must have had the same neighbours.
    """
    ours, theirs = (one.provenance.side_by_side for one in (left, right))
    if ours != theirs:
        return f"one was trained {_beside(ours)}, the other {_beside(theirs)}"
    if left.epochs[0].scores != right.epochs[0].scores:
        return "their scores after the first epoch, which both train alike, differ"
    if first and first[0] != first[1]:
        return "their predictions after the first epoch, which both train alike, differ"
    return ""


def _beside(seeds: tuple[int, ...]) -> str:
    return f"beside the seeds {' '.join(map(str, seeds))}" if seeds else "alone"
