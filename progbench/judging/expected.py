"""The answers: a table's cells and what is expected of each, read from expected/<suite>/. No torch, no training.

A file has the paper's shape: columns, and rows of printed strings. A suite of our own lists its rows and takes its
values from reference.json, which holds the raw scores of reference runs.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from progbench.errors import BadInput
from progbench.files import read_toml
from progbench.recipes.recipe import run_id

REFERENCE_SEEDS = 5  # fewer raw seeds give no usable spread
NO_TABLES = {"tolerance", "disputed"}  # what tables and claims are read with


@dataclass(frozen=True)
class Reference:
    """Our own reference runs for one cell: points by seed, and their pooled spread.

    `runs` has the entries of reference.json they were read from, by recipe id. `sd` is pooled over the rows of the same
    model and column, with `df` degrees of freedom: schedules of one model on one task are about equally noisy, and five
    seeds alone say little about a spread.
    """

    seeds: Mapping[int, float]
    runs: Mapping[str, Mapping]
    sd: float
    df: int


@dataclass(frozen=True)
class Expectation:
    """What a cell should be: a printed string, an exact integer, or reference runs; and how near is near enough."""

    printed: str = ""
    exact: int | None = None
    reference: Reference | None = None
    margin: float = 0.0
    margin_reason: str = ""
    no_reference: str = "no reference to judge by"


@dataclass(frozen=True)
class Cell:
    """One number of a table: which runs it is read from, and what is expected of it.

    `kind` is "scored" (one metric of one evaluation set), "derived" (the mean of other columns, per seed) or "counted"
    (updated parameters). `file` is the table's file, without its ending. `problem` says why the cell cannot be judged
    at all, for example because its file was edited; `disputed`, why its printed value cannot follow from the paper's
    own equations.
    """

    id: str
    suite: str
    file: str
    table: str
    row: str
    column: str
    kind: str
    unit: str
    recipe_file: str
    model: str
    tuning: str
    schedule: str
    source: str
    evaluation_set: str = ""
    metric: str = ""
    mean_of: Mapping[str, str] = field(default_factory=dict)
    count_task: str = ""
    expectation: Expectation = Expectation()
    problem: str = ""
    disputed: str = ""


@dataclass(frozen=True)
class Table:
    """One file of expected/<suite>/: its cells, or the reason it cannot be read."""

    name: str
    cells: tuple[Cell, ...] = ()
    problem: str = ""


def read(root: Path, suite: str, name: str) -> Table:
    """The table in expected/<suite>/<name>.toml. Never raises for a bad file: its problem becomes its cells' error."""
    path = root / suite / f"{name}.toml"
    try:
        content = _table(path)
        cells = tuple(_cells(root, suite, name, content))
    except BadInput as problem:
        return Table(name, problem=str(problem))
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as problem:
        others = "tolerance.toml, disputed.toml, SHA256SUMS, reference.json"
        return Table(name, problem=f"{path} (or its {others}): malformed: {problem!r}")
    return Table(name, cells)


def _cells(root: Path, suite: str, name: str, content: dict):
    margins = read_toml(path).get("margin", {}) if (path := root / suite / "tolerance.toml").is_file() else {}
    references = read_reference(root, suite)
    printed = any("printed" in row for row in content["rows"])
    shared = [content["columns_of"]] if printed and "columns_of" in content else []
    problem = edited(root / suite, [f"{name}.toml", "tolerance.toml", "disputed.toml", *shared], printed)
    disputes = disputed(root, suite)["cells"]
    for row in content["rows"]:
        for column_name, column in content["columns"].items():
            tuning = row.get("tuning", "full")
            cell_id = run_id(row["model"], tuning, row["schedule"], column_name)
            mean_of = {part: content["columns"][part]["metric"] for part in column.get("mean_of", ())}
            metric = row.get("metric", {}).get(column_name, column.get("metric", ""))
            margin = margins.get(column_name if metric == column.get("metric", "") else f"{column_name}/{metric}", {})
            evaluation_set = "" if mean_of or "count" in column else column.get("set", column_name)
            parts = mean_of or {evaluation_set: metric}
            siblings = [other for other in content["rows"] if _body(other) == _body(row)]
            expectation = Expectation(
                printed=row.get("printed", {}).get(column_name, ""),
                exact=row.get("exact", {}).get(column_name),
                reference=None if "count" in column or not references else _reference(references, row, siblings, parts),
                margin=margin.get("points", 0.0),
                margin_reason=margin.get("reason", ""),
            )
            yield Cell(
                id=cell_id,
                suite=suite,
                file=name,
                table=content["table"],
                row=row["label"],
                column=column["label"],
                kind="derived" if mean_of else "counted" if "count" in column else "scored",
                unit="parameters" if expectation.exact is not None else column.get("unit", content["unit"]),
                recipe_file=content["recipe"],
                model=row["model"],
                tuning=tuning,
                schedule=row["schedule"],
                source=content["source"],
                evaluation_set=evaluation_set,
                metric=metric,
                mean_of=mean_of,
                count_task=column.get("count", {}).get("task", ""),
                expectation=expectation,
                problem=problem or _unprintable(expectation, cell_id, root / suite / f"{name}.toml"),
                disputed=disputes.get((name, cell_id), ""),
            )


def _body(row: dict) -> tuple[str, str]:
    """What rows must share for their spreads to be pooled: the model and what of it trains."""
    return row["model"], row.get("tuning", "full")


