"""Do all engines make the same results here, a worker killed on the way? One command, no network, minutes an engine:

    python benchmarks/engine_check.py --out DIR

pytest itself makes and judges the smoke suite's units first, without a kill. Then each engine makes them in a folder of
its own; one of its workers is killed while it trains, and the same pytest judges. The line of an engine ends as ok or
FAILED: its report must be pytest's in all but what `engine_reports.LEFT_OUT` names, and its scores the same to the last
bit. The exit code is 1 where one failed. DIR/engine_check.json holds all of it, and DIR/<engine> what each one did.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import engine_runs
from engine_reports import LEFT_OUT, differences, identical
from engine_runs import ENGINES, SUITE, Made, Stuck
from engine_victims import PROCESSES

from progbench import environment
from progbench.commands.common import INTERRUPTED
from progbench.errors import BadInput
from progbench.files import require_room, write_atomically
from progbench.session import stopping
from progbench.session.marks import MARKS

TRAINED = [mark for mark, tables in MARKS.items() if tables]  # where nothing is trained, nothing can be killed
SHOWN = 5  # of an engine's differences
BASELINE = "pytest"
NO_SLURM = "no Slurm answers here (sinfo)"


@dataclasses.dataclass
class Found:
    """What an engine came to: all that is `wrong`, and what there was to see.

    `process` is the command line of the one that was killed, `missed` are the tries before, of `scores` so many are the
    same out of so many.
    """

    engine: str
    units: int = 0
    killed: str = ""
    process: str = ""
    missed: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    scores: tuple[int, int] = (0, 0)
    wrong: list[str] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        words = [f"{self.units} units", self.killed, f"{self.seconds:.0f} s"]
        words += [f"{self.scores[0]} of {self.scores[1]} scores bit-identical"]
        rest = len(self.wrong) - SHOWN
        words += [*self.wrong[:SHOWN], *([f"and {rest} more"] if rest > 0 else [])] or ["reports equal"]
        return f"{'FAILED' if self.wrong else 'ok':<8}{self.engine}: {'; '.join(filter(None, words))}"


def held(start: Made, code: int, report: Mapping[str, Any], baseline: tuple[int, Mapping[str, Any]]) -> Found:
    """Hold what an engine made, pytest's exit code on it, and its report to the baseline's code and report."""
    found = Found(start.engine, start.units, missed=start.hunter.missed, seconds=start.seconds)
    found.process = start.hunter.killed.command if start.hunter.killed else ""
    try:
        found.killed = start.became()
    except BadInput as problem:
        found.wrong.append(str(problem))
    if start.codes[-1]:
        found.wrong.append(f"progbench submit ended with {start.codes[-1]}")
    if code != baseline[0]:
        found.wrong.append(f"judging ended with {code}, not {baseline[0]}")
    found.scores = identical(baseline[1], report)
    found.wrong += differences(baseline[1], report)
    if found.scores[0] != found.scores[1] or not found.scores[1]:
        found.wrong.insert(0, "scores differ" if found.scores[1] else "there is no score to compare")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Check every engine that is asked for: 0 if none failed, 1 if one did, 130 where it was told to end."""
    parser = argparse.ArgumentParser(description="Have each engine make the smoke suite, and compare the reports.")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep what was made, and engine_check.json, there")
    parser.add_argument("--engines", metavar="NAMES", default="", help=f"some of {','.join(ENGINES)} (default: all)")
    parser.add_argument("-m", dest="mark", choices=TRAINED, default="", help="only what this mark judges")
    options = parser.parse_args(arguments)
    if not PROCESSES.is_dir():
        parser.error(f"the worker to kill is found in {PROCESSES}, which only Linux has")
    named = list(dict.fromkeys(name for name in options.engines.split(",") if name))
    if strange := [name for name in named if name not in ENGINES]:
        parser.error(f"--engines {strange[0]}: there are {', '.join(ENGINES)}")
    engines = [name for name in named or ENGINES if engine_runs.is_here(name)]
    if "slurm" in named and "slurm" not in engines:
        parser.error(f"--engines slurm: {NO_SLURM}")
    with contextlib.ExitStack() as ending:
        out = (options.out or Path(ending.enter_context(tempfile.TemporaryDirectory()))).absolute()
        for name in engines:
            if (out / name).exists():
                parser.error(f"--out: {out / name} is there from before: delete it, or name another folder")
        try:
            require_room(out)
        except OSError as problem:
            parser.error(f"--out {out}: cannot be written: {problem.strerror or problem}")
        if not named and "slurm" not in engines:
            print(f"{'skipped':<8}slurm: {NO_SLURM}", flush=True)
        ending.enter_context(stopping.interrupted_when_told())
        try:
            return checked(engines, out, options.mark)
        except KeyboardInterrupt:
            print("told to end", flush=True)
            return INTERRUPTED


def checked(engines: list[str], out: Path, mark: str) -> int:
    """Make the baseline, check these engines, say what comes of each, and write engine_check.json; the exit code."""
    content: dict[str, Any] = {"environment": environment.describe(), "suite": SUITE, "mark": mark}
    content |= {"left_out": LEFT_OUT, "engines": []}
    begun = time.monotonic()
    try:
        code = engine_runs.baseline(out / BASELINE, mark, _sayer(BASELINE))
        if code not in (0, 1):  # 1: pytest judged, and something deviates
            raise BadInput(f"pytest ended with {code}")
        report = engine_runs.report_of(out / BASELINE)
    except (BadInput, Stuck) as problem:
        print(f"{'FAILED':<8}{BASELINE}: {problem}", flush=True)
        return 1
    total = sum(len(one["runs"]) for one in report["runs"])
    scores = identical(report, report)[1]
    seconds = time.monotonic() - begun
    print(f"{'ok':<8}{BASELINE}: {total} runs with {scores} scores in {seconds:.0f} s, none killed", flush=True)
    content["baseline"] = {"runs": total, "scores": scores, "seconds": seconds, "exit_code": code}
    found = []
    for name in engines:
        found.append(_checked(name, out / name, mark, total, (code, report)))
        print(found[-1], flush=True)
        content["engines"] = [dataclasses.asdict(one) for one in found]
        write_atomically(out / "engine_check.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
    failed = [one.engine for one in found if one.wrong]
    print(f"{len(found)} engines: {len(failed)} failed{': ' + ', '.join(failed) if failed else ''}")
    return 1 if failed else 0


def _checked(name: str, folder: Path, mark: str, total: int, baseline: tuple[int, Mapping[str, Any]]) -> Found:
    try:
        start = engine_runs.made(name, folder, mark, total, _sayer(name))
        return held(start, engine_runs.judged(folder, mark), engine_runs.report_of(folder), baseline)
    except (BadInput, Stuck, TimeoutError) as problem:
        return Found(name, wrong=[str(problem)])


def _sayer(name: str) -> Callable[[str], None]:
    return lambda line: print(f"  {name}: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
