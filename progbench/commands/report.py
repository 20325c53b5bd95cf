"""progbench report: what is on file, judged, or compared with another folder. Trains nothing."""

import argparse
import functools
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from progbench.commands.arguments import add_command
from progbench.commands.exit_codes import FAILED, FINE
from progbench.commands.suite_asked import on_file
from progbench.errors import BadInput
from progbench.files import is_folder
from progbench.recipes import reading
from progbench.report import printing, text
from progbench.report.cells import plain
from progbench.session import reporting


def add(commands: Any) -> None:
    report = add_command(
        commands,
        "report",
        "report on a folder of results; trains nothing",
        "Judges the results in a folder and prints the report, or compares them with those in another folder.",
        "progbench report runs --suite smoke --report pages",
    )
    report.add_argument("runs", type=Path, metavar="RUNS", help="a folder of results")
    report.add_argument("--suite", choices=reading.suites(), help="which suite; needed where RUNS has several")
    report.add_argument("--against", type=Path, metavar="OTHER", help="compare with another folder, score by score")
    report.add_argument("--report", type=Path, metavar="DIR", help="also write the report there: report.html and more")


def run(options: argparse.Namespace) -> int:
    """Report on a folder; 1 where something deviates, changed or is an error. Raises BadInput where it cannot."""
    if options.report and not is_folder(options.report, "--report ") and os.path.lexists(options.report):
        raise BadInput(f"--report {options.report}: not a folder")
    gc.disable()  # thousands of results are millions of objects, none of them garbage: looking takes half the time
    try:
        return _against(options) if options.against else _report(options)
    finally:
        gc.enable()


def _report(options: argparse.Namespace) -> int:
    found = reporting.report(on_file(options.runs, options.suite))

    def write(folder: Path) -> list[Path]:
        from progbench.report import writing  # loads what makes pages and figures

        return writing.write(found, folder)

    return _finish(options, write, text.render(found), found.failed)


def _against(options: argparse.Namespace) -> int:
    from progbench.judging import against
    from progbench.report import difference

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
