"""progbench reproduce: train what is missing, judge it, and report: pytest on the benchmarks.

Trains what is missing, judges it, and reports. The options are those of `pytest benchmarks`: -m MARK, --suite, --seeds,
--device, --no-train, --report DIR, and all of pytest's own, which --pytest-help lists.

example: progbench reproduce -m glue --suite smoke
"""

import argparse
import os
import sys

from progbench import places


def add(parser: argparse.ArgumentParser) -> None:
    """Its options are pytest's, which gets all that this parser does not know."""
    parser.add_argument("--pytest-help", action="store_true", help="print the options of pytest and of the benchmarks")


def run(options: argparse.Namespace) -> int:
    """Become pytest, with its exit codes: this process ends with it."""
    rest = ["--help"] if options.pytest_help else options.rest
    os.execv(sys.executable, command(rest))


def command(arguments: list[str]) -> list[str]:
    """The process that runs the benchmarks with these arguments.

    >>> command(["-m", "glue"])[1:3], command(["-m", "glue"])[4:]
    (['-m', 'pytest'], ['-m', 'glue'])
    """
    return [sys.executable, "-m", "pytest", str(places.root() / "benchmarks"), *arguments]
