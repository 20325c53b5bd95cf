"""The command `progbench`: runs made and planned, what they need fetched, and a report on those that exist."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from collections.abc import Sequence

from progbench.commands import adopt, answer, fetch, params, plan, report, results, run, submit
from progbench.commands.common import USAGE
from progbench.errors import BadInput
from progbench.report.cells import plain

COMMANDS = {
    "answer": answer,
    "report": report,
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
    options = _parser().parse_args(arguments)
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
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS.values():
        command.add(commands)
    return parser
