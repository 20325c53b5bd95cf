"""progbench run: train what is missing of one recipe, and file a result a seed.

Trains the seeds that one recipe lacks and prints a line for each. Seeds on file are not trained again.

example: progbench run tiny-bert-progtuning-rte --suite smoke --seeds 0,1
"""

import argparse
import functools
import sys

from progbench.commands import shared
from progbench.report import printing
from progbench.report.cells import plain
from progbench.session import recipe_status, stopping


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="its id, such as bert-base-shrinking-rte, or id~variant")
    shared.add(parser, "--suite", "--seeds", "--device", "--runs", "--log-to")


def run(options: argparse.Namespace) -> int:
    """Do the unit's work, and print a line a seed; what is being trained is said on standard error.

    0 where every seed is there and good, 1 where one is an error or its result could not be kept, 3 where one is
    missing: no weights, data or GPU. Told to end, by Ctrl-C or a signal, it prints what is done and returns 130; the
    same command then does the rest. Raises BadInput for a recipe that the suite does not have.
    """
    suite = shared.opened(options)
    wanted = recipe_status.recipe(suite, options.recipe)
    say = functools.partial(print, file=sys.stderr, flush=True)
    before, told = recipe_status.there(suite, wanted), ""
    with stopping.interrupted_when_told():
        try:
            suite.obtain([wanted], say, aloud=sys.stderr.isatty())
        except KeyboardInterrupt as end:
            told = f"told to end ({end})" if str(end) else "told to end"
        seeds = recipe_status.look(suite, wanted, before, f"{told}; start the same again for the rest" if told else "")
        printing.show("\n".join(plain(str(one)) for one in seeds))
    if told:
        return shared.INTERRUPTED
    if any(one.state in ("error", "not kept") for one in seeds):
        return shared.FAILED
    return shared.FINE if all(one.good for one in seeds) else shared.ABSENT
