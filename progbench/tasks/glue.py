"""GLUE's files: what a task's splits hold, read without losing a row. No torch.

Quotation marks, "NA" and other words that a table reader might take for something else are text. What does not fit is
an error that names file and line, before any training.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from progbench import kinds
from progbench.errors import BadInput, Missing
from progbench.tasks import entries, records
from progbench.tasks.remarks import blank, refuse_known
from progbench.tasks.source import OnHub, Source

SCALE = (0.0, 5.0)  # of STS-B's scores


@dataclass(frozen=True)
class GlueTask(OnHub):
    """One entry of glue.toml, or of a person's tasks.toml: the files of a task, their columns, its labels and metrics.

    >>> glue_tasks()["rte"].labels
    ('entailment', 'not_entailment')

    A regression's scores lie on a `scale`, from the lowest to the highest. A person's own entry has its `home`.
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
    rows: dict[str, tuple[int, ...]]
    no_header: bool = False
    broken_rows: float = 0.0
    empty_texts: int = 0
    unended: tuple[str, ...] = ()
    scale: tuple[float, ...] = SCALE
    home: str = ""
    published: str = ""

    @property
    def num_labels(self) -> int:
        """Outputs of the classifier: one a class, or a single one for a regression."""
        return len(self.labels) or 1

    def read(self, root: Path, source: Source | None = None) -> Data:
        """The task's data from a folder in GLUE's standard layout, of whatever source.

        Raises Missing for a file that is not there, and BadInput (file:line) for one that does not fit, and for two
        that are the same: one is a copy under a wrong name.
        """
        train, *evaluation = self.paths(root)
        seen: dict[bytes, Path] = {}
        for path in (train, *evaluation):
            other = seen.setdefault(hashlib.sha256(records.content_of(path)).digest(), path)
            if other != path:
                raise BadInput(
                    f"{path}: holds the same bytes as {other.name}: one of them is a copy under a wrong name"
                )
        trained = read_file(train, self)
        splits = {name: read_file(path, self) for name, path in zip(self.evaluate, evaluation, strict=True)}
        for path, split in zip(evaluation, splits.values(), strict=True):
            refuse_known(str(path), zip(*split.texts, strict=True), str(train), zip(*trained.texts, strict=True))
        return Data(trained, splits, fingerprint=self.fingerprint(root))

    def fingerprint(self, root: Path, source: Source | None = None) -> str:
        """A digest of the bytes of all files that `read` reads, of whatever source. Raises Missing as it does."""
        digest = hashlib.sha256()
        for path in self.paths(root):
            digest.update(records.content_of(path))
        return f"sha256:{digest.hexdigest()}"

    def paths(self, root: Path, source: Source | None = None) -> list[Path]:
        files = [self.train, *(file for file, _ in self.evaluate.values())]
        paths = [root / self.folder / file for file in files]
        if absent := [str(path) for path in paths if not path.is_file() and not (self.home and path.is_dir())]:
            raise Missing(f"no data of {self.name}: no file {' and no '.join(absent)}")
        return paths

    def fetch(self, source: Source) -> Data:
        return _load_hub(self, source)


@dataclass(frozen=True)
class Examples:
    """One split: for each example its one or two texts and its label (class number, or a score from 0 to 5).

    `unended` says where a file's last line does not end, so that it may have been cut.
    """

    texts: tuple[list[str], ...]
    labels: list[int] | list[float]
    left_out: int = 0
    unended: str = ""

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
    path = Path(__file__).with_suffix(".toml")
    return {
        name: GlueTask(name=name, **entries.frozen(entry))
        for name, entry in entries.read(path, WANTED, OPTIONAL).items()
    }


_SCALE: kinds.Kind = (
    "two numbers, the lowest score and the highest",
    lambda x: isinstance(x, list) and len(x) == 2 and all(map(kinds.is_number, x)) and x[0] < x[1],
)
WANTED: dict[str, kinds.Kind] = {
    **dict.fromkeys(("folder", "label", "train"), kinds.TEXT),
    **dict.fromkeys(("columns", "text", "metrics"), kinds.TEXTS),
    "hub": kinds.ANY_TEXT,
    **dict.fromkeys(("hub_text", "labels"), entries.MAYBE_TEXTS),
    "evaluate": entries.SETS,
    "rows": entries.ROWS,
}
OPTIONAL: dict[str, kinds.Kind] = {
    "scale": _SCALE,
    "no_header": entries.FLAG,
    "broken_rows": entries.SHARE,
    "empty_texts": kinds.whole(0, 10**9),
    "unended": kinds.TEXTS,
    "published": kinds.TEXT,
}


