"""Do all engines make the same results here, a worker killed on the way? One command, no network, minutes an engine:

    python benchmarks/engine_check.py --out DIR

pytest itself makes and judges the smoke suite's units first. Then each engine makes them in a folder of its own; one of
its workers is killed while it trains, and the same pytest judges. An engine is ok where its report is pytest's in all
but what LEFT_OUT names, scores to the last bit, and the killed run went on from its checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from progbench.errors import BadInput
from progbench.runs import results
from progbench.runs.cleanup import checkpoint_of
from progbench.session import stopping
from progbench.session.marks import MARKS

ROOT = Path(__file__).resolve().parents[1]
LOCKS = Path("/proc/locks")  # which only Linux has
ENGINES = {
    "local": ("--engine", "local"),
    "slurm-local": ("--engine", "slurm", "--slurm", "cluster=local"),
    "slurm": ("--engine", "slurm"),
    "ray": ("--engine", "ray"),
}
NOT_AGAIN = ("slurm-local", "slurm")  # they do not start a killed job again: the command, given once more, does
LATEST, LONGEST = 1.0, 3600.0  # seconds: from a run's checkpoint to the kill, and that a command may take
# Which keys of report.json are left out of the comparison, and why; * stands for any name, or any part of one.
LEFT_OUT = {
    "environment > date": "when it was judged",
    "runs > * > runs > * > *seconds": "a time",
    "runs > * > runs > * > memory": "what the process held at most, with all that its engine had loaded into it",
    "runs > * > runs > * > others": "what else this machine did meanwhile; of a run that was resumed nobody knows",
    "costs > * > step_seconds": "a share of times",
    "costs > * > memory": "a share of memory",
    "costs > * > unknown > step time: *": "which of those times were taken alone",
    "summary > warnings > * with step times left out: *": "which of those times were taken alone",
    "summary > warnings > *: resumed *": "that a run was resumed",
}
NAMES = ("table", "cell", "variant", "claim", "recipe", "digest", "seed", "body", "schedule", "task")  # of list items


def differences(expected: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """What of the second report is not as in the first, a sentence each; numbers are compared bit for bit."""
    ours, theirs = (dict(_compared(report)) for report in (expected, made))
    paths = [path for path in {**ours, **theirs} if ours.get(path) != theirs.get(path)]
    said = [f"{path}: {theirs.get(path)!r} in the place of {ours.get(path)!r}" for path in paths]
    return said or ([] if [*ours] == [*theirs] else ["the same in another order"])


def scores_in(report: Mapping[str, Any]) -> int:
    return sum(path.startswith("runs") and " > scores > " in path for path, _ in _compared(report))


def _compared(it: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All that is in a report, with the names that lead to it: an item of a list is named by what it is about."""
    if any(fnmatchcase(path, pattern) and path.count(" > ") == pattern.count(" > ") for pattern in LEFT_OUT):
        return
    if isinstance(it, dict):
        inside = [*it.items()]
    elif isinstance(it, list):
        names = [" ".join(str(own[n]) for n in NAMES if n in own) if isinstance(own, dict) else str(own) for own in it]
        inside = [(f"{name} {names[:k].count(name) or ''}".strip(), it[k]) for k, name in enumerate(names)]
    else:
        yield path, it
        return
    for name, inner in inside:
        yield from _compared(inner, f"{path} > {name}" if path else name)


