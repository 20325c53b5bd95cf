"""The files that describe tasks, glue.toml and squad.toml, read; what is wrong in one is refused with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from progbench import kinds
from progbench.errors import BadInput
from progbench.files import read_toml

FLAG: kinds.Kind = ("true or false", lambda value: isinstance(value, bool))
SHARE: kinds.Kind = kinds.number("from 0 to 1", lambda x: 0 <= x <= 1)
MAYBE_TEXTS: kinds.Kind = ("a list of texts, each once", lambda value: value == [] or kinds.TEXTS[1](value))
_COUNT = kinds.whole(1, 10**9)[1]

SETS: kinds.Kind = (
    "a table of two texts a set: its file, and its split on the hub",
    lambda value: isinstance(value, dict) and bool(value) and all(map(_pair, value.values())),
)
ROWS: kinds.Kind = (
    "a table of whole numbers above 0, one or several a set",
    lambda value: (
        isinstance(value, dict)
        and all(
            counts and all(map(_COUNT, counts if isinstance(counts, list) else [counts])) for counts in value.values()
        )
    ),
)


def _pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value)


def read(
    path: Path,
    wanted: Mapping[str, kinds.Kind],
    optional: Mapping[str, kinds.Kind],
    chosen: Callable[[Any], bool] = lambda entry: True,
) -> dict[str, dict[str, Any]]:
    """The `chosen` entries of a file by the task's name, each with these fields, and a count of rows for each set."""
    by_name = {}
    for name, entry in read_toml(path).items():
        if isinstance(entry, dict) and not chosen(entry):
            continue
        where = f"{path.name}: [{name}]"
        kinds.require(name, kinds.NAME, f"{path.name}: the name of an entry")  # it stands in a result's path
        by_name[name] = dict(kinds.fields(entry, where, wanted, optional))
        sets = {"train", *entry["evaluate"]}
        if "rows" in by_name[name] and set(entry["rows"]) != sets:
            raise BadInput(
                f"{where}: rows are of {', '.join(sorted(entry['rows']))}: wanted are {', '.join(sorted(sets))}"
            )
    return by_name


def frozen(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry's fields with tuples in the place of lists, and of the single values of its tables."""
    return {key: _frozen(value) for key, value in entry.items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: tuple(item) if isinstance(item, list) else (item,) for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value
