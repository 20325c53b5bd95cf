"""The options that several commands share."""

import argparse
from pathlib import Path
from typing import Any

from progbench.recipes import reading
from progbench.session import tracking


def add_command(commands: Any, name: str, words: str, about: str, example: str) -> argparse.ArgumentParser:
    """A command's parser: `words` stand in the list of commands, `about` and an example in its own help."""
    parser = commands.add_parser(name, help=words, description=about, epilog=f"example: {example}")
    add_include(parser)
    return parser


def add_suite(parser: argparse.ArgumentParser) -> None:
    """The options --suite and --runs, with pytest's defaults: both look at the same results."""
    parser.add_argument("--suite", choices=reading.suites(), default="paper", help="which suite (default: paper)")
    parser.add_argument(
        "--runs", type=Path, metavar="DIR", default=Path("runs"), help="where results are kept (default: runs)"
    )


def add_include(parser: argparse.ArgumentParser) -> None:
    """The option --include, for the help alone: `cli` reads it, and takes it out, before it makes the parser."""
    parser.add_argument(
        "--include",
        action="append",
        type=Path,
        metavar="DIR",
        help="a folder of your own, with suites, models and tasks",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option --device."""
    parser.add_argument("--device", choices=("cpu", "cuda", "auto"), help="where to train (default: the suite's own)")


def add_log_to(parser: argparse.ArgumentParser) -> None:
    """The option --log-to."""
    parser.add_argument("--log-to", choices=tracking.PACKAGES, default="", help="also send each run's scores there")
