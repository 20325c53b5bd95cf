"""progbench list: the suites, tables, recipes, variants, models or tasks that there are.

Prints a line for each name that other commands take. --json prints all that is known of each.

example: progbench list recipes --suite mini
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from progbench.commands import shared
from progbench.errors import BadInput
from progbench.models.spec import specs
from progbench.recipes import reading
from progbench.report import printing, text
from progbench.session import marks, recipe_status
from progbench.session.suite import Suite
from progbench.tasks.catalog import tasks

Row = dict[str, Any]
WIDTH = 80  # of a list or a plan: as wide as a terminal is when nobody widened it
# What a line says of a recipe, and how that is headed: its id says the rest, and JSON has all of it.
OF_RECIPES = {"id": "id", "epochs": "epochs", "learning_rate": "rate", "batch_size": "batch"}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=KINDS, help="what to list")
    shared.add(parser, "--suite")
    parser.add_argument("--json", action="store_true", help="as JSON, for a program")


def run(options: argparse.Namespace) -> int:
    """Print a line for each, or a JSON list of objects.

    Raises BadInput for a file that cannot be read: of recipes, once those are printed that can.
    """
    suite = Suite(options.suite, shared.answers_of(options.suite), Path("runs"), train=False)
    rows = KINDS[options.what](suite)
    printing.show(json.dumps(rows, indent=1, ensure_ascii=False) if options.json else _grid(options.what, rows))
    if options.what in ("recipes", "variants") and (wrong := dict.fromkeys(recipe_status.broken(suite))):
        raise BadInput("; ".join(wrong))
    return shared.FINE


def _grid(what: str, rows: Sequence[Row]) -> str:
    if not rows:
        return f"no {what}"
    headers = OF_RECIPES if "digest" in rows[0] else {name: name for name in rows[0]}
    values = ([row[name] for name in headers] for row in rows)
    lines = [[" ".join(map(str, one)) if isinstance(one, list) else str(one) for one in line] for line in values]
    return text.grid(lines, [*headers.values()], "left " * len(headers), WIDTH)


def _suites(suite: Suite) -> list[Row]:
    """Every suite, whichever was asked for."""
    rows = []
    for name in reading.suites():
        one = reading.settings(name)
        rows.append({"suite": name, "seeds": one.seeds, "device": one.device, "tables": list(one.tables)})
    return rows


def _tables(suite: Suite) -> list[Row]:
    rows = []
    for name in suite.tables():
        table = suite.table(name)
        kinds = [cell.kind for cell in table.cells]
        of_mark = (mark for mark, names in marks.MARKS.items() if name in names)
        mark = next(of_mark, "own" if name in marks.own(suite) else "params")
        rows.append(
            {
                "table": name,
                "called": table.problem or table.cells[0].table,
                "scores": len(kinds) - kinds.count("counted"),
                "counts": kinds.count("counted"),
                "mark": mark,
            }
        )
    return rows


def _recipes(suite: Suite) -> list[Row]:
    return [_recipe(one) for one in recipe_status.recipes(suite).values() if not one.variant]


def _variants(suite: Suite) -> list[Row]:
    return [_recipe(one) for one in recipe_status.recipes(suite).values() if one.variant]


def _recipe(one) -> Row:
    names = ("id", "digest", "model", "tuning", "schedule", "task", "epochs", "learning_rate", "batch_size")
    return {name: getattr(one, name) for name in names}


def _models(suite: Suite) -> list[Row]:
    """Every model, whichever suite was asked for."""
    return [
        {
            "model": one.name,
            "architecture": one.architecture,
            "blocks": one.blocks,
            "weights": "random" if one.random else one.hub or one.package or "PROGBENCH_MODELS",
        }
        for one in specs().values()
    ]


def _tasks(suite: Suite) -> list[Row]:
    """Every task, whichever suite was asked for."""
    return [
        {
            "task": name,
            "head": one.head,
            "sets": list(one.evaluate),
            "metrics": list(one.metrics),
            "train": one.rows["train"][0] if "train" in one.rows else "any",
        }
        for name, one in tasks().items()
    ]


KINDS: dict[str, Callable[[Suite], list[Row]]] = {
    "suites": _suites,
    "tables": _tables,
    "recipes": _recipes,
    "variants": _variants,
    "models": _models,
    "tasks": _tasks,
}
