"""What two reports on the same runs may differ in, and what else they differ in. From values to values: no files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

TO = " > "  # from a key to what is in it
# Which keys of report.json are left out of the comparison, and why; * stands for any name, or any part of one.
LEFT_OUT = {
    "environment > date": "when it was judged",
    "runs > * > runs > * > seconds": "a time",
    "runs > * > runs > * > step_seconds": "a time",
    "runs > * > runs > * > memory": "what the process held at most, with all that its engine had loaded into it",
    "runs > * > runs > * > others": "what else this machine did meanwhile; of a run that was resumed nobody knows",
    "costs > * > step_seconds": "a share of times",
    "costs > * > memory": "a share of what processes held",
    "costs > * > unknown > step time: *": "which of those times were taken alone",
    "summary > warnings > * with step times left out: *": "which of those times were taken alone",
    "summary > warnings > *: resumed *": "that a run was resumed",
}
NAMES = ("table", "cell", "variant", "claim", "recipe", "digest", "seed", "body", "schedule", "task")  # of list items


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What of the second report is not as in the first, a sentence each; numbers are compared bit for bit.

    >>> differences({"environment": {"date": "1 May", "python": "3.11"}}, {"environment": {"date": "2 May"}})
    ['environment > python: it is not there']
    >>> differences({"verdicts": [{"cell": "a", "p": 0.5}]}, {"verdicts": [{"cell": "a", "p": 0.25}]})
    ['verdicts > a > p: 0.25 in the place of 0.5']
    """
    ours, theirs = (dict(_compared(one)) for one in (expected, found))
    said = []
    for path in {**ours, **theirs}:
        if path not in theirs:
            said.append(f"{TO.join(path)}: it is not there")
        elif path not in ours:
            said.append(f"{TO.join(path)}: it should not be there")
        elif ours[path] != theirs[path]:
            said.append(f"{TO.join(path)}: {theirs[path]} in the place of {ours[path]}")
    if not said and [*ours] != [*theirs]:
        said.append("the same in another order")
    return said


def identical(expected: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[int, int]:
    """How many scores of the first report's runs are the same in the second, to the last bit, and how many there are.

    >>> one, other = ({"runs": [{"recipe": "a", "runs": [{"seed": 0, "scores": {"rte accuracy": score}}]}]}
    ...               for score in (0.1 + 0.2, 0.3))
    >>> identical(one, one), identical(one, other)
    ((1, 1), (0, 1))
    """
    ours, theirs = (
        {path: bits for path, bits in _compared(one) if path[0] == "runs" and "scores" in path}
        for one in (expected, found)
    )
    return sum(theirs.get(path) == bits for path, bits in ours.items()), len(ours)


def _compared(report: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    patterns = [pattern.split(TO) for pattern in LEFT_OUT]
    for path, value in _leaves(report):
        if not any(_fits(path, pattern) for pattern in patterns):
            yield path, value


def _fits(path: tuple[str, ...], pattern: list[str]) -> bool:
    return len(path) == len(pattern) and all(map(fnmatchcase, path, pattern))


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Everything in a report, with the names that lead to it: an item of a list is named by what it is about."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    elif isinstance(value, list):
        taken: dict[str, int] = {}
        for inner in value:
            name = _name(inner)
            taken[name] = taken.get(name, 0) + 1
            place = (*path, name if taken[name] == 1 else f"{name} ({taken[name]})")
            yield from _leaves(inner, place) if isinstance(inner, dict | list) else [(place, "listed")]
    else:  # JSON has the shortest digits that give a number's bits again
        yield path, json.dumps(value, ensure_ascii=False)


def _name(item: Any) -> str:
    """What an item of a list is about; a text is its own name."""
    if isinstance(item, dict):
        return " ".join(str(item[name]) for name in NAMES if item.get(name) not in (None, ""))
    return "" if isinstance(item, list) else str(item)
