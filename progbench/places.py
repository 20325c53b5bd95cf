"""Where recipes, expected values, models and tasks lie: the project's own folder, and those that a person includes."""

import functools
import os
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from progbench.errors import BadInput

_KEPT: list[Any] = []  # the cache of each function that `once` was given
T = TypeVar("T")
VARIABLE = "PROGBENCH_PATH"
PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """The folder that holds `expected` and `benchmarks`: a wheel has them in the package, a checkout beside it."""
    return PACKAGE if (PACKAGE / "expected").is_dir() else PACKAGE.parent


def command(arguments: Iterable[object]) -> str:
    """The command that starts the benchmarks with these arguments, as a person types it where they are now."""
    in_checkout = Path("benchmarks").resolve() == root() / "benchmarks"
    start = ["pytest", "benchmarks"] if in_checkout else ["progbench", "reproduce"]
    return shlex.join([*start, *map(str, arguments)])


def included() -> tuple[Path, ...]:
    """The folders of a person's own that PROGBENCH_PATH names, in its order. Raises BadInput for a name that is no
    folder.
    """
    if not (given := os.environ.get(VARIABLE)):
        return ()
    found = tuple(Path(one).absolute() for one in given.split(os.pathsep) if one)
    if absent := [one for one in found if not one.is_dir()]:
        raise BadInput(f"{VARIABLE}, or --include, names {absent[0]}, which is not a folder")
    return found


def is_own(path: Path) -> bool:
    return any(path.absolute().is_relative_to(one) for one in included())


def shown(folder: Path) -> str:
    """An included folder as a page names it: from where one is, or by its name alone; "" for one that is not included.

    A page is read elsewhere, too, where a whole path says nothing and may tell too much.
    """
    if folder not in included():
        return ""
    here = Path.cwd()
    return folder.relative_to(here).as_posix() if folder.is_relative_to(here) else folder.name


def include(folders: Iterable[Path]) -> None:
    """Add folders to PROGBENCH_PATH. So the processes that this one starts read them, too."""
    known = [one for one in os.environ.get(VARIABLE, "").split(os.pathsep) if one]
    given = [str(one.absolute()) for one in folders]
    if together := list(dict.fromkeys([*known, *given])):
        os.environ[VARIABLE] = os.pathsep.join(together)


def once(read: Callable[[], T]) -> Callable[[], T]:
    """Keep what a function without arguments gives, for as long as the same folders are included."""
    _KEPT.append(kept := functools.cache(lambda folders: read()))
    return functools.wraps(read)(lambda: kept(included()))


def forget() -> None:
    """Read what `once` keeps again: somebody has written into an included folder."""
    for kept in _KEPT:
        kept.cache_clear()


def files(name: str) -> list[Path]:
    """The files of a name that lie in included folders, such as every models.toml."""
    return [path for folder in included() if (path := folder / name).is_file()]
