"""A file read, or written whole; and whether there is room for one."""

from __future__ import annotations

import errno
import functools
import os
import stat
import threading
import tomllib
from pathlib import Path

from progbench.errors import BadInput

ROOM = 1 << 16  # bytes: more than any result takes


def read_text(path: Path) -> str:
    """A file's text. Raises OSError for what is no file, too: a pipe would be waited for, and a device has no end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a file")
    return path.read_text(encoding="utf-8")


@functools.cache
def read_toml(path: Path) -> dict:
    """A TOML file's content. Raises BadInput naming the file, and the line where it does not parse."""
    try:
        return tomllib.loads(read_text(path))
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


def require_room(folder: Path) -> None:
    """Make a folder, and raise OSError unless a file can be written into it, flushed, moved and removed."""
    probe = folder / f"probe-{os.getpid()}-{threading.get_ident()}"
    write_atomically(probe, " " * ROOM)
    probe.unlink()
