"""What a task gives the trainer: rows to train on, and how a model is scored; a classifier's and SQuAD's alike."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import transformers
from torch import nn

from progbench.recipes.recipe import Recipe
from progbench.tasks import remarks, windows
from progbench.tasks.catalog import Task
from progbench.tasks.glue import Data, Examples, GlueTask
from progbench.tasks.source import GENERATED
from progbench.tasks.squad import SquadData
from progbench.training.answering import answering
from progbench.training.scoring import Infer, Row, Scored, by_split, classes


@dataclass(frozen=True)
class Workload:
    """`rows[i]` is one training row, of `lengths[i]` tokens; `score(model, infer)` gives each seed's scores.

    `words` are the token ids of all splits. `examples` and `left_out` are counts by split. `notes` are for a reader of
    the scores.
    """

    rows: Sequence[Row]
    lengths: Sequence[int]
    words: set[int]
    score: Callable[[nn.Module, Infer], list[Scored]]
    examples: dict[str, int]
    left_out: dict[str, int]
    notes: list[str] = field(default_factory=list)


def tokenise(
    task: Task,
    data: Data | SquadData,
    tokenizer: transformers.PreTrainedTokenizerBase,
    recipe: Recipe,
    folder: Path,
) -> Workload:
    """Tokenise a task's data; what is large lies in files in `folder`, which must outlive the workload."""
    importlib.import_module("progbench.tasks.metrics")  # scoring needs it: a fault in it comes out before training
    if task.head == "classification":
        return _classification(task, data, tokenizer, recipe)
    return _answering(data, tokenizer, recipe, folder)


def _classification(task: GlueTask, data: Data, tokenizer, recipe: Recipe) -> Workload:
    encoded = {name: encode(split, tokenizer, recipe.max_length) for name, split in data.evaluate.items()}
    splits = {"train": data.train, **data.evaluate}
    rows = encode(data.train, tokenizer, recipe.max_length)
    return Workload(
        rows=rows,
        lengths=[len(row["input_ids"]) for row in rows],
        words=set().union(*(row["input_ids"] for split in (rows, *encoded.values()) for row in split)),
        score=lambda model, infer: by_split(
            {name: classes(model, rows, infer, task) for name, rows in encoded.items()}
        ),
        examples={name: len(split) for name, split in splits.items()},
        left_out={name: split.left_out for name, split in splits.items()},
        notes=[
            *(split.unended for split in splits.values() if split.unended),
            *([] if recipe.dataset == GENERATED else _remarks(data, encoded, tokenizer, recipe.max_length)),
        ],
    )


def _remarks(data: Data, encoded: Mapping[str, Sequence[Row]], tokenizer, length: int) -> Iterator[str]:
    """Notes on the texts of evaluation: how many are cut, and how many also stand in train."""
    known = list(zip(*data.train.texts, strict=True))
    for name, split in data.evaluate.items():
        full = [i for i, row in enumerate(encoded[name]) if len(row["input_ids"]) >= length]
        whole = (
            tokenizer(*([column[i] for i in full] for column in split.texts), verbose=False)["input_ids"]
            if full
            else []
        )
        texts = list(zip(*split.texts, strict=True))
        said = (
            remarks.cut(name, sum(len(ids) > length for ids in whole), len(split), length),
            remarks.doubles(name, texts, split.labels, known, data.train.labels),
        )
        yield from filter(None, said)


def encode(examples: Examples, tokenizer, max_length: int) -> list[dict]:
    """Token ids (and labels) of every example, cut to `max_length` tokens, the longer text of a pair first."""
    encoded = tokenizer(*examples.texts, truncation=True, max_length=max_length)
    names = list(encoded)
    return [{name: encoded[name][i] for name in names} | {"labels": label} for i, label in enumerate(examples.labels)]


def _answering(data: SquadData, tokenizer, recipe: Recipe, folder: Path) -> Workload:
    cut = {
        name: windows.write(
            questions,
            tokenizer,
            folder / f"{name}.arrow",
            max_length=recipe.max_length,
            doc_stride=recipe.doc_stride,
            label=f"{recipe.id}: windows of {name}",
        )
        for name, questions in {"train": data.train, **data.evaluate}.items()
    }

    splits = data.evaluate

    def score(model: nn.Module, infer: Infer) -> list[Scored]:
        return by_split({name: answering(model, split, cut[name], infer, recipe) for name, split in splits.items()})

    examples = {"train": len(data.train), **{name: len(split) for name, split in splits.items()}}
    return Workload(
        rows=cut["train"].rows.select_columns([*cut["train"].inputs, "start_positions", "end_positions"]),
        lengths=cut["train"].lengths,
        words=set().union(*(split.words() for split in cut.values())),
        score=score,
        examples=examples | {f"{name} windows": len(split) for name, split in cut.items()},
        left_out={"train": len(data.set_aside)} if data.set_aside else {},
        notes=[
            *_note(data.set_aside, "training questions set aside"),
            *_note(cut["train"].unheld, "training answers held whole by no window"),
            *_note(cut["train"].inside, "training answers not on token borders"),
        ],
    )


def _note(places: Sequence[str], what: str, most: int = 3) -> list[str]:
    more = f" and {len(places) - most} more" if len(places) > most else ""
    return [f"{what}: {len(places)} ({'; '.join(places[:most])}{more})"] if places else []
