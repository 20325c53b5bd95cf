"""What a task gives the trainer: rows to train on, and how a model is scored.

The trainer asks for nothing else, so it does not know whether a task chooses a class or finds an answer.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import torch
import transformers
from torch import nn
from tqdm import tqdm

from progbench.recipes.recipe import Recipe
from progbench.tasks import windows
from progbench.tasks.catalog import Task
from progbench.tasks.glue import Data, Examples, GlueTask
from progbench.tasks.squad import Question, SquadData, SquadTask

EVALUATION_TOKENS = 8192
Batch = Mapping[str, torch.Tensor]
Row = Mapping[str, Any]


class NonFinite(ArithmeticError):
    """A loss or a score that is not a finite number. Training the same seed again would give it again."""


@dataclass(frozen=True)
class Workload:
    """`rows[i]` is one training row, of `lengths[i]` tokens; `score(model)` gives fractions by set and metric.

    `words` are the token ids that occur in any split. `examples` and `left_out` are counts by split, `notes` what a
    reader of the scores should know.
    """

    rows: Sequence[Row]
    lengths: Sequence[int]
    words: set[int]
    score: Callable[[nn.Module], dict[str, dict[str, float]]]
    examples: dict[str, int]
    left_out: dict[str, int]
    notes: list[str] = field(default_factory=list)


def tokenise(
    task: Task,
    data: Data | SquadData,
    tokenizer: transformers.PreTrainedTokenizerBase,
    recipe: Recipe,
    collate: Callable[[list[Row]], Batch],
    folder: Path,
) -> Workload:
    """Tokenise a task's data; what is large lies in files in `folder`, which must outlive the workload."""
    importlib.import_module("progbench.tasks.metrics")  # scoring needs it: a fault in it comes out before training
    make = {"classification": _classification, "question_answering": _answering}[task.head]
    return make(task, data, tokenizer, recipe, collate, folder)


def _classification(task: GlueTask, data: Data, tokenizer, recipe: Recipe, collate: Callable, folder: Path) -> Workload:
    encoded = {name: encode(split, tokenizer, recipe.max_length) for name, split in data.evaluate.items()}
    splits = {"train": data.train, **data.evaluate}
    rows = encode(data.train, tokenizer, recipe.max_length)
    return Workload(
        rows=rows,
        lengths=[len(row["input_ids"]) for row in rows],
        words=set().union(*(row["input_ids"] for part in (rows, *encoded.values()) for row in part)),
        score=lambda model: {name: score_classes(model, rows, collate, task) for name, rows in encoded.items()},
        examples={name: len(split) for name, split in splits.items()},
        left_out={name: split.left_out for name, split in splits.items()},
    )


def encode(examples: Examples, tokenizer, max_length: int) -> list[dict]:
    """Token ids (and labels) of every example, cut to `max_length` tokens, the longer text of a pair first."""
    encoded = tokenizer(*examples.texts, truncation=True, max_length=max_length)
    names = list(encoded)
    return [{name: encoded[name][i] for name in names} | {"labels": label} for i, label in enumerate(examples.labels)]


@torch.no_grad()
def score_classes(model: nn.Module, rows: list[dict], collate: Callable, task: GlueTask) -> dict[str, float]:
    """The task's metrics over encoded examples, as fractions. Raises NonFinite for outputs or metrics that are none.

    The largest of a row of NaN is class 0, so that a broken model would score as a constant one.
    """
    model.eval()
    device = next(model.parameters()).device
    predictions: list = [None] * len(rows)
    for chosen in by_length([len(row["input_ids"]) for row in rows]):
        logits = model(**collate([rows[i] for i in chosen]).to(device)).logits
        _require_finite(logits, task.name)
        answers = logits.argmax(dim=-1) if task.labels else logits[:, 0]
        for i, answer in zip(chosen, answers.tolist(), strict=True):
            predictions[i] = answer
    from progbench.tasks.metrics import GlueMetric  # here: its libraries take 130 MiB, and a step alone does without

    scores = GlueMetric(task).compute(predictions=predictions, references=[row["labels"] for row in rows])
    if undefined := [name for name, value in scores.items() if not math.isfinite(value)]:
        raise NonFinite(f"{task.name}: {', '.join(undefined)} undefined: are the predictions all the same?")
    return scores


