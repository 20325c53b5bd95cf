# PYTHON_ARGCOMPLETE_OK
"""The command `progbench`: runs made and planned, what they need fetched, and a report on those that exist."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from progbench import places
from progbench.commands import (
    adopt,
    answer,
    compare,
    fetch,
    listing,
    params,
    plan,
    report,
    reproduce,
    results,
    run,
    submit,
)
from progbench.commands.common import USAGE
from progbench.errors import BadInput
from progbench.report.cells import plain

COMMANDS = {
    "reproduce": reproduce,
    "compare": compare,
    "answer": answer,
    "report": report,
    "list": listing,
    "params": params,
    "fetch": fetch,
    "plan": plan,
    "run": run,
    "submit": submit,
    "adopt": adopt,
    "results": results,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0; 1 where something deviates, changed or is an error; 2 for usage.

    >>> main(["report", "/no/such/folder"])
    2

    `progbench run` has two more: 3 where something is missing, and 130 where it was told to end.
    """
    before = os.environ.get(places.VARIABLE)
    try:
        return _run(sys.argv[1:] if arguments is None else [*arguments])
    except BadInput as problem:
        print(f"progbench: {plain(problem)}", file=sys.stderr)
        return USAGE
    finally:  # whoever calls this function has included nothing
        os.environ.pop(places.VARIABLE, None)
        os.environ.update({} if before is None else {places.VARIABLE: before})


def _run(arguments: Sequence[str]) -> int:
    """The command with these arguments. Included folders come first: the parser lists their suites."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--include", action="append", type=Path, default=[])
    places.include(early.parse_known_args(arguments)[0].include)
    parser = _parser()
    if importlib.util.find_spec("argcomplete"):  # the extra "completion"
        import argcomplete

        argcomplete.autocomplete(parser)
    options, rest = parser.parse_known_args(arguments)
    if options.command == "reproduce":
        rest = [*rest, *(f"--include={one}" for one in options.include or ())]
    if rest and options.command != "reproduce":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    try:
        return COMMANDS[options.command].run(options)
    except BadInput as problem:
        print(f"progbench {options.command}: {plain(problem)}", file=sys.stderr)
        return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="progbench", description="Does the paper reproduce, and where does it deviate?"
    )
    parser.add_argument("--version", action="version", version=f"progbench {importlib.metadata.version('progbench')}")
    parser.add_argument("--include", action="append", type=Path, metavar="DIR", help="as each command's own option")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS.values():
        command.add(commands)
    return parser
