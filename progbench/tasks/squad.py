"""SQuAD's files: articles of paragraphs of questions, each with the answers that annotators marked. No torch.

What does not fit is an error that names file, article and question. Only a training question whose answer does not
stand where the file says may be set aside: rarely, by name, and counted.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, ClassVar

from progbench import kinds
from progbench.errors import BadInput, Missing
from progbench.tasks import entries
from progbench.tasks.remarks import blank, refuse_known
from progbench.tasks.source import OnHub, Source


@dataclass(frozen=True, slots=True)
class Question:
    """One question about a context; `answers` are (first character, text), none where the context has none."""

    id: str
    article: str
    text: str
    context: str
    answers: tuple[tuple[int, str], ...]

    @property
    def where(self) -> str:
        return f"article {self.article!r}, question {self.id!r}"

    @property
    def misplaced(self) -> str:
        """The answer whose text does not stand where it should, in words; '' if each does."""
        for start, text in self.answers:
            if start < 0 or self.context[start : start + len(text)] != text:
                return f"{self.where}: the answer {text!r} is not at character {start} of the context"
        return ""


@dataclass(frozen=True)
class SquadData:
    """A task's training questions and evaluation sets; what was set aside, in words; and a fingerprint of it all."""

    train: list[Question]
    evaluate: dict[str, list[Question]]
    set_aside: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class SquadTask(OnHub):
    head: ClassVar[str] = "question_answering"
    variable: ClassVar[str] = "SQUAD_DIR"
    files: ClassVar[str] = "the SQuAD files (train-v1.1.json, ...)"
    num_labels: ClassVar[int] = 2  # one score for "the answer starts here", one for "it ends here"
    metrics: ClassVar[tuple[str, ...]] = ("exact_match", "f1")
    published: ClassVar[str] = ""  # its training files, whole, were never seen here

    name: str
    train: str
    evaluate: dict[str, tuple[str, str]]
    rows: dict[str, tuple[int, ...]]
    hub: str
    unanswerable: bool
    broken_answers: float
    beginning: str = ""
    home: str = ""

    @property
    def recipe_fields(self) -> tuple[str, ...]:
        return ("doc_stride", "n_best", "max_answer_length", *(("null_threshold",) if self.unanswerable else ()))

    def read(self, root: Path, source: Source) -> SquadData:
        """The task's questions from a folder with the authors' files.

        Raises Missing for a file that is not there, BadInput, naming article and question, for one that is malformed.
        """
        return self._data(source, [(str(path), file_questions(path)) for path in self.paths(root, source)])

    def fingerprint(self, root: Path, source: Source) -> str:
        """A digest of all questions that `read` reads, whatever file they stand in. Raises as it does."""
        return self.read(root, source).fingerprint

    def fetch(self, source: Source) -> SquadData:
        loaded = self.from_hub(source)
        named = [(f"{source.dataset} {split}", split) for split in self.splits]
        return self._data(source, [(where, _hub_entries(where, loaded[split])) for where, split in named])

    def questions(self, path: Path) -> list[Question]:
        """The questions of one file. Raises BadInput, naming file, article and question, for what does not fit."""
        return self._questions(str(path), file_questions(path))

    def _data(self, source: Source, splits: Sequence[tuple[str, Iterable[Question]]]) -> SquadData:
        train, *evaluation = splits
        questions, set_aside = self._training(source.train_questions, *train)
        evaluate = {
            name: self._questions(where, entries)
            for name, (where, entries) in zip(self.evaluate, evaluation, strict=True)
        }
        trained = {question.id for question in questions}
        for name, (where, _) in zip(self.evaluate, evaluation, strict=True):
            if wrong := next((question.misplaced for question in evaluate[name] if question.misplaced), ""):
                raise BadInput(f"{where}: {wrong}")
            refuse_known(where, _texts(evaluate[name]), train[0], _texts(questions))
            if known := next((question.where for question in evaluate[name] if question.id in trained), ""):
                raise BadInput(f"{where}: {known}: a training question has the same id; evaluation must not know it")
        return SquadData(questions, evaluate, tuple(set_aside), _fingerprint(questions, *evaluate.values()))

    def paths(self, root: Path, source: Source) -> list[Path]:
        train = root / self.train
        if source.train_questions and self.beginning and not train.is_file():
            train = root / self.beginning
        paths = [train, *(root / file for file, _ in self.evaluate.values())]
        if absent := [path for path in paths if not path.is_file()]:
            names = [
                f"{root / self.train} or {path.name}" if path.name == self.beginning else str(path) for path in absent
            ]
            raise Missing(f"no data of {self.name}: no file {' and no '.join(names)}")
        return paths

    def _training(self, first: int | None, where: str, entries: Iterable[Question]) -> tuple[list[Question], list[str]]:
        questions = self._questions(where, entries)
        wanted = first or len(questions)
        if len(questions) < wanted:
            raise BadInput(f"{where}: holds {len(questions)} questions, and the recipe trains on the first {wanted}")
        questions = questions[:wanted]
        set_aside = [question.misplaced for question in questions if question.misplaced]
        if len(set_aside) > self.broken_answers * len(questions):
            more = f" (and {len(set_aside) - 1} more such answers)" if len(set_aside) > 1 else ""
            raise BadInput(f"{where}: {set_aside[0]}{more}")
        return [question for question in questions if not question.misplaced], set_aside

    def _questions(self, where: str, entries: Iterable[Question]) -> list[Question]:
        """The questions of one file. Raises BadInput if an id occurs twice, or one lacks an answer and may not."""
        by_id: dict[str, Question] = {}
        for own in entries:
            if own.id in by_id:
                raise BadInput(f"{where}: {own.where}: the same id as a question of article {by_id[own.id].article!r}")
            if not own.answers and not self.unanswerable:
                raise BadInput(f"{where}: {own.where}: no answer; only SQuAD v2.0 has questions without one")
            by_id[own.id] = own
        if not by_id:
            raise BadInput(f"{where}: the file holds no questions")
        if self.unanswerable and all(question.answers for question in by_id.values()):
            raise BadInput(f"{where}: every question has an answer: this is not SQuAD v2.0")
        return list(by_id.values())


