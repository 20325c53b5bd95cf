"""The command `progbench`: a report on results that exist, or a plan of what a schedule trains in a model."""

from __future__ import annotations

import argparse
import functools
import gc
import importlib.metadata
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from progbench.errors import BadInput
from progbench.judging import against
from progbench.method.options import TUNINGS
from progbench.method.schedule import SCHEDULES, named
from progbench.models import loading
from progbench.recipes import reading
from progbench.report import difference, printing, text, writing
from progbench.report.cells import plain
from progbench.session import reporting
from progbench.session.suite import Suite

ANSWERS = Path(__file__).resolve().parents[1] / "expected"
FINE, FAILED, USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0; 1 where something deviates, changed or is an error; 2 for usage.

    >>> main(["report", "/no/such/folder"])
    2
    """
    options = _parser().parse_args(arguments)
    gc.disable()  # thousands of results are millions of objects, none of them garbage: looking takes half the time
    try:
        if options.command == "params":
            return _params(options)
        if options.report and options.report.exists() and not options.report.is_dir():
            raise BadInput(f"--report {options.report}: not a folder")
        return _against(options) if options.against else _report(options)
    except BadInput as problem:
        print(f"progbench {options.command}: {plain(problem)}", file=sys.stderr)
        return USAGE
    finally:
        gc.enable()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="progbench", description="Does the paper reproduce, and where does it deviate?"
    )
    parser.add_argument("--version", action="version", version=f"progbench {importlib.metadata.version('progbench')}")
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser("report", help="report on a folder of results; trains nothing")
    report.add_argument("runs", type=Path, metavar="RUNS", help="a folder of results")
    report.add_argument("--suite", choices=reading.suites(), help="which suite; needed where RUNS has several")
    report.add_argument("--against", type=Path, metavar="OTHER", help="compare with another folder, score by score")
    report.add_argument("--report", type=Path, metavar="DIR", help="also write the report there: report.html and more")
    params = commands.add_parser("params", help="what each stage of a schedule trains in a model; no weights needed")
    params.add_argument("model", metavar="MODEL", help="a known name, a model's folder, or its config.json")
    params.add_argument("--epochs", type=int, required=True, metavar="T", help="how many stages")
    params.add_argument("--schedule", default="shrinking", help=f"{', '.join(SCHEDULES)}, or single_block_b<N>")
    params.add_argument("--tuning", choices=TUNINGS, default="full", help="what trains inside a block")
    params.add_argument("--labels", type=int, default=2, metavar="N", help="outputs of the classifier; default 2")
    return parser


def _params(options: argparse.Namespace) -> int:
    from progbench.method.anatomy import Anatomy
    from progbench.method.plan import plan
    from progbench.method.tuning import apply_tuning

    model = loading.outline(options.model, options.labels)
    if options.tuning != "full":
        import torch

        with torch.device("meta"):
            apply_tuning(model, options.tuning)
    anatomy = Anatomy.of(model, options.tuning)
    try:
        schedule = named(options.schedule, anatomy.L, options.epochs)
    except ValueError as problem:
        raise BadInput(str(problem)) from problem
    printing.show(f"{anatomy}\n\n{plan(anatomy, schedule)}")
    return FINE


def _report(options: argparse.Namespace) -> int:
    if not ANSWERS.is_dir():
        raise BadInput(f"no expected values: {ANSWERS} is no folder; install from a checkout, with pip install -e .")
    found = reporting.report(Suite(_suite(options), ANSWERS, options.runs, seeds=None, train=False))
    return _finish(options, functools.partial(writing.write, found), text.render(found), found.failed)


def _against(options: argparse.Namespace) -> int:
    suite = options.suite or ""
    found = against.compare(against.read(options.runs, suite), against.read(options.against, suite))
    return _finish(options, functools.partial(difference.write, found), difference.as_text(found), found.failed)


def _finish(options: argparse.Namespace, write: Callable[[Path], list[Path]], text: str, failed: bool) -> int:
    """Write first: whoever reads the text, `head` for one, may stop reading."""
    problem = None
    written: list[Path] = []
    try:
        written = write(options.report) if options.report else []
    except OSError as failure:
        problem = BadInput(f"--report {options.report}: cannot be written: {failure.strerror or failure}")
    printing.show("\n".join([text, *(f"written: {plain(path)}" for path in written)]))
    if problem:
        raise problem
    return FAILED if failed else FINE


def _suite(options: argparse.Namespace) -> str:
    """The suite that was asked for, or the only one that has results. Raises BadInput where there are none."""
    if options.runs.is_file():
        raise BadInput(f"{options.runs} is a file, not a folder of results")
    if not options.runs.is_dir():
        raise BadInput(f"no such folder: {options.runs}")
    found = [name for name in reading.suites() if any(options.runs.glob(f"{name}/*/*/seed*.json"))]
    wanted = [options.suite] if options.suite else found
    if not set(wanted) & set(found):
        others = f"; there are results of {', '.join(found)}" if found else ""
        raise BadInput(
            f"no results{f' of the suite {options.suite}' if options.suite else ''} in {options.runs}{others}"
        )
    if len(wanted) > 1:
        raise BadInput(f"{options.runs} has results of {', '.join(wanted)}: choose one with --suite")
    return wanted[0]
