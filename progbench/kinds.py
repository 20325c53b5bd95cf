"""Of what kind a value from a file must be: text, number, table; what is not is refused with its place."""

import re
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from progbench.errors import BadInput

Kind = tuple[str, Callable[[Any], bool]]  # what is allowed, in words, and whether a value is that

_NUMBERS = (int, float)  # int | float would be made anew for each of the values of thousands of results
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100


def is_number(value: object) -> bool:
    """Whether it is one, and neither infinite nor beyond what a float holds; True is none, though Python counts it.

    >>> [is_number(value) for value in (1, 0.5, float("nan"), 10**400, True, "1")]
    [True, True, False, False, False, False]
    """
    return isinstance(value, _NUMBERS) and value is not True and value is not False and -1e300 < value < 1e300


def is_whole(value: object) -> bool:
    """Whether it is a whole number, written as one: neither 2.0 nor True.

    >>> [is_whole(value) for value in (2, 2.0, True)]
    [True, False, False]
    """
    return isinstance(value, int) and is_number(value)


def number(words: str, fits: Callable[[Any], bool]) -> Kind:
    return f"a number {words}".rstrip(), lambda value: is_number(value) and fits(value)


def whole(least: int, most: int) -> Kind:
    """The kind of whole numbers from `least` to `most`."""
    return f"a whole number from {least:,} to {most:,}", lambda value: is_whole(value) and least <= value <= most


def choice(*names: str) -> Kind:
    return f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names


def pattern(words: str, allowed: str) -> Kind:
    return words, lambda value: isinstance(value, str) and bool(re.fullmatch(allowed, value, re.ASCII))


TEXT: Kind = ("a text that is not empty", lambda value: isinstance(value, str) and bool(value.strip()))
ANY_TEXT: Kind = ("a text", lambda value: isinstance(value, str))
TEXTS: Kind = (
    "a list of texts, each once",
    lambda value: isinstance(value, list) and bool(value) and all(map(TEXT[1], value)) and len({*value}) == len(value),
)
# a name that becomes a folder or a file, on any disk: never a way to another place
NAME = pattern("a plain name of letters, digits, '.', '_' and '-'", r"(?!\.\.?$)[A-Za-z0-9._-]+")
TABLE: Kind = ("a table", lambda value: isinstance(value, dict))
TABLES: Kind = (
    "one or more tables",
    lambda value: isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value),
)
# as the paper prints one: float() would take "nan", "1_0" and digits of other scripts, too
PRINTED = pattern("a number as text", r"-?\d+(\.\d+)?")


def shown(value: object) -> str:
    """A value as a message shows it: shortened, where somebody wrote a book.

    >>> shown("x" * 1000) == repr("x" * 1000)[:48] + "..." + "x" * 48 + "'"
    True
    """
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python does not write whole numbers of thousands of digits
        return "a number of thousands of digits"


def require(value: object, kind: Kind, where: str) -> None:
    """Raise BadInput, saying what is allowed, unless a value is of a kind.

    >>> require("1", whole(0, 64), "suite.toml: threads")
    Traceback (most recent call last):
    ...
    progbench.errors.BadInput: suite.toml: threads = '1': allowed is a whole number from 0 to 64
    """
    allowed, fits = kind
    if not fits(value):
        raise BadInput(f"{where} = {shown(value)}: allowed is {allowed}")


def fields(value: object, where: str, wanted: Mapping[str, Kind], optional: Mapping[str, Kind] = {}) -> dict[str, Any]:
    """The value, if it is a table with these fields, each of its kind, and no other.

    >>> fields({"lable": "RTE"}, "table1.toml: column rte", {"label": TEXT})
    Traceback (most recent call last):
    ...
    progbench.errors.BadInput: table1.toml: column rte: unknown field 'lable'; known are label
    """
    known = {**wanted, **optional}
    if not isinstance(value, dict):
        raise BadInput(f"{where} = {shown(value)}: allowed is a table of {', '.join(known)}")
    if unknown := [key for key in value if key not in known]:
        raise BadInput(f"{where}: unknown field {shown(unknown[0])}; known are {', '.join(known)}")
    if absent := [key for key in wanted if key not in value]:
        raise BadInput(f"{where}: no {', '.join(absent)}")
    for key, one in value.items():
        require(one, known[key], f"{where}: {key}")
    return value


def table(value: object, where: str) -> dict[str, Any]:
    """The value, if it is a table. Raises BadInput that names the place if not."""
    require(value, TABLE, where)
    return value  # type: ignore[return-value]