def by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Batches of row numbers, shortest rows first, each of about as many tokens."""
    batch: list[int] = []
    for i in numpy.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[i] > EVALUATION_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _require_finite(logits: torch.Tensor, name: str) -> None:
    if not logits.isfinite().all():
        raise NonFinite(f"{name}: the model's outputs are not finite")


def _answering(
    task: SquadTask, data: SquadData, tokenizer, recipe: Recipe, collate: Callable, folder: Path
) -> Workload:
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

    def score(model: nn.Module) -> dict[str, dict[str, float]]:
        return {name: score_answers(model, split, cut[name], collate, recipe) for name, split in splits.items()}

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


def _note(found: Sequence[str], what: str, most: int = 3) -> list[str]:
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return [f"{what}: {len(found)} ({'; '.join(found[:most])}{more})"] if found else []


@torch.no_grad()
def score_answers(
    model: nn.Module, questions: Sequence[Question], cut: windows.Windows, collate: Callable, recipe: Recipe
) -> dict[str, float]:
    """SQuAD's metrics over the answers a model finds, as fractions. Raises NonFinite for outputs that are none."""
    from progbench.tasks.metrics import SquadMetric

    predictions = answers(model, questions, cut, collate, recipe)
    metric = SquadMetric(unanswerable=recipe.null_threshold is not None)
    return metric.compute(predictions=predictions, references=[[text for _, text in one.answers] for one in questions])


@torch.no_grad()
def answers(
    model: nn.Module, questions: Sequence[Question], cut: windows.Windows, collate: Callable, recipe: Recipe
) -> list[str]:
    """The text a model answers each question with; "" for no answer (v2.0), or where a context holds none.

    Of all the windows of a question the best-scored span counts. With a `null_threshold` (v2.0) the answer is "" when
    the lowest score of any window for "no answer" exceeds the best span's by more than it: run_qa.py's rule. Only each
    question's best is kept, so that memory does not grow with the windows.
    """
    model.eval()
    device = next(model.parameters()).device
    best = numpy.full(len(questions), -math.inf)
    spans = numpy.zeros((len(questions), 2), dtype=int)
    null = numpy.full(len(questions), math.inf)
    batches = by_length(cut.lengths)
    with tqdm(total=len(cut), desc=f"{recipe.id}: answers", unit="window", disable=None, leave=False) as progress:
        for chosen in batches:
            rows = cut.rows[chosen]
            inputs = [
                dict(zip(cut.inputs, row, strict=True))
                for row in zip(*(rows[name] for name in cut.inputs), strict=True)
            ]
            outputs = model(**collate(inputs).to(device))
            start, end = outputs.start_logits.float().cpu(), outputs.end_logits.float().cpu()
            _require_finite(start, recipe.task)
            _require_finite(end, recipe.task)
            context = torch.zeros(start.shape, dtype=torch.bool)
            for row, (at, tokens) in enumerate(zip(rows["context_at"], rows["starts"], strict=True)):
                context[row, at : at + len(tokens)] = True
            found = best_spans(start, end, context, recipe.n_best, recipe.max_answer_length)
            for row, (score, first, last) in enumerate(zip(*(part.tolist() for part in found), strict=True)):
                question, at = rows["question"][row], rows["context_at"][row]
                null[question] = min(null[question], float(start[row, 0] + end[row, 0]))
                if score > best[question]:
                    best[question] = score
                    spans[question] = rows["starts"][row][first - at], rows["ends"][row][last - at]
            progress.update(len(chosen))
    if recipe.null_threshold is not None:
        spans[null - best > recipe.null_threshold] = 0
    return [question.context[start:end] for question, (start, end) in zip(questions, spans.tolist(), strict=True)]


def best_spans(
    start: torch.Tensor, end: torch.Tensor, context: torch.Tensor, n_best: int, max_answer_length: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """For each window the score, first and last token of the best span; a score of -inf where there is none.

    >>> start, end = torch.tensor([[9.0, 1.0, 5.0, 0.0]]), torch.tensor([[9.0, 4.0, 0.0, 3.0]])
    >>> context = torch.tensor([[False, True, True, True]])  # token 0 is the classification token
    >>> [part.item() for part in best_spans(start, end, context, n_best=20, max_answer_length=30)]
    [8.0, 2, 3]

    Shapes: (windows, tokens) each, to three of (windows,). The candidates are the `n_best` highest starts and ends in
    the context; a span that ends before it starts, or has more than `max_answer_length` tokens, is none. run_qa.py
    picks its candidates from all tokens and then drops those outside the context, so that it may try fewer.
    """
    n_best = min(n_best, start.shape[1])
    starts = start.masked_fill(~context, -math.inf).topk(n_best)
    ends = end.masked_fill(~context, -math.inf).topk(n_best)
    first, last = starts.indices[:, :, None], ends.indices[:, None, :]
    scores = starts.values[:, :, None] + ends.values[:, None, :]
    scores = scores.masked_fill((last < first) | (last - first >= max_answer_length), -math.inf).flatten(1)
    score, place = scores.max(dim=1)
    row = torch.arange(len(score))
    return score, starts.indices[row, place // n_best], ends.indices[row, place % n_best]
