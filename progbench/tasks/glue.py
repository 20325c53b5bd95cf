"""GLUE's files: what a task's splits hold, read without losing a row. No torch.

A file is read line by line with quoting off: quotation marks, "NA" and other words a table reader might take for
something else are text. What does not fit is an error that names file and line, before any training.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from progbench.errors import BadInput, Missing
from progbench.tasks import hub_splits
from progbench.tasks.source import Source


@dataclass(frozen=True)
class GlueTask:
    """One entry of glue.toml: the files of a task, their columns, its labels and metrics.

    >>> glue_tasks()["rte"].labels
    ('entailment', 'not_entailment')
    """

    head: ClassVar[str] = "classification"
    variable: ClassVar[str] = "GLUE_DIR"
    files: ClassVar[str] = "the GLUE files (CoLA/train.tsv, ...)"
    recipe_fields: ClassVar[tuple[str, ...]] = ()

    name: str
    folder: str
    hub: str
    columns: tuple[str, ...]
    text: tuple[str, ...]
    hub_text: tuple[str, ...]
    label: str
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    train: str
    evaluate: dict[str, tuple[str, str]]
    no_header: bool = False
    broken_rows: float = 0.0

    @property
    def num_labels(self) -> int:
        """Outputs of the classifier: one a class, or a single one for a regression."""
        return len(self.labels) or 1

    @property
    def splits(self) -> list[str]:
        """The names of its splits on the hub."""
        return ["train", *(split for _, split in self.evaluate.values())]

    def read(self, root: Path, source: Source) -> Data:
        """The task's data from a folder in GLUE's layout.

        Raises Missing for a file that is not there, BadInput (file:line) for one that is malformed.
        """
        return read_folder(self, root)

    def fetch(self, source: Source) -> Data:
        """The task's data from the hub. Raises Missing where it is not to be had."""
        return _load_hub(self, source.dataset, source.revision)

    def require(self, root: Path | None, source: Source) -> None:
        """Raise Missing, without reading a file, where `read` or (without a folder) `fetch` is bound to."""
        if root:
            _paths(self, root)
        else:
            hub_splits.require(source.dataset, source.revision, self.hub, self.splits, instead=self.variable)


@dataclass(frozen=True)
class Examples:
    """One split: for each example its one or two texts and its label (class number, or a score from 0 to 5)."""

    texts: tuple[list[str], ...]
    labels: list[int] | list[float]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """A task's training examples and evaluation sets, and a fingerprint of what they were read from."""

    train: Examples
    evaluate: dict[str, Examples]
    fingerprint: str


@functools.cache
def glue_tasks() -> dict[str, GlueTask]:
    """Every task of glue.toml by name."""
    text = (importlib.resources.files(__package__) / "glue.toml").read_text(encoding="utf-8")
    entries = tomllib.loads(text).items()
    return {
        name: GlueTask(name=name, **{key: _frozen(value) for key, value in entry.items()}) for name, entry in entries
    }


def _frozen(value):
    if isinstance(value, dict):
        return {key: tuple(item) for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


def read_folder(task: GlueTask, root: Path) -> Data:
    """A task's data from a folder in GLUE's standard layout."""
    train, *evaluation = _paths(task, root)
    digest = hashlib.sha256()
    for path in (train, *evaluation):
        digest.update(path.read_bytes())
    return Data(
        train=read_tsv(train, task),
        evaluate={name: read_tsv(path, task) for name, path in zip(task.evaluate, evaluation, strict=True)},
        fingerprint=f"sha256:{digest.hexdigest()}",
    )


def _paths(task: GlueTask, root: Path) -> list[Path]:
    files = [task.train, *(file for file, _ in task.evaluate.values())]
    paths = [root / task.folder / file for file in files]
    if absent := [str(path) for path in paths if not path.is_file()]:
        raise Missing(f"no data of {task.name}: no file {' and no '.join(absent)}")
    return paths


def read_tsv(path: Path, task: GlueTask) -> Examples:
    """The examples of one file. Raises BadInput with file:line for a line that does not fit, or if none is left."""
    lines = _lines(path)
    header = task.columns if task.no_header else next((fields for _, fields in lines), ())
    absent = [name for name in (*task.text, task.label) if name not in header]
    if absent and header:
        raise BadInput(f"{path}:1: no column {', '.join(absent)}; the header has {', '.join(header)}")
    texts: tuple[list[str], ...] = tuple([] for _ in task.text)
    labels = []
    wrong_width = []
    for number, fields in lines:
        if len(fields) != len(header):
            wrong_width.append(f"{path}:{number}: {len(fields)} columns, expected {len(header)}")
            continue
        row = dict(zip(header, fields, strict=True))
        for column, name in zip(texts, task.text, strict=True):
            column.append(row[name])
        labels.append(_label(row[task.label], task, path, number))
    if len(wrong_width) > task.broken_rows * len(labels):
        more = f" (and {len(wrong_width) - 1} more such lines)" if len(wrong_width) > 1 else ""
        raise BadInput(wrong_width[0] + more)
    if not labels:
        raise BadInput(f"{path}: the file holds no examples")
    return Examples(texts, labels, left_out=len(wrong_width))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Numbered lines, cut at tabs. Only a line feed ends a line: U+2028 or a form feed is text."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as problem:
                raise BadInput(f"{path}:{number}: not UTF-8: {problem.reason} at byte {problem.start}") from None
            yield number, line.removesuffix("\n").removesuffix("\r").split("\t")


def _label(text: str, task: GlueTask, path: Path, line: int) -> int | float:
    if task.labels:
        if text not in task.labels:
            raise BadInput(f"{path}:{line}: label {text!r} is none of {', '.join(task.labels)}")
        return task.labels.index(text)
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 5:
        raise BadInput(f"{path}:{line}: score {text!r} is not a number from 0 to 5")
    return score


def _load_hub(task: GlueTask, dataset: str, revision: str) -> Data:
    loaded = hub_splits.fetch(dataset, revision, task.hub, task.splits, instead=task.variable)

    def examples(split: str) -> Examples:
        rows = loaded[split]
        return Examples(tuple(list(rows[column]) for column in task.hub_text), list(rows["label"]))

    evaluation = {name: examples(split) for name, (_, split) in task.evaluate.items()}
    return Data(examples("train"), evaluation, f"hub:{dataset}@{revision}")
