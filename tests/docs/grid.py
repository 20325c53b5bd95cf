"""The optimizer steps of the paper's runs, worked out from its recipes."""

import math
from dataclasses import replace

from pages import ROOT

from progbench.method.schedule import shared_epochs
from progbench.session.suite import Suite

# Training examples as GLUE's files have them; windows of SQuAD as run_qa.py makes them, of 384 tokens
TRAINING = {
    "cola": 8551,
    "mnli": 392702,
    "mrpc": 3668,
    "qnli": 104743,
    "qqp": 363846,
    "rte": 2490,
    "sst2": 67349,
    "stsb": 5749,
    "squad1": 88524,
    "squad2": 131944,
}
SEEDS = 5


def epoch(recipe):
    """The steps of one epoch."""
    return math.ceil(TRAINING[recipe.task] / recipe.batch_size)


def recipes(*tables):
    """The recipes of the scored cells of these tables of the paper, or of all."""
    suite = Suite("paper", ROOT / "expected", ROOT / "runs", train=False)
    cells = [cell for name in tables or suite.tables() for cell in suite.table(name).cells if cell.kind != "counted"]
    return {wanted.id: wanted for cell in cells for wanted in suite.recipes(cell)}.values()


def steps(*tables):
    """The steps of all their runs, when every run is counted alone."""
    return SEEDS * sum(one.epochs * epoch(one) for one in recipes(*tables))


def shared_steps(*tables):
    """How many of these are of epochs that another schedule's run has, too, and are trained once."""
    families = {}
    for one in recipes(*tables):
        families.setdefault(replace(one, schedule=""), []).append(one)
    shared = {one: shared_epochs(other.build_schedule() for other in all_of) for one, all_of in families.items()}
    return SEEDS * sum((len(all_of) - 1) * shared[one] * epoch(all_of[0]) for one, all_of in families.items())
