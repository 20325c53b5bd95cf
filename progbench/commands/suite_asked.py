"""The suite that a command line is about."""

import argparse
import re
from pathlib import Path

from progbench import places
from progbench.errors import BadInput
from progbench.files import closed, require_folder
from progbench.recipes import reading
from progbench.recipes.reading import MOST_SEEDS
from progbench.session.suite import Suite


def opened(options: argparse.Namespace, *, seeds: str = "", device: str = "", train: bool = True) -> Suite:
    """The suite of --suite and --runs; `seeds` as `seeds_of` reads them. Raises BadInput as `options.opened` does."""
    from progbench.session import options as session_options  # and with it what records references

    return session_options.opened(
        options.suite,
        options.runs,
        places.root(),
        seeds=seeds_of(seeds) or None,
        device=device,
        train=train,
        log_to=getattr(options, "log_to", ""),
    )


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
