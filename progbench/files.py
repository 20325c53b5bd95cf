"""A TOML or JSON file read, or a file written whole."""

from __future__ import annotations

import functools
import json
import os
import tomllib
from pathlib import Path
from typing import Any

from progbench.errors import BadInput


@functools.cache
def read_toml(path: Path) -> dict:
    """A TOML file's content. Raises BadInput naming the file, and the line where it does not parse."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BadInput(f"{path}: cannot be read: {problem.strerror}") from None
    except RecursionError:
        raise BadInput(f"{path}: brackets within brackets, too deep to be read") from None
    except ValueError as problem:  # no TOML, no UTF-8, or a number of thousands of digits
        raise BadInput(f"{path}: {problem}") from None


def read_json(path: Path) -> Any:
    """A JSON file's content. Raises BadInput naming the file, and the line where it does not parse."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_once)
    except OSError as problem:
        raise BadInput(f"{path}: cannot be read: {problem.strerror}") from None
    except RecursionError:
        raise BadInput(f"{path}: brackets within brackets, too deep to be read") from None
    except ValueError as problem:
        raise BadInput(f"{path}: {problem}") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that stands twice the standard library would take the last one without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice in one object"
        )
    return found


def write_atomically(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all, whatever stops the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
