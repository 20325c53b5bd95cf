"""A file read, or written whole; whether there is room for one, and what killed processes left."""

import contextlib
import errno
import functools
import glob
import json
import os
import shutil
import stat
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    except RecursionError:
        raise BadInput(f"{path}: brackets within brackets, too deep to be read") from None
    except ValueError as problem:  # no TOML, no UTF-8, or a number of thousands of digits
        raise BadInput(f"{path}: {problem}") from None


def read_json(path: Path) -> Any:
    """A JSON file's content. Raises BadInput naming the file, and the line where it does not parse."""
    try:
        return parse_json(read_text(path))
    except OSError as problem:
        raise BadInput(f"{path}: cannot be read: {problem.strerror}") from None
    except ValueError as problem:
        raise BadInput(f"{path}: {problem}") from None


def parse_json(text: str, *, nan: bool = True) -> Any:
    """The content of a JSON text; without `nan`, no number may be NaN or infinite, which JSON itself has not.

    Raises ValueError for what is no JSON, has a key twice in one object, or is nested too deep.
    """
    try:
        return json.loads(text, object_pairs_hook=_each_once, parse_constant=None if nan else _refuse)
    except RecursionError:
        raise ValueError("brackets within brackets, too deep to be read") from None


def refuse_halves(content: Any) -> None:
    """Raise ValueError if a text in what JSON gave has half of a character: no file of UTF-8 can hold it.

    >>> refuse_halves({"label": "\\ud83e"})
    Traceback (most recent call last):
    ...
    ValueError: '\\ud83e' is half of a character
    """
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as problem:
        raise ValueError(f"{problem.object[problem.start]!a} is half of a character") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that stands twice the standard library would take the last one without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def closed(folder: Path, depth: int) -> dict[Path, str]:
    """The folders, up to so many levels below this one, that cannot be looked into, and why; glob passes them over."""
    try:
        with os.scandir(folder) as inside:
            below = sorted(entry.name for entry in inside if depth and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as problem:
        words = problem.strerror or problem
        return {folder: f"{folder}: cannot be looked into ({words}), so what it holds is not in this report"}
    return {path: why for name in below for path, why in closed(folder / name, depth - 1).items()}


def is_folder(path: Path, what: str = "") -> bool:
    """Whether there is a folder. Raises BadInput where nobody can say: for a name too long, or no right to look."""
    try:
        return path.is_dir()
    except OSError as problem:
        raise BadInput(f"{what}{path}: cannot be looked at: {problem.strerror or problem}") from None


def require_folder(path: Path) -> None:
    if not is_folder(path):
        raise BadInput(f"{path} is a file, not a folder of results" if path.exists() else f"no such folder: {path}")


def write_atomically(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all, whatever stops the process."""
    with aside(path) as written:
        with written.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(written, path)


@contextlib.contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A hidden place beside a file, to write to before it is moved; `sweep` finds by its name what a killed process
    left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    place = path.with_name(f".{path.name}.{_owner()}")
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)


def require_room(folder: Path) -> None:
    """Make a folder, and raise OSError unless a file can be written into it, flushed, moved and removed."""
    probe = folder / f"probe-{os.getpid()}-{threading.get_ident()}"
    write_atomically(probe, " " * ROOM)
    probe.unlink()


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes with its block or its process; its name says whose it is, should the process be killed."""
    # another run may leave a word there in the moment it goes (session/neighbours.py); what stays is swept later
    return tempfile.TemporaryDirectory(prefix=f"progbench-{_owner()}-", ignore_cleanup_errors=True)


def temporary_folders(*, ended: bool = False) -> list[Path]:
    """The temporary folders of this machine's processes that run; or of those that `ended`, without removing them."""
    found = Path(tempfile.gettempdir()).glob(f"progbench-*@{glob.escape(_machine())}-*")
    return [one for one in found if _ended(one.name.removeprefix("progbench-").partition("@")[0]) is ended]


def sweep_temporary_folders() -> None:
    """Remove the temporary folders that killed processes of this machine left behind."""
    for folder in temporary_folders(ended=True):
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes of this machine left in a folder while they wrote a file aside; other machines'
    stays.
    """
    end = f"@{_machine()}"
    for left in folder.glob(f".*{glob.escape(end)}"):
        if _ended(left.name.removesuffix(end).rpartition(".")[2]):
            with contextlib.suppress(OSError):
                left.unlink()


def _owner() -> str:
    return f"{os.getpid()}@{_machine()}"


@functools.cache
def _machine() -> str:
    """Where a process's number is its own: the host, and on Linux the namespace, of which a container has another."""
    try:
        return f"{os.uname().nodename}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return os.uname().nodename


def _ended(process: str) -> bool:
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it is another user's
        return False
    return False
