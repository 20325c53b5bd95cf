"""The smoke suite's units made by an engine, one worker killed on the way, and judged: by the real commands."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_victims import Hunter, filed

from progbench.errors import BadInput
from progbench.runs import results

ROOT = Path(__file__).resolve().parents[1]
SUITE = "smoke"
# What `progbench submit` is given for each engine.
ENGINES = {
    "local": ("--engine", "local"),
    "slurm-local": ("--engine", "slurm", "--slurm", "cluster=local"),
    "slurm": ("--engine", "slurm"),
    "ray": ("--engine", "ray"),
}
NOT_AGAIN = ("slurm-local", "slurm")  # they do not start a job again that was killed: the command does the rest
LOOK_EVERY = 0.05  # seconds, for a moment that lies within one
WAIT = 0.5  # seconds, where there is nothing to hit
SAY_EVERY = 30.0
STUCK = 900.0  # seconds without a new result
Say = Callable[[str], None]


class Stuck(Exception):
    """An engine files nothing any more."""


@dataclass(frozen=True)
class Made:
    """What an engine made: how many units, the exit code of each start, who killed one, and how long all took."""

    engine: str
    units: int
    codes: tuple[int, ...]
    hunter: Hunter
    seconds: float

    def became(self) -> str:
        """What became of the run that was killed. Raises BadInput where it was not made, or not gone on with."""
        killed = self.hunter.killed
        if killed is None:
            raise BadInput(f"no run was killed: {len(self.hunter.missed)} tries, each on a run that was done before")
        if not killed.result.exists():
            raise BadInput(f"{killed} was killed, and has no result")
        result = results.read(killed.result)
        if result.error:
            raise BadInput(f"{killed} was killed, and failed then: {result.error}")
        resumed = [note for note in result.notes if note.startswith("resumed ")]
        if not result.provenance.resumed or not resumed:
            raise BadInput(f"{killed} was killed, and did not go on from its checkpoint")
        who = "by the same command, given once more" if len(self.codes) > 1 else "by the engine"
        return f"killed {killed}: started again {who}, {resumed[0]}"


def is_here(engine: str) -> bool:
    """Whether an engine can be tried: Slurm where `sinfo` answers, and the others everywhere."""
    if engine != "slurm":
        return True
    try:
        return subprocess.run(["sinfo"], capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def baseline(folder: Path, mark: str, say: Say) -> int:
    """Have pytest itself make and judge the units, without a kill, into `folder`; gives its exit code."""
    runs = folder / "runs"
    with _started(_judging(folder, mark), folder / "pytest.log", runs) as process:
        watch = _Watch(runs, say)
        while process.poll() is None:
            watch.look()
    return process.returncode


def judged(folder: Path, mark: str) -> int:
    """Have pytest judge what an engine made, and train nothing; gives its exit code."""
    with (folder / "pytest.log").open("w", encoding="utf-8") as log:
        return subprocess.run(
            [*_judging(folder, mark), "--no-train"], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode


def report_of(folder: Path) -> Mapping[str, Any]:
    """The report that a session left in a folder. Raises BadInput, with the last line it said, where it left none."""
    try:
        return json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"no report: {_last_line(folder / 'pytest.log')}") from None


def made(engine: str, folder: Path, mark: str, total: int, say: Say) -> Made:
    """Have an engine make the units of `total` runs into `folder`, and kill one on the way.

    Where the engine does not start it again, the command is started once more. Raises Stuck.
    """
    begun = time.monotonic()
    hunter = Hunter(folder / "runs", total, random.Random(engine))
    codes = [_submitted(engine, folder, mark, hunter, say)]
    if engine in NOT_AGAIN and hunter.killed and not hunter.killed.result.exists():
        say("the same command once more, for the unit that was killed")
        codes.append(_submitted(engine, folder, mark, hunter, say))
    said = re.search(
        r"^(\d+) units with \d+ runs are missing", _log(folder).read_text("utf-8", "replace"), re.MULTILINE
    )
    return Made(engine, int(said[1]) if said else 0, tuple(codes), hunter, time.monotonic() - begun)


def _submitted(engine: str, folder: Path, mark: str, hunter: Hunter, say: Say) -> int:
    """Start the command, and kill one of its runs; gives its exit code once its jobs are done, too."""
    asked = ["--suite", SUITE, "--runs", str(hunter.runs), *(["-m", mark] if mark else [])]
    command = [sys.executable, "-m", "progbench", "submit", *ENGINES[engine], *asked]
    log = _log(folder)
    told = log.stat().st_size if log.exists() else 0
    with _started(command, log, hunter.runs) as process:
        watch = _Watch(hunter.runs, say, hunter)
        while process.poll() is None:
            watch.look()
        job = re.search(r"^submitted as (\d+)", log.read_bytes()[told:].decode("utf-8", "replace"), re.MULTILINE)
        while job and _queued(job[1]):
            watch.look()
    return process.returncode


class _Watch:
    """Lets a hunter look, again and again, and says now and then how many results there are. Raises Stuck."""

    def __init__(self, runs: Path, say: Say, hunter: Hunter | None = None) -> None:
        self.runs, self.say, self.hunter = runs, say, hunter
        self.begun = self.said = self.grown = time.monotonic()
        self.filed = 0

    def look(self) -> None:
        now = time.monotonic()
        hunting = self.hunter is not None and not self.hunter.killed
        if hunting:
            self.hunter.look(now)
            if killed := self.hunter.killed:
                self.say(f"killed {killed}: {killed.command}")
        there = filed(self.runs)
        if there > self.filed:
            self.filed, self.grown = there, now
        if now - self.grown > STUCK:
            raise Stuck(f"no new result for {STUCK / 60:.0f} minutes, {there} are there")
        if now - self.said > SAY_EVERY:
            self.said = now
            self.say(f"{there} results after {now - self.begun:.0f} s")
        time.sleep(LOOK_EVERY if hunting else WAIT)


def _queued(job: str) -> bool:
    """Whether Slurm has any of an array's jobs still to do; it forgets those that are done after a while."""
    asked = subprocess.run(["squeue", "--noheader", "--jobs", job], capture_output=True, text=True, check=False)
    return asked.returncode == 0 and bool(asked.stdout.strip())


@contextlib.contextmanager
def _started(command: list[str], log: Path, runs: Path) -> Iterator[subprocess.Popen]:
    """A process of this checkout that adds what it says to a file; told to end if anything goes wrong meanwhile."""
    runs.mkdir(parents=True, exist_ok=True)
    variables = os.environ | {"RAY_ADDRESS": "local"}  # a cluster of its own, whose processes are here
    with log.open("a", encoding="utf-8") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            process_group=0,  # Ctrl-C comes here alone, and is handed on once
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _judging(folder: Path, mark: str) -> list[str]:
    asked = ["--suite", SUITE, "--runs", str(folder / "runs"), "--report", str(folder / "report")]
    return [
        sys.executable,
        "-m",
        "pytest",
        "benchmarks",
        "-p",
        "no:cacheprovider",
        *asked,
        *(["-m", mark] if mark else []),
    ]


def _log(folder: Path) -> Path:
    return folder / "submit.log"


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()] if log.exists() else []
    return lines[-1] if lines else "it said nothing"
