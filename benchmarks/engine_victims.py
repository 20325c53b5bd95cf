"""Killing a run while it trains, whoever started it: the process is found by the lock that it holds. Linux alone."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from progbench.runs.leftovers import checkpoint_of

PROCESSES = Path("/proc")
LATEST = 1.0  # seconds from when a run has a checkpoint to the kill; smoke's shortest runs go on for about one
PATIENCE = 30.0  # seconds, for a process that was killed to be gone


@dataclass(frozen=True)
class Killed:
    """A run whose process was killed before it had a result: where that will be, and which process that was."""

    result: Path
    process: int
    command: str
    waited: float

    def __str__(self) -> str:
        recipe = self.result.parent.parent.name
        words = f"{recipe}, seed {self.result.stem.removeprefix('seed')}"
        return f"{words} (process {self.process}, {self.waited:.2f} s after a checkpoint was seen)"


class Hunter:
    """Kills one run of a folder of results while it trains, at a moment that is drawn by chance.

    It waits until some of the `total` results are there, takes one of the runs that have a checkpoint, which is sure
    to train then, and waits a part of a second more. If that run is done before, it takes another.
    """

    def __init__(self, runs: Path, total: int, chance: random.Random) -> None:
        self.runs, self.chance = runs, chance
        self.after = chance.randrange(max(1, total // 2))
        self.killed: Killed | None = None
        self.missed: list[str] = []
        self._aim: tuple[Path, int, float, float] | None = None

    def look(self, now: float) -> None:
        """Do what there is to do at this time, in seconds: nothing, take aim, or kill."""
        if self.killed or filed(self.runs) < self.after:
            return
        if self._aim is None:
            victims = [(lock, process) for lock in training(self.runs) if (process := holder(lock))]
            if victims:
                wait = self.chance.uniform(0, LATEST)
                self._aim = (*self.chance.choice(victims), wait, now + wait)
        elif now >= self._aim[3]:
            lock, process, wait, _ = self._aim
            self._aim = None
            result = lock.with_suffix(".json")
            command = command_of(process)
            if kill_holder(lock, process) and not result.exists():
                self.killed = Killed(result, process, command, wait)
            else:
                self.missed.append(f"{result.parent.parent.name}, {result.stem}: it was done before")


def filed(runs: Path) -> int:
    """How many results a folder holds."""
    return sum(1 for _ in runs.glob("*/*/*/seed*.json"))


def training(runs: Path) -> list[Path]:
    """The locks of the runs that have a checkpoint, and no result yet: each is past its first epoch."""
    checkpoints = runs.glob(f"*/*/*/{checkpoint_of('*')}-*")
    locks = {path.with_name(f"{path.name.partition('.')[0]}.lock") for path in checkpoints}
    return sorted(lock for lock in locks if not lock.with_suffix(".json").exists())


def holder(lock: Path) -> int | None:
    """The process that has this lock's file open. Gives None where no process has, and where several have."""
    found = {process for process, path in _open_files() if path == str(lock.resolve())}
    return found.pop() if len(found) == 1 else None


def _open_files() -> Iterator[tuple[int, str]]:
    for process in (path for path in PROCESSES.iterdir() if path.name.isdecimal()):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            for file in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    yield int(process.name), os.readlink(file)


def command_of(process: int) -> str:
    """A process's command line; "" where it has ended."""
    try:
        return (PROCESSES / str(process) / "cmdline").read_text("utf-8", "replace").replace("\0", " ").strip()
    except OSError:
        return ""


def kill_holder(lock: Path, process: int) -> bool:
    """Send SIGKILL to the process if it holds this lock, and wait until it has ended; False where it does not.

    Raises TimeoutError if it goes on all the same.
    """
    with contextlib.ExitStack() as stack:
        try:
            handle = os.pidfd_open(process)  # of this very process, even if its number is soon another's
        except ProcessLookupError:
            return False
        stack.callback(os.close, handle)
        if holder(lock) != process:
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        if not select.select([handle], [], [], PATIENCE)[0]:
            raise TimeoutError(f"process {process} was killed, and goes on after {PATIENCE:.0f} seconds")
    return True
