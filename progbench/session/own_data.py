"""A person's training and development data: what kind of task they are, and its entry of a tasks.toml."""

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from progbench import files, kinds
from progbench.errors import BadInput
from progbench.tasks import records, remarks, squad
from progbench.tasks.catalog import tasks

KINDS = ("classification", "regression", "answers")
MOST_CLASSES = 100  # more different numbers than this are scores
Sides = Sequence[tuple[str, str]]  # of a file, each row's place and label
METRICS = {"regression": ("pearson", "spearman"), "answers": ("exact_match", "f1")}


@dataclass(frozen=True)
class Described:
    """A person's data: the task's name, its entry of tasks.toml, and the start of its files' checksum.

    `kind` is one of KINDS. `metrics` are scored, the main one first. `rows` are those of training and development.
    """

    name: str
    entry: dict[str, Any]
    digest: str
    kind: str
    metrics: tuple[str, ...]
    rows: tuple[int, int]

    def __str__(self) -> str:
        what = f"{len(self.entry['labels'])} classes" if self.entry.get("labels") else self.kind
        columns = f" of {' and '.join(self.entry['text'])}" if "text" in self.entry else ""
        return f"{what}{columns}: {self.rows[0]:,} rows to train on, {self.rows[1]:,} to score"


def describe(
    train: Path,
    dev: Path,
    folder: Path,
    *,
    name: str = "",
    text: Sequence[str] = (),
    label: str = "label",
    kind: str = "",
) -> Described:
    """Look at both files; questions in another layout than SQuAD's are written to `folder` in that layout.

    Without a `name`, the data has that of its training file. Without `text`, the text columns are the one or two that
    are neither the label nor numbers. Without `kind`, a label is a class, unless there are fractions, or more than
    MOST_CLASSES different numbers. Raises BadInput, naming the file, for what is not there or cannot be told.
    """
    for path in (train, dev):
        if not path.exists():
            raise BadInput(f"{path}: there is no such file")
    digest = hashlib.sha256(records.content_of(train) + b"\0" + records.content_of(dev)).hexdigest()[:16]
    name = name or named(train)
    if kind == "answers" or (not kind and _answers(train)):
        return _answering(name, train, dev, folder, digest)
    first = next(records.read(train), None)
    if first is None:
        raise BadInput(f"{train}: the file holds no examples")
    if label not in first[1]:
        shown = f"no column {kinds.shown(label)}: name it with --label; there are {records.listed(first[1])}"
        raise BadInput(f"{first[0]}: {shown}")
    if len(text) > 2 or len({*text}) < len(text) or label in text:
        given = kinds.shown(",".join(text))
        raise BadInput(f"--text {given}: wanted is one column or two different ones, and not that of labels ({label})")
    chosen = list(text) or _texts(train, label)
    (known, first_side), (unknown, second_side) = (records.columns(path, chosen, label) for path in (train, dev))
    if not second_side:
        raise BadInput(f"{dev}: the file holds no examples")
    remarks.refuse_known(str(dev), zip(*unknown, strict=True), str(train), zip(*known, strict=True))
    sides = {train: first_side, dev: second_side}
    labels = [[value for _, value in side] for side in sides.values()]
    kind = kind or _kind(labels[0])
    about = {"text": chosen, "label": label, **_files(train, dev, name, len(labels[0]), len(labels[1]))}
    about |= _scores(sides) if kind == "regression" else _classes(sides)
    classes = about["labels"]
    metrics = METRICS.get(kind) or ("accuracy", *(["f1"] if len(classes) == 2 else []), "matthews_correlation")
    return Described(name, about | {"metrics": list(metrics)}, digest, kind, metrics, tuple(map(len, labels)))


def _kind(labels: Sequence[str]) -> str:
    """Whether labels look like scores ("regression") or classes ("classification").

    If more than half of them are numbers that look like scores, they are scores; `_scores` refuses the rest.
    """
    different = {*labels}
    numbers = {value for value in different if is_plain(value)}
    scores = len(numbers) > MOST_CLASSES or any("." in value for value in numbers)
    return "regression" if scores and len(numbers) > len(different) / 2 else "classification"


def _scores(sides: Mapping[Path, Sides]) -> dict[str, Any]:
    """What a task's entry in tasks.toml says of labels that are scores: no classes, and the range of the scores.

    Raises BadInput for a label that is no score, and for a file whose scores are all equal: no correlation is defined.
    """
    for path, side in sides.items():
        if wrong := next(((where, value) for where, value in side if not is_plain(value)), None):
            words = "a score is a plain decimal number, such as 0.001; are these classes? Say --kind classification"
            raise BadInput(f"{wrong[0]}: the label is {kinds.shown(wrong[1])}: {words}")
        if len({float(value) for _, value in side}) < 2:
            raise BadInput(f"{path}: every score is {side[0][1]}: nothing correlates with what never changes")
    scores = [float(value) for side in sides.values() for _, value in side]
    return {"labels": [], "scale": [min(scores), max(scores)]}


