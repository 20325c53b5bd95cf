"""Is the GPU path right on this machine, and how fast is it? One command, a few minutes, no network:

    python benchmarks/gpu_check.py --out DIR

Each check prints one line with its number and ends as ok, FAILED or skipped (saying why). At the end stand the promises
of the GPU path, and which of them this card has confirmed. The exit code is 1 where a check failed. DIR/gpu-check.json
holds all of it. After four minutes (`--minutes`) what is left is skipped. Without a GPU the same checks run on the CPU,
where a stand-in captures: it shows faults of Python's, and confirms nothing of a card.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
import gpu_speed
from gpu_checks import CHECKS
from gpu_machine import Machine, Skipped
from gpu_promises import confirmed

from progbench import environment
from progbench.files import require_room, write_atomically


@dataclasses.dataclass(frozen=True)
class Found:
    """What a check came to: ok, FAILED or skipped, its number, and what that means."""

    check: str
    outcome: str
    number: float | None
    words: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.outcome:<8}{self.check}: {self.words} ({self.seconds:.1f} s)"


def checked(name: str, check: Callable[[], tuple[float, float, str]]) -> Found:
    """Run a check; an exception is a failure with its words.

    >>> print(checked("x", lambda: (2.0, 1.0, "two")))
    FAILED  x: two; at most 1 is allowed (0.0 s)
    """
    start = time.perf_counter()
    try:
        number, most, words = check()
        outcome = "ok" if number <= most else "FAILED"
        words = words if outcome == "ok" else f"{words}; at most {most:g} is allowed"
    except Skipped as problem:
        number, outcome, words = None, "skipped", str(problem)
    except Exception as problem:
        number, outcome, words = None, "FAILED", f"{type(problem).__name__}: {problem}"
    number = number if number is not None and math.isfinite(number) else None
    return Found(name, outcome, number, words, time.perf_counter() - start)


def main(arguments: list[str] | None = None) -> int:
    """Run every check and measure the speed; 0 if no check failed, 2 where a GPU was asked for and there is none."""
    parser = argparse.ArgumentParser(description="Prove the GPU path right and print its speed.")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write DIR/gpu-check.json")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="the checks whose names hold this, without the speed"
    )
    parser.add_argument("--minutes", type=float, default=4.0, metavar="N", help="skip what is left after so many (4)")
    options = parser.parse_args(arguments)
    end = time.perf_counter() + 60 * options.minutes
    if not any(options.only in name for name in CHECKS):
        parser.error(f"--only {options.only}: no check has that in its name; there are: {', '.join(CHECKS)}")
    if options.out:
        try:
            require_room(options.out)
        except OSError as problem:
            parser.error(f"--out {options.out}: cannot be written: {problem.strerror or problem}")
    device = "cuda" if options.device != "cpu" and torch.cuda.is_available() else "cpu"
    if options.device == "cuda" and device == "cpu":
        print("gpu-check: no GPU that torch can use", file=sys.stderr)
        return 2
    where = torch.cuda.get_device_name() if device == "cuda" else "a CPU, where a stand-in captures"
    print(f"gpu-check on {where}, torch {torch.__version__}", flush=True)
    if device == "cpu":
        torch.set_num_threads(1)  # tiny models gain nothing from a second, and wait for it on a busy machine
    machine, checks = Machine(device), []
    for name, check in CHECKS.items():
        if options.only in name:
            checks.append(checked(name, functools.partial(_in_time, end, check, machine)))
            print(checks[-1], flush=True)
    content = {"environment": environment.describe(device), "checks": checks, "speed": {}}
    _write(options.out, content)  # what was proved is kept, whatever becomes of the speed
    if not options.only:
        checks.append(checked("speed", functools.partial(_speed, device, content["speed"], end)))
        print(checks[-1], flush=True)
        _write(options.out, content)
    for line in confirmed({done.check: done.outcome for done in checks}, device) if not options.only else ():
        print(line)
    failed = [done.check for done in checks if done.outcome == "FAILED"]
    print(f"{len(checks)} checks: {len(failed)} failed{': ' + ', '.join(failed) if failed else ''}")
    return 1 if failed else 0


def _in_time(end: float, check: Callable[[Machine], tuple[float, float, str]], machine: Machine) -> tuple:
    """A check, unless the time is over."""
    if time.perf_counter() > end:
        raise Skipped("the time is over; --minutes gives more")
    return check(machine)


def _speed(device: str, measured: dict, end: float) -> tuple[float, float, str]:
    """Measure as long as there is time, and count the shapes whose steps were not captured."""
    measured |= gpu_speed.short(device, functools.partial(print, flush=True), end)
    refused = [step["refused"] for step in measured["steps"] if step["refused"]]
    return float(len(refused)), 0.0, f"{len(measured['steps'])} shapes; {len(refused)} were not captured"


def _write(folder: Path | None, content: dict) -> None:
    if folder:
        content = content | {"checks": [dataclasses.asdict(done) for done in content["checks"]]}
        write_atomically(folder / "gpu-check.json", json.dumps(content, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
