"""progbench fetch: fetch a suite's models and data, so that its runs need no network.

Fetches each model and data set at its pinned revision and checks it. What is damaged is removed.

example: progbench fetch -m glue
"""

import argparse
import functools
import sys

from progbench.commands import shared
from progbench.report import printing
from progbench.report.cells import plain
from progbench.session import fetching, stopping


def add(parser: argparse.ArgumentParser) -> None:
    shared.add(parser, "-m", "--suite", "--runs")


def run(options: argparse.Namespace) -> int:
    """Fetch, and print a line a model and task; sizes and progress go to standard error.

    0 where all is here, 1 where something was damaged (and removed: the same command fetches it anew), 3 where
    something is missing, and 130 where it was told to end. Raises BadInput for a table that cannot be read.
    """
    needed = fetching.needs(shared.opened(options, train=False), options.mark)
    if not needed:
        printing.show("nothing to fetch: models and data are made on the spot, or no run is behind what was asked for")
        return shared.FINE
    got = []
    with stopping.interrupted_when_told():
        try:
            for one in needed:
                found = fetching.fetch(one, functools.partial(print, file=sys.stderr, flush=True))
                printing.show(plain(str(found)))
                got.append(found.state)
        except KeyboardInterrupt:
            printing.show(f"told to end: {len(got)} of {len(needed)} are done; start the same again for the rest")
            return shared.INTERRUPTED
    if "damaged" in got:
        return shared.FAILED
    return shared.ABSENT if "missing" in got else shared.FINE
