"""Our own reference runs: read from expected/<suite>/reference.json, checked like results, and pooled. No torch.

A file that cannot be read is a problem of every scored cell of the suite. A wrong run in it is one of the cells that it
judges.
"""

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
from progbench.runs.results import kind_of_score
from progbench.tasks.catalog import task_of

SCHEMA_VERSION = 1
REFERENCE_SEEDS = 5  # fewer raw seeds give no usable spread


@dataclass(frozen=True)
class Reference:
    """Our own reference runs for one cell: points by seed, and their pooled spread.

    `runs` has the entries of reference.json behind them, by recipe id. `sd`, with `df` degrees of freedom, is pooled
    over the rows of the same model and column: schedules of one model on one task are about equally noisy, and five
    seeds alone say little about a spread.
    """

    seeds: Mapping[int, float]
    runs: Mapping[str, Mapping]
    sd: float
    df: int


class _Entries(dict[str, Any]):
    """Entries of the reference.json at `path`, each checked once, as many cells ask for it; else an empty one."""

    def __init__(self, entries: Mapping[str, Any], path: Path) -> None:
        super().__init__(entries)
        self._path, self._sound = path, set[str]()

    def __getitem__(self, recipe_id: str) -> Any:
        if recipe_id in self and recipe_id not in self._sound:
            checked(self.get(recipe_id), f"{self._path}: {recipe_id}")
            self._sound.add(recipe_id)
        return self.get(recipe_id, {"seeds": {}, "digest": ""})


def read(root: Path, suite: str) -> dict[str, Any]:
    """The entries of a suite's reference.json by recipe id, each checked when it is first taken; empty without a file.

    Raises BadInput, naming the file, if it cannot be read as a reference.
    """
    path = root / suite / "reference.json"
    if not os.path.lexists(path):
        return {}
    content = kinds.table(read_json(path), str(path))
    if content.get("schema_version") != SCHEMA_VERSION:
        raise BadInput(f"{path}: not a reference of schema_version {SCHEMA_VERSION}")
    return _Entries(kinds.table(content.get("runs"), f"{path}: runs"), path)


def checked(entry: Any, where: str) -> dict[str, Any]:
    """An entry of reference.json that a session can compute with. Raises BadInput, naming the place, for another.

    >>> checked({"digest": "d", "seeds": {"0": {"rte": {"accuracy": 5}}}}, "reference.json: a")
    Traceback (most recent call last):
    ...
    progbench.errors.BadInput: reference.json: a: seed 0: accuracy of rte = 5: allowed is a number from 0 to 1
    """
    kinds.require(kinds.table(entry, where).get("digest"), kinds.TEXT, f"{where}: digest")
    for seed, scores in kinds.table(entry.get("seeds"), f"{where}: seeds").items():
        if not re.fullmatch(r"0|[1-9][0-9]{0,17}", seed):
            raise BadInput(f"{where}: seed {kinds.shown(seed)}: allowed is a whole number of at least 0")
        for evaluation_set, metrics in kinds.table(scores, f"{where}: seed {seed}").items():
            for metric, score in kinds.table(metrics, f"{where}: seed {seed}: {evaluation_set}").items():
                kinds.require(score, kind_of_score(metric), f"{where}: seed {seed}: {metric} of {evaluation_set}")
    for seed, about in kinds.table(entry.get("environment", {}), f"{where}: environment").items():
        _require_plain(about, f"{where}: environment: {seed}")
    _require_plain(entry.get("fingerprints", {}), f"{where}: fingerprints")
    return entry


def _require_plain(content: Any, where: str) -> None:
    for name, value in kinds.table(content, where).items():
        kinds.require(value, _PLAIN, f"{where}: {name}")


_PLAIN: kinds.Kind = ("a text or a number", lambda value: isinstance(value, str) or kinds.is_number(value))


def of_row(
    entries: Mapping[str, Any], row: dict, siblings: Sequence[dict], metrics: Mapping[str, str], path: Path
) -> Reference | None:
    """The reference of a table's row for the mean over `metrics` (by evaluation set), or None.

    The spread is pooled over its `siblings`, itself among them. Raises BadInput, naming the file at `path` and the
    place, for a wrong entry.
    """
    points, runs = _points(entries, row, metrics, path)
    if len(points) < REFERENCE_SEEDS:
        return None
    spreads = [list(values.values()) for other in siblings if (values := _points(entries, other, metrics, path)[0])]
    spreads = [values for values in spreads if len(values) >= REFERENCE_SEEDS]
    spreads = [values for values in spreads if len({*values}) > 1] or spreads  # equal seeds say nothing of a sibling's
    df = sum(len(values) - 1 for values in spreads)
    sd = math.sqrt(sum(statistics.variance(values) * (len(values) - 1) for values in spreads) / df)
    return Reference(points, runs, sd, df)


def _points(
    entries: Mapping[str, Any], row: dict, metrics: Mapping[str, str], path: Path
) -> tuple[dict[int, float], dict[str, dict]]:
    columns, runs = [], {}
    for evaluation_set, metric in metrics.items():
        recipe_id = run_id(row["model"], row.get("tuning", "full"), row["schedule"], task_of(evaluation_set).name)
        runs[recipe_id] = entry = entries[recipe_id]
        for seed, scores in entry["seeds"].items():
            if metric not in scores.get(evaluation_set, {}):
                raise BadInput(f"{path}: {recipe_id}: seed {seed}: no {metric} of {evaluation_set}")
        columns.append({int(seed): 100 * scores[evaluation_set][metric] for seed, scores in entry["seeds"].items()})
    shared = sorted(set.intersection(*(set(column) for column in columns)))
    return {seed: statistics.fmean(column[seed] for column in columns) for seed in shared}, runs