def _table(path: Path) -> dict:
    content = read_toml(path)
    if "columns_of" in content:
        content = content | {"columns": read_toml(path.parent / content["columns_of"])["columns"]}
    if absent := [key for key in ("table", "source", "recipe", "unit", "columns", "rows") if key not in content]:
        raise BadInput(f"{path}: no {', '.join(absent)}")
    for number, row in enumerate(content["rows"], start=1):
        if absent := [key for key in ("model", "schedule", "label") if key not in row]:
            raise BadInput(f"{path}: row {number} has no {', '.join(absent)}")
        named = [*row.get("printed", {}), *row.get("exact", {}), *row.get("metric", {})]
        if unknown := [column for column in named if column not in content["columns"]]:
            raise BadInput(f"{path}: row {number} ({row['label']}) has unknown columns {', '.join(unknown)}")
    return content


def _unprintable(expectation: Expectation, cell_id: str, path: Path) -> str:
    try:
        float(expectation.printed or 0)
    except (TypeError, ValueError):
        return f"{path}: {cell_id} prints {expectation.printed!r}, which is not a number"
    return ""


def absent_or_strange(root: Path, suite: str, listed: Sequence[str]) -> dict[str, str]:
    """What is wrong with a suite's files, by the file's name without its ending.

    A file that the suite lists or SHA256SUMS has, and that is gone, would take its cells out of the report. One that is
    there and is not listed would never be judged.
    """
    folder = root / suite
    found = {}
    there = {path.stem for path in folder.glob("*.toml")} - NO_TABLES
    for name in sorted({*listed, *_summed(folder / "SHA256SUMS")} - there):
        where = "suite.toml" if name in listed else "SHA256SUMS"
        found[name] = f"{folder / name}.toml is gone, and {where} lists it: nobody knows which cells it had"
    for name in sorted(there - {*listed}):
        found[name] = f"{folder / name}.toml is not listed in the suite's suite.toml: add it to `tables`, or delete it"
    return found


def _summed(sums: Path) -> set[str]:
    """The tables, and claims, that a file of checksums lists."""
    lines = sums.read_text(encoding="utf-8", errors="replace").splitlines() if sums.is_file() else []
    names = {line.split()[-1] for line in lines if line.strip()}
    return {name.removesuffix(".toml") for name in names if name.endswith(".toml")} - NO_TABLES


def edited(folder: Path, names: Sequence[str], printed: bool) -> str:
    """Why these files may not be the ones that were checked in, else ''. Printed values must be guarded."""
    sums = folder / "SHA256SUMS"
    if not sums.is_file():
        return f"{sums} is missing, so nobody knows whether {names[0]} was edited" if printed else ""
    listed = dict(reversed(line.split()) for line in sums.read_text(encoding="utf-8").splitlines() if line)
    for name in names:
        path = folder / name
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        if listed.get(name) != digest:
            return f"{path} was edited: its sha256 is not the one in {sums.name}, so this cell is not judged"
    return ""


def disputed(root: Path, suite: str) -> dict[str, dict]:
    """The arguments of disputed.toml: under "cells" by (table's file, cell id), under "claims" by the claim's id.

    Empty where a suite has no such file. Raises BadInput for an entry without an argument.
    """
    path = root / suite / "disputed.toml"
    content = read_toml(path) if path.is_file() else {}
    found: dict[str, dict] = {"cells": {}, "claims": {}}
    for entry in (*content.get("cells", ()), *content.get("claims", ())):
        if not entry.get("argument"):
            raise BadInput(f"{path}: no argument for {entry}")
    for entry in content.get("cells", ()):
        for column in entry["columns"]:
            found["cells"][entry["table"], f"{entry['row']}-{column}"] = entry["argument"]
    for entry in content.get("claims", ()):
        found["claims"][entry["claim"]] = entry["argument"]
    return found


def read_reference(root: Path, suite: str) -> dict:
    """The raw scores of a suite's reference runs by recipe id; empty where none were recorded."""
    path = root / suite / "reference.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))["runs"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BadInput(f"{path}: not a readable reference: {problem!r}") from None


def _reference(references: dict, row: dict, siblings: list[dict], parts: Mapping[str, str]) -> Reference | None:
    points, runs = _points(references, row, parts)
    if len(points) < REFERENCE_SEEDS:
        return None
    spreads = [list(values.values()) for other in siblings if (values := _points(references, other, parts)[0])]
    spreads = [values for values in spreads if len(values) >= REFERENCE_SEEDS]
    spreads = [values for values in spreads if len({*values}) > 1] or spreads  # equal seeds say nothing of a sibling's
    df = sum(len(values) - 1 for values in spreads)
    sd = math.sqrt(sum(statistics.variance(values) * (len(values) - 1) for values in spreads) / df)
    return Reference(points, runs, sd, df)


def _points(references: dict, row: dict, parts: Mapping[str, str]) -> tuple[dict[int, float], dict[str, dict]]:
    """A row's reference points by seed (the mean over `parts`, evaluation set to metric), and its recipes' entries."""
    from progbench.tasks.catalog import task_of

    columns, runs = [], {}
    for part, metric in parts.items():
        recipe_id = run_id(row["model"], row.get("tuning", "full"), row["schedule"], task_of(part).name)
        run = references.get(recipe_id, {"seeds": {}, "digest": ""})
        runs[recipe_id] = run
        columns.append({int(seed): 100 * scores[part][metric] for seed, scores in run["seeds"].items()})
    shared = sorted(set.intersection(*(set(column) for column in columns)))
    return {seed: statistics.fmean(column[seed] for column in columns) for seed in shared}, runs
