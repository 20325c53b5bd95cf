"""progbench list: the suites, tables, recipes, variants, models or tasks that there are.

Prints a line for each name that other commands take. --json prints all that is known of each.

example: progbench list recipes --suite mini
"""

import argparse
import json
from collections.abc import Iterator, Sequence
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
KINDS = ("suites", "tables", "recipes", "variants", "models", "tasks")
# What JSON says of a recipe; and what a line says of it, and how that is headed: the id says the rest.
OF_JSON = ("id", "digest", "model", "tuning", "schedule", "task", "epochs", "learning_rate", "batch_size")
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
    rows = [*_rows(options.what, suite)]
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


def _rows(what: str, suite: Suite) -> Iterator[Row]:
    """A row for each; of suites, models and tasks every one, whichever suite was asked for."""
    match what:
        case "suites":
            for name in reading.suites():
                one = reading.settings(name)
                yield {"suite": name, "seeds": one.seeds, "device": one.device, "tables": list(one.tables)}
        case "tables":
            for name in suite.tables():
                table, own = suite.table(name), name in marks.own(suite)
                mark = next((mark for mark, names in marks.MARKS.items() if name in names), "own" if own else "params")
                called = table.problem or table.cells[0].table
                counts = sum(1 for cell in table.cells if cell.kind == "counted")
                scores = len(table.cells) - counts
                yield {"table": name, "called": called, "scores": scores, "counts": counts, "mark": mark}
        case "recipes" | "variants":
            for one in suite.every_recipe().values():
                if bool(one.variant) is (what == "variants"):
                    yield {name: getattr(one, name) for name in OF_JSON}
        case "models":
            for one in specs().values():
                weights = "random" if one.random else one.hub or one.package or "PROGBENCH_MODELS"
                yield {"model": one.name, "architecture": one.architecture, "blocks": one.blocks, "weights": weights}
        case "tasks":
            for name, one in tasks().items():
                scored = {"sets": list(one.evaluate), "metrics": list(one.metrics)}
                train = one.rows["train"][0] if "train" in one.rows else "any"
                yield {"task": name, "head": one.head, **scored, "train": train}