def _texts(questions: Iterable[Question]) -> Iterator[tuple[str, str]]:
    return ((question.context, question.text) for question in questions)


@functools.cache
def squad_tasks() -> dict[str, SquadTask]:
    """Every task of squad.toml by name."""
    path = Path(__file__).with_suffix(".toml")
    return {
        name: SquadTask(name=name, **entries.frozen(entry))
        for name, entry in entries.read(path, WANTED, OPTIONAL).items()
    }


OPTIONAL: dict[str, kinds.Kind] = {"beginning": kinds.TEXT}
WANTED: dict[str, kinds.Kind] = {
    **dict.fromkeys(("train", "hub"), kinds.TEXT),
    "evaluate": entries.SETS,
    "rows": entries.ROWS,
    "unanswerable": entries.FLAG,
    "broken_answers": entries.SHARE,
}


class _Repeated(dict):
    """A JSON object that has a key twice: which of the two values is meant, nobody knows."""

    key: str


def _object(pairs: list[tuple[str, Any]]) -> dict:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    repeated = _Repeated(values)
    repeated.key = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return repeated


def file_questions(path: Path) -> Iterator[Question]:
    """The questions of a file in SQuAD's layout. Raises BadInput, with the place, for what is in another."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as problem:  # of the text, of its syntax, of an endless number
        raise BadInput(f"{path}: not JSON: {problem}") from None
    articles = _field(content, "data", list, str(path))
    for number, article in enumerate(articles, start=1):
        where = f"{path}: article {number}"
        title = _field(article, "title", str, where)
        for place, paragraph in enumerate(_field(article, "paragraphs", list, where), start=1):
            at = f"{where} {title!r}, paragraph {place}"
            context = _field(paragraph, "context", str, at)
            for entry in _field(paragraph, "qas", list, at):
                yield _question(entry, title, context, at)


def _question(entry: Any, title: str, context: str, at: str) -> Question:
    name = _field(entry, "id", str, at)
    at = f"{at}, question {name!r}"
    answers = tuple(
        (_field(answer, "answer_start", int, at), _field(answer, "text", str, at))
        for answer in _field(entry, "answers", list, at)
    )
    impossible = _field(entry, "is_impossible", bool, at) if "is_impossible" in entry else not answers
    if empty := [start for start, text in answers if blank(text)]:
        raise BadInput(f"{at}: the answer at character {empty[0]} is empty")
    if bool(answers) == impossible:
        raise BadInput(f"{at}: is_impossible is {impossible}, but it has {len(answers)} answers")
    text = _field(entry, "question", str, at)
    if nothing := [what for what, value in (("question", text), ("context", context)) if blank(value)]:
        raise BadInput(f"{at}: the {nothing[0]} is empty")
    return Question(name, title, text, context, answers)


def _field(holder: Any, name: str, kind: type, where: str) -> Any:
    if isinstance(holder, _Repeated):
        raise BadInput(f"{where}: the key {holder.key!r} stands twice in one object")
    if not isinstance(holder, dict) or name not in holder:
        raise BadInput(f"{where}: no {name!r}")
    if type(holder[name]) is not kind:
        raise BadInput(f"{where}: {name!r} is {holder[name]!r:.40}, wanted is a JSON {_KINDS[kind]}")
    if kind is str and not holder[name].isprintable():  # seldom: control characters, or half of a surrogate pair
        try:
            holder[name].encode()
        except UnicodeEncodeError as problem:
            raise BadInput(f"{where}: {name!r} is not Unicode text: {problem.reason}") from None
    return holder[name]


_KINDS = {list: "array", str: "string", int: "whole number", bool: "true or false", dict: "object"}


def _hub_entries(where: str, rows: Iterable[dict]) -> Iterator[Question]:
    for number, row in enumerate(rows):
        at = f"{where}: row {number}"
        marked = _field(row, "answers", dict, at)
        starts, texts = (_field(marked, name, list, at) for name in ("answer_start", "text"))
        if len(starts) != len(texts):
            raise BadInput(f"{at}: {len(starts)} places for {len(texts)} answers")
        answers = [{"answer_start": start, "text": text} for start, text in zip(starts, texts, strict=True)]
        title, context = (_field(row, name, str, at) for name in ("title", "context"))
        yield _question({**row, "answers": answers}, title, context, at)


def _fingerprint(*splits: Iterable[Question]) -> str:
    """Of the questions that are used, not of the file: a file that merely holds more is the same data."""
    digest = hashlib.sha256()
    for split in splits:
        for question in split:
            digest.update(json.dumps(astuple(question)).encode())
        digest.update(b"\n")
    return f"sha256:{digest.hexdigest()}"