def read_file(path: Path, task: GlueTask) -> Examples:
    """The examples of a file: GLUE's own tables, or by its ending one of those that `records` reads."""
    if path.suffix.lower() == ".tsv" or not task.home:
        return read_tsv(path, task)
    texts, labels = records.columns(path, task.text, task.label)
    if not labels:
        raise BadInput(f"{path}: the file holds no examples")
    return Examples(texts, [_label(label, task, where) for where, label in labels])


def read_tsv(path: Path, task: GlueTask) -> Examples:
    """The examples of one file. Raises BadInput with file:line for a line that does not fit, or if none is left."""
    lines = _lines(path)
    first = None if task.no_header else next(lines, None)
    header = tuple(_fields(first[1])) if first else task.columns
    if twice := [name for name in header if header.count(name) > 1]:
        raise BadInput(f"{path}:1: two columns are called {twice[0]!r}")
    absent = [name for name in (*task.text, task.label) if name not in header]
    if absent:
        raise BadInput(f"{path}:1: no column {', '.join(absent)}; the header has {', '.join(header)}")
    texts: tuple[list[str], ...] = tuple([] for _ in task.text)
    labels, wrong_width, empty = [], [], []
    unended = ""
    for number, line in lines:
        fields = _fields(line)
        if not line.endswith("\n") and line not in task.unended:
            unended = (
                f"{task.folder}/{path.name}:{number}: the last line does not end: the file may have been cut there"
            )
        if len(fields) != len(header):
            wrong_width.append(
                f"{path}:{number}: {len(fields)} column{'s' * (len(fields) != 1)}, expected {len(header)}"
            )
            continue
        row = dict(zip(header, fields, strict=True))
        for column, name in zip(texts, task.text, strict=True):
            column.append(row[name])
            if blank(row[name]):
                empty.append(f"{path}:{number}: nothing in column {name}")
        labels.append(_label(row[task.label], task, f"{path}:{number}"))
    _refuse_more_than(task.broken_rows * len(labels), wrong_width)
    _refuse_more_than(task.empty_texts, empty)
    if not labels:
        raise BadInput(f"{path}: the file holds no examples")
    return Examples(texts, labels, len(wrong_width), unended)


def _refuse_more_than(allowed: float, wrong: Sequence[str]) -> None:
    if len(wrong) > allowed:
        raise BadInput(wrong[0] + (f" (and {len(wrong) - 1} more such lines)" if len(wrong) > 1 else ""))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines with their ends. Only a line feed ends a line: U+2028 or a form feed is text."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as problem:
                raise BadInput(f"{path}:{number}: not UTF-8: {problem.reason} at byte {problem.start}") from None


def _fields(line: str) -> list[str]:
    return line.removesuffix("\n").removesuffix("\r").split("\t")


def _label(text: str, task: GlueTask, where: str) -> int | float:
    if task.labels:
        if text not in task.labels:
            raise BadInput(f"{where}: label {text!r} is none of {', '.join(task.labels)}")
        return task.labels.index(text)
    lowest, highest = task.scale
    # float() alone takes digits of any script, "1_0" and "1e0"
    sign = "-?" if lowest < 0 else ""
    if not re.fullmatch(sign + r"[0-9]+(\.[0-9]+)?", text) or not lowest <= float(text) <= highest:
        raise BadInput(f"{where}: score {text!r} is not a plain decimal number from {lowest:g} to {highest:g}")
    return float(text)


def _load_hub(task: GlueTask, source: Source) -> Data:
    loaded, dataset = task.from_hub(source), source.dataset

    def examples(split: str) -> Examples:
        rows, where = loaded[split], f"{dataset} {split}"
        texts, labels = tuple(list(rows[column]) for column in task.hub_text), list(rows["label"])
        for number, label in enumerate(labels):
            if not (label in range(len(task.labels)) if task.labels else label is not None and 0 <= label <= 5):
                raise BadInput(f"{where}: row {number}: the label is {label!r}")
        columns = zip(task.hub_text, texts, strict=True)
        empty = [(i, name) for name, column in columns for i, text in enumerate(column) if blank(text or "")]
        _refuse_more_than(task.empty_texts, [f"{where}: row {i}: nothing in column {name}" for i, name in empty])
        return Examples(texts, labels)

    evaluation = {name: examples(split) for name, (_, split) in task.evaluate.items()}
    trained = examples("train")
    for (_, split), own in zip(task.evaluate.values(), evaluation.values(), strict=True):
        where, known = f"{dataset} {split}", zip(*trained.texts, strict=True)
        refuse_known(where, zip(*own.texts, strict=True), f"{dataset} train", known)
    return Data(trained, evaluation, f"hub:{dataset}@{source.revision}")