def _classes(sides: Mapping[Path, Sides]) -> dict[str, Any]:
    """What a task's entry in tasks.toml says of labels that are classes: their names.

    Raises BadInput if there is one class alone, and for a label to score that no training row has.
    """
    (train, known), (_, scored) = sides.items()
    classes = sorted({value for _, value in known})
    if wrong := next(((where, value) for where, value in scored if value not in classes), None):
        raise BadInput(f"{wrong[0]}: no row of {train} has the label {kinds.shown(wrong[1])}")
    if len(classes) < 2:
        raise BadInput(f"{train}: every label is {kinds.shown(classes[0])}: there is nothing to tell apart")
    return {"labels": classes}


def is_plain(value: str) -> bool:
    """Whether a label is a number as a person writes one, in no power of ten, and one that a float holds.

    >>> [is_plain(value) for value in ("-1.5", "1e-3", "NaN", "9" * 400)]
    [True, False, False, False]
    """
    return bool(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value)) and kinds.is_number(float(value))


def named(path: Path) -> str:
    """A name for a file's or folder's content: it can stand in a path, and is no known task's.

    >>> named(Path("my reviews.tsv")), named(Path("data/rte.tsv"))
    ('my-reviews', 'rte-own')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "data"
    taken = {*tasks(), *(evaluation_set for task in tasks().values() for evaluation_set in task.evaluate)}
    return f"{plain}-own" if plain in taken else plain


def _files(train: Path, dev: Path, name: str, *rows: int) -> dict[str, Any]:
    return {
        "train": str(train.resolve()),
        "evaluate": {name: [str(dev.resolve()), ""]},
        "rows": {"train": rows[0], name: rows[1]},
    }


def _texts(path: Path, label: str) -> list[str]:
    """The columns that hold texts. Raises BadInput if they are not one or two: then a person must say which."""
    rows = [row for _, row in itertools.islice(records.read(path), 100)]
    words = {name for row in rows for name, value in row.items() if isinstance(value, str) and not is_plain(value)}
    columns = [name for name in rows[0] if name != label and name in words]
    if len(columns) not in (1, 2):
        wanted = f"which columns are the text, or its two texts? Say --text NAME, of {records.listed(rows[0])}"
        raise BadInput(f"{path}: {wanted}")
    return columns


def _answers(path: Path) -> bool:
    if path.suffix.lower() in (".tsv", ".csv"):
        return False
    return _is_squad(path) or {"context", "question", "answers"} <= set(next(records.read(path), ("", {}))[1])


def _is_squad(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    try:
        content = files.read_json(path)
    except BadInput:
        return False
    return isinstance(content, dict) and "data" in content


def _answering(name: str, train: Path, dev: Path, folder: Path, digest: str) -> Described:
    paths, answers = {"train": train, "dev": dev}, {}
    for side, path in paths.items():
        if _is_squad(path):
            answers[side] = [question.answers for question in squad.file_questions(path)]
        else:
            rows = enumerate(records.read(path))
            questions = [_question(where, row, f"{side}-{number}") for number, (where, row) in rows]
            paragraphs = [{"context": question.pop("context"), "qas": [question]} for question in questions]
            whole = {"data": [{"title": path.name, "paragraphs": paragraphs}]}
            answers[side] = [question["answers"] for question in questions]
            paths[side] = folder / f"{side}.json"
            files.write_atomically(paths[side], json.dumps(whole, ensure_ascii=False) + "\n")
        if not answers[side]:
            raise BadInput(f"{path}: the file holds no questions")
    rows = tuple(map(len, answers.values()))
    about = _files(*paths.values(), name, *rows) | {"unanswerable": not all(map(all, answers.values()))}
    return Described(name, about, digest, "answers", METRICS["answers"], rows)


def _question(where: str, row: records.Record, name: str) -> dict[str, Any]:
    """A row in the layout of SQuAD's file. Raises BadInput for a row in another layout than SQuAD's in `datasets`."""
    answers = kinds.table(row.get("answers"), f"{where}: answers")
    texts, starts = answers.get("text"), answers.get("answer_start")
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        raise BadInput(f"{where}: answers: wanted are two lists, text and answer_start, of one length")
    marked = [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
    for field in ("context", "question"):
        kinds.require(row.get(field), kinds.TEXT, f"{where}: {field}")
    return {
        "id": str(row.get("id", name)),
        "context": row["context"],
        "question": row["question"],
        "answers": marked,
        "is_impossible": not marked,
    }
