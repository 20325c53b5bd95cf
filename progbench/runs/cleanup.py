"""What runs leave beside their results on the way to them, and what killed sessions left. No torch."""

import contextlib
from collections.abc import Collection
from pathlib import Path

from progbench.errors import BadInput
from progbench.files import sweep
from progbench.runs import results


def checkpoint_of(seed: int | str) -> str:
    return f"seed{seed}.checkpoint"


def remove_checkpoints(path: Path) -> None:
    """Remove what a run has left on the way to this result; what cannot be removed stays for the next sweep."""
    for left in path.parent.glob(f"{path.stem}.checkpoint-*"):
        with contextlib.suppress(OSError):
            left.unlink()


def checkpoints_elsewhere(folder: Path, known: Collection[Path]) -> list[Path]:
    """The checkpoints among a suite's results that lie in none of the `known` folders, so that no sweep may remove
    them.
    """
    paths = folder.glob(f"*/*/{checkpoint_of('*')}-*")
    return sorted(path for path in paths if path.parent not in known)


def sweep_results(folder: Path) -> None:
    """Remove what killed sessions left among a suite's results, and no next one wants: half-written files, checkpoints
    of runs whose results are there, and locks that nobody holds.
    """
    import filelock

    for place in (path for path in folder.glob("*/*") if path.is_dir()):
        sweep(place)
        # who holds a lock has it; one that is no file, or another user's, is said where it is needed
        for stem in {path.name.partition(".")[0] for path in place.glob(f"{checkpoint_of('*')}-*")}:
            lock = filelock.FileLock(place / f"{stem}.lock")
            with contextlib.suppress(OSError, filelock.Timeout), lock.acquire(blocking=False):
                if _settled(place / f"{stem}.json"):
                    remove_checkpoints(place / f"{stem}.json")
        for path in place.glob("seed*.lock"):
            with contextlib.suppress(OSError, filelock.Timeout), filelock.FileLock(path).acquire(blocking=False):
                path.unlink()


def _settled(path: Path) -> bool:
    try:
        result = results.read(path)
    except (OSError, BadInput):
        return False
    return result.final or not result.error
