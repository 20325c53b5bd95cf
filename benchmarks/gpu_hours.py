"""The hours of the paper's grid on a GPU, by the measured steps of a few shapes."""

from __future__ import annotations

import math
import statistics
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from texts import measured

from progbench.recipes.recipe import Recipe
from progbench.session.suite import Suite

ROOT = Path(__file__).resolve().parents[1]


SEEDS = 5


def projected(records: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The hours of the paper's tables with five seeds, by measured shapes; RoBERTa's steps are taken as BERT's.

    Between a model's measured tasks a step's time is taken to be linear in its tokens. A tuning that was not measured
    is taken as LoRA, which leaves the body frozen, too. Captures and evaluation are left out. Empty where a model was
    not measured on two tasks.
    """
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for record in records:
        if record["seeds"] == SEEDS and record["precision"] == "tf32":
            tokens = record["batch"] * measured()[record["task"]]["mean"]
            points.setdefault((record["model"], record["tuning"]), []).append((tokens, record["milliseconds"] / 1000))
    lines = {key: between(own) for key, own in points.items() if len(own) > 1}
    if not {("bert-base", "full"), ("bert-large", "full"), ("bert-base", "lora")} <= set(lines):
        return {}  # from one point nobody knows what a token costs

    def seconds(recipe: Recipe) -> float:
        body = "bert-large" if recipe.model == "bert-large" else "bert-base"
        known = next(key for key in ((body, recipe.tuning), (body, "lora")) if key in lines)
        return lines[known](tokens_of(recipe))

    return hours(seconds)


def hours(seconds: Callable[[Recipe], float]) -> dict[str, float]:
    """The hours that each table's runs take with five seeds, by the seconds of a seed's step of each recipe.

    A run that two tables want counts for the first; epochs that schedules share are counted for each of them.
    """
    suite = Suite("paper", ROOT / "expected", ROOT / "runs", train=False)
    hours, counted = {}, set()
    for table in suite.tables():
        cells = [cell for cell in suite.table(table).cells if cell.kind != "counted"]
        new = {recipe.id: recipe for cell in cells for recipe in suite.recipes(cell) if recipe.id not in counted}
        counted |= set(new)
        taken = sum(SEEDS * steps_of(recipe) * seconds(recipe) for recipe in new.values())
        if new:
            hours[table] = taken / 3600
    return hours


def steps_of(recipe: Recipe) -> int:
    """The optimizer steps of one seed's run: an epoch's last, shorter batch is one."""
    return recipe.epochs * math.ceil(grid()["rows"][recipe.task] / recipe.batch_size)


def grid() -> dict:
    """What grid.toml says."""
    return tomllib.loads((ROOT / "benchmarks" / "grid.toml").read_text(encoding="utf-8"))


def tokens_of(recipe: Recipe) -> float:
    """The mean tokens of a step; windows of SQuAD v2.0 are taken to be as long as those of v1.1."""
    return recipe.batch_size * measured()["squad1" if recipe.task == "squad2" else recipe.task]["mean"]


def between(points: Iterable[tuple[float, float]]) -> Callable[[float], float]:
    """The straight line through measured points of (tokens, seconds), nowhere below the least seconds measured.

    >>> line = between([(400.0, 2.0), (1200.0, 4.0)])
    >>> line(800.0), line(100.0)
    (3.0, 2.0)
    """
    points = sorted(points)
    least = min(seconds for _, seconds in points)
    slope, base = statistics.linear_regression(*zip(*points, strict=True))
    return lambda tokens: max(least, base + slope * tokens)
