"""progbench params: what each stage of a schedule trains in a model; no weights needed.

Takes a model apart and prints how many parameters each epoch updates, and what that saves.

example: progbench params bert-base --epochs 3 --schedule progtuning
"""

import argparse

from progbench import kinds
from progbench.commands.shared import FINE
from progbench.errors import BadInput
from progbench.method.options import TUNINGS
from progbench.method.schedule import PAPERS, SCHEDULES, named
from progbench.models import loading
from progbench.report import printing

# The upper ends stop a slip of the hand before it stops the machine, as those of a recipe do.
EPOCHS, LABELS = kinds.whole(1, 1000), kinds.whole(1, 10_000)


def add(params: argparse.ArgumentParser) -> None:
    params.add_argument("model", metavar="MODEL", help="a known name, a model's folder, or its config.json")
    params.add_argument("--epochs", type=int, required=True, metavar="T", help="how many stages")
    schedules = ", ".join([*PAPERS, *SCHEDULES, "or single_block_b<N>"])
    params.add_argument("--schedule", default="shrinking", help=schedules)
    params.add_argument("--tuning", choices=TUNINGS, default="full", help="what trains inside a block")
    params.add_argument("--labels", type=int, default=2, metavar="N", help="outputs of the classifier; default 2")


def run(options: argparse.Namespace) -> int:
    """Print the plan. Raises BadInput for a model not known, a number beyond sense, or a schedule that does not fit."""
    from progbench.method.anatomy import Anatomy
    from progbench.method.plan import plan
    from progbench.method.tuning import apply_tuning

    kinds.require(options.epochs, EPOCHS, "--epochs")
    kinds.require(options.labels, LABELS, "--labels")
    model = loading.outline(options.model, options.labels)
    if options.tuning != "full":
        import torch

        with torch.device("meta"):
            apply_tuning(model, options.tuning)
    anatomy = Anatomy.of(model, options.tuning)
    try:
        schedule = named(PAPERS.get(options.schedule, options.schedule), anatomy.L, options.epochs)
    except ValueError as problem:
        raise BadInput(str(problem)) from problem
    printing.show(f"{anatomy}\n\n{plan(anatomy, schedule)}")
    return FINE
