"""progbench adopt: check results, and copy them as our own references.

Results that were made elsewhere with this code become the references that a suite of our own is judged by. Each is
checked first, and nothing is written before you say yes.

example: progbench adopt runs --suite mini
"""

import argparse
import sys

from progbench import places
from progbench.commands.shared import FAILED, FINE, add_folder, on_file
from progbench.errors import BadInput
from progbench.report import printing
from progbench.report.cells import plain
from progbench.session import adopting


def add(parser: argparse.ArgumentParser) -> None:
    add_folder(parser)
    parser.add_argument("--yes", action="store_true", help="write without asking")


def run(options: argparse.Namespace) -> int:
    """Show what adopting would change, and write it with --yes or a yes.

    1 where a result is refused, or nobody said yes. Raises BadInput for the paper's suite, for tables that cannot be
    read or were edited, and as `adopting.plan` does.
    """
    suite = on_file(options.runs, options.suite)
    if suite.name == "paper":
        raise BadInput("the paper's numbers are the paper's; only own suites have references of ours")
    known = suite.every_recipe()
    for table in map(suite.table, [] if known else suite.tables()):  # which would hide every recipe's results
        if why := next(filter(None, [table.problem, *(cell.problem for cell in table.cells)]), ""):
            raise BadInput(why)
    found = adopting.plan(places.root(), suite.answers, suite.name, known, options.runs)
    printing.show("\n".join(adopting.lines(found)))
    if not found.taken:
        return FAILED if found.refused else FINE
    if not (options.yes or _agreed()):
        printing.show("nothing is written; --yes writes it")
        return FAILED
    try:
        printing.show(f"written: {plain(found.write())}, from copies in {plain(found.folder)}")
    except OSError as problem:
        raise BadInput(f"{found.folder}: cannot be written: {problem.strerror or problem}") from None
    return FAILED if found.refused else FINE


def _agreed() -> bool:
    if not (sys.stdin and sys.stdin.isatty()):
        return False
    print("write this? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
