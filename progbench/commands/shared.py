"""What several commands share: their exit codes, their options, and the suite that a command line is about."""

import argparse
import re
from pathlib import Path

from progbench import places
from progbench.errors import BadInput
from progbench.files import closed, require_folder
from progbench.recipes import reading
from progbench.recipes.reading import MOST_SEEDS
from progbench.session import marks, tracking
from progbench.session.suite import Suite

FINE = 0
FAILED = 1  # something deviates, changed or is an error
USAGE = 2
ABSENT = 3  # something is missing: no weights, data or GPU
INTERRUPTED = 130  # as a shell says it of a program that Ctrl-C ended

DEVICES = ("cpu", "cuda", "auto")


def add(parser: argparse.ArgumentParser, *names: str) -> None:
    """Give a parser these of the options that several commands have; --suite and --runs have pytest's defaults.

    --include is for the help alone: `cli` reads it, and takes it out, before it makes the parser.
    """
    folder = {"type": Path, "metavar": "DIR"}
    options = {
        "--include": folder | {"action": "append", "help": "a folder of your own, with suites, models and tasks"},
        "-m": {"dest": "mark", "choices": marks.MARKS, "default": "", "help": "only what this mark needs"},
        "--suite": {"choices": reading.suites(), "default": "paper", "help": "which suite (default: paper)"},
        "--seeds": {"default": "", "metavar": "SEEDS", "help": "0,1,2 or 0-4 (default: the suite's own)"},
        "--device": {"choices": DEVICES, "default": "", "help": "where to train (default: the suite's own)"},
        "--runs": folder | {"default": Path("runs"), "help": "where results are kept (default: runs)"},
        "--report": folder | {"help": "also write the report there: report.html and more"},
        "--log-to": {"choices": tracking.PACKAGES, "default": "", "help": "also send each run's scores there"},
    }
    for name in names:
        parser.add_argument(name, **options[name])


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Give a parser a folder of results, and the suite in it."""
    parser.add_argument("runs", type=Path, metavar="RUNS", help="a folder of results")
    parser.add_argument("--suite", choices=reading.suites(), help="which suite; needed where RUNS has several")


def opened(options: argparse.Namespace, *, train: bool = True) -> Suite:
    """The suite of --suite and --runs, and of those of --report, --seeds, --device and --log-to that the command has.

    Raises BadInput as `options.opened` and `seeds_of` do.
    """
    from progbench.session import options as session_options  # and with it what records references

    given = {name: getattr(options, name) for name in ("report", "device", "log_to") if name in options}
    seeds = seeds_of(getattr(options, "seeds", "")) or None
    return session_options.opened(options.suite, options.runs, places.root(), seeds=seeds, train=train, **given)


def on_file(runs: Path, asked: str | None) -> Suite:
    """The suite that was asked for, or the only one with results in a folder, by these results; it trains nothing.

    Raises BadInput where there are none.
    """
    require_folder(runs)
    found = [name for name in reading.suites() if any(runs.glob(f"{name}/*/*/seed*.json")) or closed(runs / name, 2)]
    wanted = [asked] if asked else found
    if not set(wanted) & set(found):
        others = f"; there are results of {', '.join(found)}" if found else ""
        raise BadInput(f"no results{f' of the suite {asked}' if asked else ''} in {runs}{others}")
    if len(wanted) > 1:
        raise BadInput(f"{runs} has results of {', '.join(wanted)}: choose one with --suite")
    return Suite(wanted[0], answers_of(wanted[0]), runs, seeds=None, train=False)


def answers_of(suite: str) -> Path:
    """The folder of expected values that has a suite's."""
    return reading.home(suite, places.root()) / "expected"


def seeds_of(text: str) -> tuple[int, ...]:
    """The seeds that a command line names, each once; none for no text.

    >>> seeds_of("0,1,7"), seeds_of("0,0-2, 9"), seeds_of("")
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
