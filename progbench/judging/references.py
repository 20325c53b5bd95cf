"""Our own reference runs: read from expected/<suite>/reference.json, checked like results, and pooled. No torch.

A file that cannot be read is what every scored cell of the suite says. A run in it that cannot be right is said by the
cells that are judged by it.
"""

from __future__ import annotations

import math
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from progbench import kinds
from progbench.errors import BadInput
from progbench.files import read_json
from progbench.recipes.recipe import run_id
from progbench.runs.fields import score as score_of
from progbench.tasks.catalog import task_of

SCHEMA_VERSION = 1
REFERENCE_SEEDS = 5  # fewer raw seeds give no usable spread


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


def read(root: Path, suite: str) -> dict[str, Any]:
    """The entries of a suite's reference.json by recipe id, of which `checked` looks at one; empty without a file.

    Raises BadInput, naming the file, when it cannot be read as a reference.
    """
    path = root / suite / "reference.json"
    if not os.path.lexists(path):
        return {}
    content = kinds.table(read_json(path), str(path))
    if content.get("schema_version") != SCHEMA_VERSION:
        raise BadInput(f"{path}: not a reference of schema_version {SCHEMA_VERSION}")
    return kinds.table(content.get("runs"), f"{path}: runs")


def checked(entry: Any, where: str) -> dict[str, Any]:
    """An entry of reference.json, if a session can compute with it. Raises BadInput that names the place.

    >>> checked({"digest": "d", "seeds": {"0": {"rte": {"accuracy": 5}}}}, "reference.json: a")
    Traceback (most recent call last):
    ...
    progbench.errors.BadInput: reference.json: a: seed 0: accuracy of rte = 5: allowed is a number from 0 to 1
    """
    kinds.require(kinds.table(entry, where).get("digest"), kinds.TEXT, f"{where}: digest")
    for seed, scores in kinds.table(entry.get("seeds"), f"{where}: seeds").items():
        if not re.fullmatch(r"0|[1-9][0-9]{0,17}", seed):
            raise BadInput(f"{where}: seed {kinds.shown(seed)}: allowed is a whole number of at least 0")
        for part, metrics in kinds.table(scores, f"{where}: seed {seed}").items():
            for metric, score in kinds.table(metrics, f"{where}: seed {seed}: {part}").items():
                kinds.require(score, score_of(metric), f"{where}: seed {seed}: {metric} of {part}")
    for seed, about in kinds.table(entry.get("environment", {}), f"{where}: environment").items():
        _require_plain(about, f"{where}: environment: {seed}")
    _require_plain(entry.get("fingerprints", {}), f"{where}: fingerprints")
    return entry


def _require_plain(found: Any, where: str) -> None:
    for name, value in kinds.table(found, where).items():
        kinds.require(value, _PLAIN, f"{where}: {name}")


_PLAIN: kinds.Kind = ("a text or a number", lambda value: isinstance(value, str) or kinds.is_number(value))


def of_row(
    entries: Mapping[str, Any], row: dict, siblings: Sequence[dict], parts: Mapping[str, str], path: Path
) -> Reference | None:
    """The reference of a row of a table, for the mean over `parts` (evaluation set to metric), or None.

    The spread is pooled over its `siblings`, itself among them. Raises BadInput, naming the file at `path` and the
    place, where one of their entries is wrong.
    """
    points, runs = _points(entries, row, parts, path)
    if len(points) < REFERENCE_SEEDS:
        return None
    spreads = [list(values.values()) for other in siblings if (values := _points(entries, other, parts, path)[0])]
    spreads = [values for values in spreads if len(values) >= REFERENCE_SEEDS]
    spreads = [values for values in spreads if len({*values}) > 1] or spreads  # equal seeds say nothing of a sibling's
    df = sum(len(values) - 1 for values in spreads)
    sd = math.sqrt(sum(statistics.variance(values) * (len(values) - 1) for values in spreads) / df)
    return Reference(points, runs, sd, df)


def _points(
    entries: Mapping[str, Any], row: dict, parts: Mapping[str, str], path: Path
) -> tuple[dict[int, float], dict[str, dict]]:
    """A row's reference points by seed (the mean over `parts`), and its recipes' entries."""
    columns, runs = [], {}
    for part, metric in parts.items():
        recipe_id = run_id(row["model"], row.get("tuning", "full"), row["schedule"], task_of(part).name)
        where = f"{path}: {recipe_id}"
        entry = checked(entries[recipe_id], where) if recipe_id in entries else {"seeds": {}, "digest": ""}
        runs[recipe_id] = entry
        for seed, scores in entry["seeds"].items():
            if metric not in scores.get(part, {}):
                raise BadInput(f"{where}: seed {seed}: no {metric} of {part}")
        columns.append({int(seed): 100 * scores[part][metric] for seed, scores in entry["seeds"].items()})
    shared = sorted(set.intersection(*(set(column) for column in columns)))
    return {seed: statistics.fmean(column[seed] for column in columns) for seed in shared}, runs
