"""progbench run: the unit of work. It looks, trains what is missing of one recipe, and files a result a seed."""

import argparse
import functools
import sys
from typing import Any

from progbench.commands.arguments import add_command, add_device, add_log_to, add_suite
from progbench.commands.exit_codes import ABSENT, FAILED, FINE, INTERRUPTED
from progbench.commands.suite_asked import opened
from progbench.report import printing
from progbench.report.cells import plain
from progbench.session import recipe_status, stopping


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "run",
        "train what is missing of one recipe, and file a result a seed",
        "Trains the seeds that one recipe lacks and prints a line for each. Seeds on file are not trained again.",
        "progbench run tiny-bert-progtuning-rte --suite smoke --seeds 0,1",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="its id, such as bert-base-shrinking-rte, or id~variant")
    parser.add_argument("--seeds", default="", metavar="SEEDS", help="0,1,2 or 0-4 (default: the suite's own)")
    add_suite(parser)
    add_device(parser)
    add_log_to(parser)


def run(options: argparse.Namespace) -> int:
    """Do the unit's work, and print a line a seed; what is being trained is said on standard error.

    0 where every seed is there and good, 1 where one is an error or its result could not be kept, 3 where one is
    missing: no weights, data or GPU. Told to end, by Ctrl-C or a signal, it prints what is done and returns 130; the
    same command then does the rest. Raises BadInput for a recipe that the suite does not have.
    """
    suite = opened(options, seeds=options.seeds, device=options.device or "")
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
        return INTERRUPTED
    if any(one.state in ("error", "not kept") for one in seeds):
        return FAILED
    return FINE if all(one.good for one in seeds) else ABSENT
