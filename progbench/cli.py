# PYTHON_ARGCOMPLETE_OK
"""The command `progbench`: runs made and planned, what they need fetched, and a report on those that exist."""

import argparse
import difflib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from progbench import places
from progbench.commands import shared
from progbench.errors import BadInput
from progbench.report.cells import plain

COMMANDS = "reproduce compare answer report list params fetch plan run submit adopt results card".split()


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
        return shared.USAGE
    finally:  # whoever calls this function has included nothing
        os.environ.pop(places.VARIABLE, None)
        os.environ.update({} if before is None else {places.VARIABLE: before})


def _run(arguments: Sequence[str]) -> int:
    """The command with these arguments. Included folders are read before all else: the parser lists their suites."""
    early = _Parser(prog="progbench", usage="progbench COMMAND --include DIR ...", add_help=False)
    shared.add(early, "--include")
    given, rest = early.parse_known_args(arguments)
    folders = given.include or ()
    places.include(folders)
    parser = _parser(rest[:1])
    if importlib.util.find_spec("argcomplete"):  # the extra "completion"
        import argcomplete

        argcomplete.autocomplete(parser)
    options, rest = parser.parse_known_args(rest)
    if options.command == "reproduce":
        rest = [*rest, *(f"--include={one}" for one in folders)]
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    try:
        return _module(options.command).run(options)
    except BadInput as problem:
        print(f"progbench {options.command}: {plain(problem)}", file=sys.stderr)
        return shared.USAGE


class _Parser(argparse.ArgumentParser):
    """Answers a name that there is not with the one that is most like it, in one line. An option is written in full."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        said, _, names = message.partition(" (choose from ")
        near = difflib.get_close_matches(said.rpartition(": ")[2].strip("'"), re.findall(r"[\w-]+", names), n=1)
        if near:
            self.exit(shared.USAGE, f"{self.prog}: {plain(said)}: did you mean {near[0]}?\n")
        super().error(plain(message))


def _parser(first: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of the command line; where its `first` word is a command, without the others, which load slowly."""
    wanted = [name for name in COMMANDS if name in first] or [*COMMANDS]
    parser = _Parser(prog="progbench", description="Does the paper reproduce, and where does it deviate?")
    parser.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    shared.add(parser, "--include")
    all_of_them = f"{{{','.join(COMMANDS)}}}" if first and len(wanted) == 1 else None
    commands = parser.add_subparsers(dest="command", required=True, metavar=all_of_them)
    for name in wanted:
        module = _module(name)
        words, about, example, *_ = [*(module.__doc__ or "").strip().split("\n\n"), "", ""]  # none with python -OO
        command = commands.add_parser(name, help=words.partition(": ")[2][:-1], description=about, epilog=example)
        shared.add(command, "--include")
        module.add(command)
    return parser


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"progbench.commands.{'listing' if command == 'list' else command}")


class _Version(argparse.Action):
    """Look the version up when it is asked for, which takes a while."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"progbench {version('progbench')}")
        parser.exit()