def hunt(runs: Path, total: int, chance: random.Random) -> Iterator[Path | None]:
    """Kill one run that has a checkpoint and no result, at a moment that is drawn, once some of `total` are there.

    Gives None until then, and at last its result's path. A run that is done before the kill does not count.
    """
    after = chance.randrange(max(1, total // 2))
    while True:
        checkpoints = runs.glob(f"*/*/*/{checkpoint_of('*')}-*")
        locks = sorted({path.with_name(f"{path.name.partition('.')[0]}.lock") for path in checkpoints})
        locks = [lock for lock in locks if not lock.with_suffix(".json").exists()]
        if not locks or len([*runs.glob("*/*/*/seed*.json")]) < after:
            yield None
            continue
        lock, moment = chance.choice(locks), time.monotonic() + chance.uniform(0, LATEST)
        while time.monotonic() < moment:
            yield None
        if kill_holder(lock) and not lock.with_suffix(".json").exists():
            yield lock.with_suffix(".json")
            return


def kill_holder(lock: Path) -> bool:
    """Send SIGKILL to the one process that holds a lock, and wait until it is gone; False where there is none."""
    holders = holding(lock)
    if len(holders) != 1:
        return False
    os.kill(holders[0], signal.SIGKILL)
    while holding(lock) == holders:
        time.sleep(0.01)
    return True


def holding(lock: Path) -> list[int]:
    """The processes that hold a lock, as the kernel lists them."""
    held = [line.split() for line in LOCKS.read_text().splitlines() if "->" not in line]  # an arrow waits
    return [int(words[4]) for words in held if words[5].endswith(f":{lock.stat().st_ino}")]


def command(words: list[str], log: Path, looked: Iterator[Path | None] | None = None) -> tuple[int, Path | None]:
    """Run a command of this checkout, and look meanwhile; gives its exit code, and the last that was seen."""
    log.parent.mkdir(parents=True, exist_ok=True)
    seen, begun = None, time.monotonic()
    variables = os.environ | {"RAY_ADDRESS": "local"}  # a cluster of its own, whose processes are here
    with log.open("a") as said:
        process = subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT, env=variables, stdout=said, stderr=said)
    try:
        while process.poll() is None or _queued(log):
            seen = (looked and next(looked, None)) or seen
            if time.monotonic() > begun + LONGEST:
                raise BadInput(f"not done after {LONGEST / 60:.0f} minutes: {log}")
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait()
    return process.returncode, seen


def _queued(log: Path) -> bool:
    jobs = re.findall(r"^submitted as (\d+)", log.read_text("utf-8", "replace"), re.MULTILINE)
    asked = ["squeue", "--noheader", "--jobs", *jobs[-1:]]
    return bool(jobs) and bool(subprocess.run(asked, capture_output=True, check=False).stdout.strip())


def judged(folder: Path, mark: list[str], *options: str) -> tuple[int, Mapping[str, Any]]:
    """Have pytest judge a folder's runs: its exit code and its report. Raises BadInput where it left none."""
    asked = ["--suite", "smoke", "--runs", str(folder / "runs"), "--report", str(folder / "report"), *mark, *options]
    code, _ = command(["pytest", "benchmarks", "-p", "no:cacheprovider", *asked], folder / "pytest.log")
    if code not in (0, 1):  # 1: pytest judged, and something deviates
        raise BadInput(f"pytest ended with {code}: {folder / 'pytest.log'}")
    return code, json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))


def checked(engine: str, folder: Path, mark: list[str], expected: tuple[int, Mapping[str, Any]]) -> list[str]:
    """Have an engine make the runs, one of them killed, and hold what comes to pytest's own; gives what is wrong."""
    runs, total = folder / "runs", sum(len(recipe["runs"]) for recipe in expected[1]["runs"])
    submit = ["progbench", "submit", *ENGINES[engine], "--suite", "smoke", "--runs", str(runs), *mark]
    code, killed = command(submit, folder / "submit.log", hunt(runs, total, random.Random(engine)))
    if engine in NOT_AGAIN and killed and not killed.exists():
        code, _ = command(submit, folder / "submit.log")
    resumed = killed and killed.exists() and results.read(killed).provenance.resumed
    own = judged(folder, mark, "--no-train")
    faults = {
        f"progbench submit ended with {code}": code,
        "no run was killed": not killed,
        f"{killed} was killed, and did not go on from its checkpoint": killed and not resumed,
        f"judging ended with {own[0]}, not {expected[0]}": own[0] != expected[0],
        "there is no score to compare": not scores_in(expected[1]),
    }
    return [fault for fault, there in faults.items() if there] + differences(expected[1], own[1])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Have each engine make the smoke suite, and compare the reports.")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep what was made in this folder, which is empty yet")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=["local", "slurm-local", "ray"])
    parser.add_argument("-m", dest="mark", choices=MARKS, default="", help="only what this mark judges, by training")
    options = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, stopping.interrupted_when_told():
        out, mark = (options.out or Path(scratch)).absolute(), ["-m", options.mark] if options.mark else []
        expected = judged(out / "pytest", mark)
        print(f"ok      pytest: {scores_in(expected[1])} scores", flush=True)
        for engine in options.engines:
            try:
                wrong = checked(engine, out / engine, mark, expected)
            except BadInput as problem:
                wrong = [str(problem)]
            failed += bool(wrong)
            print(f"{'FAILED' if wrong else 'ok':<8}{engine}: {'; '.join(wrong[:5]) or 'reports equal'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
