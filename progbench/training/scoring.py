"""Scoring: outputs to predictions to a task's metrics, for one seed or several at once.

If a seed's outputs or metrics are not finite, a NonFinite takes the place of its scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from torch import nn

from progbench.runs.results import EpochResult
from progbench.tasks.glue import GlueTask
from progbench.training import memory

EVALUATION_TOKENS = 8192
Batch = Mapping[str, torch.Tensor]
Row = Mapping[str, Any]


class NonFinite(ArithmeticError):
    """A loss or a score that is not a finite number. Training the same seed again would give it again.

    `fingerprints` say of which data and weights, if the run knows.
    """

    def __init__(self, message: str, fingerprints: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fingerprints = dict(fingerprints or {})


@dataclass(frozen=True)
class SplitScore:
    """One seed's scores on one split: `metrics` as fractions, and the `predictions` behind them.

    Predictions are lists with an item for each example, in file order, as `runs.predictions` keeps them.
    """

    metrics: dict[str, float]
    predictions: dict[str, list]


Scored = dict[str, SplitScore] | NonFinite  # by split


def epoch_result(scored: Scored, *numbers: float | None) -> EpochResult:
    """An epoch's result; `numbers` are the fields after its scores, in order. A seed that failed has no scores."""
    splits = {} if isinstance(scored, NonFinite) else scored
    scores = {name: of_split.metrics for name, of_split in splits.items()}
    return EpochResult(scores, *numbers, predictions={name: of_split.predictions for name, of_split in splits.items()})


Infer = Callable[[nn.Module, Sequence[Row]], list[Batch]]


def alone(collate: Callable[[Sequence[Row]], Any]) -> Infer:
    """Ask one seed's model for its outputs: a list of one batch."""

    def infer(model: nn.Module, rows: Sequence[Row]) -> list[Batch]:
        return [model(**collate(rows).to(next(model.parameters()).device))]

    return infer


def within_memory(infer: Infer) -> Infer:
    """On out-of-memory, split the rows in two and retry."""

    def tried(model: nn.Module, rows: Sequence[Row]) -> list[Batch]:
        try:
            return infer(model, rows)
        except Exception as problem:
            if len(rows) == 1 or not memory.ran_out(problem):
                raise
        memory.free_all(next(model.parameters()).device.type)
        half = (len(rows) + 1) // 2
        halves = zip(tried(model, rows[:half]), tried(model, rows[half:]), strict=True)
        return [joined(of_seed, range(len(rows))) for of_seed in halves]

    return tried


def joined(outputs: Sequence[Batch], order: Sequence[int]) -> Batch:
    """One batch of outputs from several, with row i of all of them one after another at the place `order[i]`.

    >>> joined([{"logits": torch.tensor([[1.0], [3.0]])}, {"logits": torch.tensor([[2.0]])}], [0, 2, 1])
    {'logits': tensor([[1.],
            [2.],
            [3.]])}

    Only logits are kept. Rows of fewer tokens are filled up with the lowest number.
    """
    return {name: _placed([own[name] for own in outputs], order) for name in outputs[0] if name.endswith("logits")}


def _placed(logits: Sequence[torch.Tensor], order: Sequence[int]) -> torch.Tensor:
    most = max(rows.shape[1] for rows in logits)
    lowest = torch.finfo(logits[0].dtype).min
    wide = [nn.functional.pad(rows, (0, most - rows.shape[1]), value=lowest) for rows in logits]
    return torch.cat(wide)[torch.tensor(order).argsort()]


def by_split(scored: Mapping[str, Sequence[SplitScore | NonFinite]]) -> list[Scored]:
    """Each seed's scores of every split, or the first NonFinite in the place of all.

    >>> matched, mismatched = SplitScore({"accuracy": 0.8}, {}), SplitScore({"accuracy": 0.7}, {})
    >>> by_split({"mnli-m": [matched], "mnli-mm": [mismatched]}) == [{"mnli-m": matched, "mnli-mm": mismatched}]
    True
    """
    seeds = []
    for scores in zip(*scored.values(), strict=True):
        problem = next((score for score in scores if isinstance(score, NonFinite)), None)
        seeds.append(problem or dict(zip(scored, scores, strict=True)))
    return seeds


@torch.no_grad()
def classes(model: nn.Module, rows: Sequence[Row], infer: Infer, task: GlueTask) -> list[SplitScore | NonFinite]:
    """The task's metrics over encoded examples, as fractions, a seed each.

    Outputs that are not finite are not scored: the largest of a row of NaN is class 0.
    """
    model.eval()
    seeds: list[list] = []
    broken: dict[int, NonFinite] = {}
    for chosen in by_length([len(row["input_ids"]) for row in rows]):
        # some models return other logits where they are given labels
        unlabelled = [{name: rows[i][name] for name in rows[i] if name != "labels"} for i in chosen]
        outputs = infer(model, unlabelled)
        seeds = seeds or [[None] * len(rows) for _ in outputs]
        for seed, (predictions, output) in enumerate(zip(seeds, outputs, strict=True)):
            logits = output["logits"]
            note_broken(broken, seed, logits, task.name)
            answers = logits.argmax(dim=-1) if task.labels else logits[:, 0]
            for i, answer in zip(chosen, answers.tolist(), strict=True):
                predictions[i] = answer
    references = [row["labels"] for row in rows]
    return [broken.get(seed) or _class_metrics(predictions, references, task) for seed, predictions in enumerate(seeds)]


def _class_metrics(predictions: list, references: list, task: GlueTask) -> SplitScore | NonFinite:
    from progbench.tasks.metrics import GlueMetric  # here: its libraries take 130 MiB, and a step alone does without

    scores = GlueMetric(task).compute(predictions=predictions, references=references)
    if undefined := [name for name, value in scores.items() if not math.isfinite(value)]:
        return NonFinite(f"{task.name}: {', '.join(undefined)} undefined: are the predictions all the same?")
    kept = predictions if task.labels else [shortest(value) for value in predictions]
    return SplitScore(scores, {"gold": references, "predicted": kept})


def shortest(value: float) -> float:
    """A float32 in nine decimal digits, which give it back to the last bit.

    >>> value = torch.tensor(1 / 3).item()
    >>> value, shortest(value), torch.tensor(shortest(value)).item() == value
    (0.3333333432674408, 0.333333343, True)
    """
    return float(f"{value:.9g}")


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


def note_broken(broken: dict[int, NonFinite], seed: int, logits: torch.Tensor, name: str) -> None:
    """Note a seed whose outputs are not finite, unless it is noted already."""
    if seed not in broken and not logits.isfinite().all():
        broken[seed] = NonFinite(f"{name}: the model's outputs are not finite")
