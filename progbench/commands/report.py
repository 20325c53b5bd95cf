"""progbench report: report on a folder of results; trains nothing.

Judges the results in a folder and prints the report, or compares them with those in another folder.

example: progbench report runs --suite smoke --report pages
"""

import argparse
import functools
import gc
import os
from collections.abc import Callable
from pathlib import Path

from progbench.commands import shared
from progbench.errors import BadInput
from progbench.files import is_folder
from progbench.report import printing, text
from progbench.report.cells import plain
from progbench.session import reporting

Found = tuple[Callable[[Path], list[Path]], str, bool]  # what writes a report, its text, and whether something is wrong


def add(parser: argparse.ArgumentParser) -> None:
    shared.add_folder(parser)
    parser.add_argument("--against", type=Path, metavar="OTHER", help="compare with another folder, score by score")
    shared.add(parser, "--report")


def run(options: argparse.Namespace) -> int:
    """Report on a folder; 1 where something deviates, changed or is an error. Raises BadInput where it cannot."""
    if options.report and not is_folder(options.report, "--report ") and os.path.lexists(options.report):
        raise BadInput(f"--report {options.report}: not a folder")
    gc.disable()  # thousands of results are millions of objects, none of them garbage: looking takes half the time
    try:
        write, words, failed = _against(options) if options.against else _report(options)
        problem, written = None, []
        try:  # before the text: whoever reads that, `head` for one, may stop reading
            written = write(options.report) if options.report else []
        except OSError as failure:
            problem = BadInput(f"--report {options.report}: cannot be written: {failure.strerror or failure}")
        printing.show("\n".join([words, *(f"written: {plain(path)}" for path in written)]))
    finally:
        gc.enable()
    if problem:
        raise problem
    return shared.FAILED if failed else shared.FINE


def _report(options: argparse.Namespace) -> Found:
    found = reporting.report(shared.on_file(options.runs, options.suite))

    def write(folder: Path) -> list[Path]:
        from progbench.report import writing  # loads what makes pages and figures

        return writing.write(found, folder)

    return write, text.render(found), found.failed


def _against(options: argparse.Namespace) -> Found:
    from progbench.judging import against
    from progbench.report import difference

    suite = options.suite or ""
    found = against.compare(against.read(options.runs, suite), against.read(options.against, suite))
    return functools.partial(difference.write, found), difference.as_text(found), found.failed
