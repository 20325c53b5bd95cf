"""Whether the parts of a result are of a kind that a session can compute with. No torch."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from progbench.kinds import Kind, is_number, is_whole, number

CORRELATIONS = {"matthews_correlation", "pearson", "spearman"}  # may be below 0
_SLACK = 1e-9  # a correlation's last bits


@functools.cache
def score(metric: str) -> Kind:
    """The kind of this metric's scores: fractions, and only correlations may be below 0."""
    least = -1 if metric in CORRELATIONS else 0
    return number(f"from {least} to 1", lambda x: least - _SLACK < x < 1 + _SLACK)


def looked_at(rest: Mapping[str, Any], epochs: Sequence[Any]) -> Iterator[tuple[str, bool]]:
    """Each part of a result that a session computes with, in words, and whether it is of a kind to compute with.

    `rest` is all but the epochs, by name. A part that is wrong fails its judgement, not the session.
    """
    yield "seed", is_whole(rest["seed"])
    for name, kind in (("error", str), ("session", str), ("final", bool)):
        yield name, isinstance(rest[name], kind)
    notes = rest["notes"]
    yield "notes", isinstance(notes, list | tuple) and all(isinstance(note, str) for note in notes)
    for name, fits in (
        ("fingerprints", _plain),
        ("environment", _plain),
        ("predictions", lambda value: isinstance(value, str)),
        ("examples", is_whole),
        ("left_out", is_whole),
    ):
        yield name, isinstance(rest[name], dict) and all(map(fits, rest[name].values()))
    for name in ("seconds", "peak_memory_bytes"):
        yield name, is_number(rest[name])
    yield "updated_parameters", all(map(is_whole, [epoch.updated_parameters for epoch in epochs]))
    for name in ("loss", "seconds"):
        yield name, all(map(is_number, [getattr(epoch, name) for epoch in epochs]))
    for name in ("steps", "flops", "cpu_seconds"):
        known = [value for epoch in epochs if (value := getattr(epoch, name)) is not None]
        yield name, all(map(is_number, known))
    for metric, value in (item for epoch in epochs for scores in epoch.scores.values() for item in scores.items()):
        words, fits = score(metric)
        if not fits(value):
            yield f"the score {metric}, {words},", False


def _plain(value: object) -> bool:
    return isinstance(value, str) or is_number(value)
