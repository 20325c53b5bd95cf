"""What the commands share: exit codes, options, and the suite that a command line is about."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from progbench import places
from progbench.errors import BadInput
from progbench.files import closed, require_folder
from progbench.recipes import reading
from progbench.recipes.reading import MOST_SEEDS
from progbench.session import tracking
from progbench.session.suite import Suite

FINE, FAILED, USAGE, ABSENT = 0, 1, 2, 3
WIDTH = 80  # columns of a table: as wide as a terminal is when nobody widened it
INTERRUPTED = 130  # as a shell says it of a program that Ctrl-C ended


def add_command(
    commands: Any, name: str, words: str, about: str, example: str, **options: Any
) -> argparse.ArgumentParser:
    """A command's parser: `words` stand in the list of commands, `about` and an example in its own help."""
    return commands.add_parser(name, help=words, description=about, epilog=f"example: {example}", **options)


def add_suite(parser: argparse.ArgumentParser) -> None:
    """The options --suite and --runs, with pytest's defaults: both look at the same results."""
    parser.add_argument("--suite", choices=reading.suites(), default="paper", help="which suite (default: paper)")
    parser.add_argument(
        "--runs", type=Path, metavar="DIR", default=Path("runs"), help="where results are kept (default: runs)"
    )
    add_include(parser)


def add_include(parser: argparse.ArgumentParser) -> None:
    """The option --include, for the help alone: `cli` has read it before it makes the parser, which lists suites."""
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


def opened(options: argparse.Namespace, *, seeds: str = "", device: str = "", train: bool = True) -> Suite:
    """The suite of --suite and --runs; `seeds` as `seeds_of` reads them. Raises BadInput as `options.opened` does."""
    from progbench.session import options as session_options  # and with it what records references

    asked = session_options.Asked(
        options.suite,
        options.runs,
        seeds=seeds_of(seeds) or None,
        device=device,
        train=train,
        log_to=getattr(options, "log_to", ""),
    )
    return session_options.opened(asked, places.root())


def suite_of(runs: Path, asked: str | None) -> str:
    """The suite that was asked for, or the only one with results in a folder. Raises BadInput where there are none."""
    require_folder(runs)
    found = [name for name in reading.suites() if any(runs.glob(f"{name}/*/*/seed*.json")) or closed(runs / name, 2)]
    wanted = [asked] if asked else found
    if not set(wanted) & set(found):
        others = f"; there are results of {', '.join(found)}" if found else ""
        raise BadInput(f"no results{f' of the suite {asked}' if asked else ''} in {runs}{others}")
    if len(wanted) > 1:
        raise BadInput(f"{runs} has results of {', '.join(wanted)}: choose one with --suite")
    return wanted[0]


def answers_of(suite: str) -> Path:
    """The folder of expected values that has a suite's."""
    return reading.home(suite, places.root()) / "expected"


def seeds_of(text: str) -> tuple[int, ...]:
    """The seeds that a command line names, each once; none for no text.

    >>> seeds_of("0,1,7"), seeds_of("0-2,9"), seeds_of("")
    ((0, 1, 7), (0, 1, 2, 9), ())

    Raises BadInput for anything else, and for more than a slip of the hand could mean.
    """
    found: dict[int, None] = {}
    for entry in text.split(",") if text else ():
        span = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", entry.strip())
        first, last = (int(span[1]), int(span[2] or span[1])) if span else (1, 0)
        if not 0 <= last - first < MOST_SEEDS:
            raise BadInput(f"--seeds {text}: {entry!r} is no seed; wanted is 0,1,2 or 0-4, at most {MOST_SEEDS} seeds")
        found |= dict.fromkeys(range(first, last + 1))
    if len(found) > MOST_SEEDS:
        raise BadInput(f"--seeds {text}: {len(found)} seeds; at most {MOST_SEEDS}")
    return tuple(found)
