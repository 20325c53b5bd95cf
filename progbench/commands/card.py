"""progbench card: the scores of a recorded run as the head of a model card for the Hub.

Prints YAML with a model-index: task, dataset, metrics and values of the last epoch, as fractions.

example: progbench card runs/mini/minilm-shrinking-rte/01234567/seed0.json > README.md
"""

import argparse
from pathlib import Path

from progbench.commands.shared import FINE
from progbench.errors import BadInput
from progbench.models.spec import spec
from progbench.report import printing
from progbench.runs import results
from progbench.tasks.catalog import tasks
from progbench.tasks.source import GENERATED

# the Hub's names: of data that was read from files, by task where not GLUE's, and of two metrics
_DATASETS = {"squad1": "rajpurkar/squad", "squad2": "rajpurkar/squad_v2"}
_METRICS = {"pearson": "pearsonr", "spearman": "spearmanr"}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="a result file: seed0.json")


def run(options: argparse.Namespace) -> int:
    """Print the head of a card. Raises BadInput for a run that is no whole result, failed, or read generated data."""
    try:
        printing.show(head(results.read(options.run)).rstrip("\n"))
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"no such result: {options.run}") from None
    return FINE


def head(result: results.RunResult) -> str:
    """The YAML between two lines of dashes."""
    from huggingface_hub import EvalResult, ModelCardData

    recipe, task = result.recipe, tasks()[result.recipe.task]
    if result.error or recipe.dataset == GENERATED:
        raise BadInput(f"{recipe.id}, seed {result.seed}: {result.error or 'generated data'}: nothing for a card")
    from_files = task.name if task.home else _DATASETS.get(task.name, "nyu-mll/glue")
    about = {
        "task_type": "question-answering" if task.head == "question_answering" else "text-classification",
        "dataset_type": recipe.dataset if "/" in recipe.dataset else from_files,
        "dataset_revision": recipe.revision or None,
    }
    found = [
        EvalResult(dataset_name=evaluation_set, metric_type=_METRICS.get(metric, metric), metric_value=value, **about)
        for evaluation_set, scores in result.epochs[-1].scores.items()
        for metric, value in scores.items()
    ]
    made = {"recipe": recipe.id, "digest": recipe.digest, "seed": result.seed, "updated_parameters": recipe.planned()}
    base = spec(recipe.model).hub or None
    card = ModelCardData(model_name=recipe.id, base_model=base, eval_results=found, progbench=made)
    return f"---\n{card.to_yaml()}\n---\n"
