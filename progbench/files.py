"""A TOML file read, or a file written whole."""

from __future__ import annotations

import functools
import os
import tomllib
from pathlib import Path

from progbench.errors import BadInput


@functools.cache
def read_toml(path: Path) -> dict:
    """A TOML file's content. Raises BadInput naming the file, and the line where it does not parse."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BadInput(f"{path}: cannot be read: {problem.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise BadInput(f"{path}: {problem}") from None


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
