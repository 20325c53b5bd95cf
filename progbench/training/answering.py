"""The answers to SQuAD's questions, found and scored, for one seed or several at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy
import torch
from torch import nn
from tqdm import tqdm

from progbench.recipes.recipe import Recipe
from progbench.tasks import windows
from progbench.tasks.squad import Question
from progbench.training.scoring import Infer, NonFinite, SplitScore, by_length, note_broken

if TYPE_CHECKING:
    from progbench.tasks.metrics import SquadMetric


@torch.no_grad()
def answering(
    model: nn.Module, questions: Sequence[Question], cut: windows.Windows, infer: Infer, recipe: Recipe
) -> list[SplitScore | NonFinite]:
    """SQuAD's metrics over the answers a model finds, as fractions, a seed each."""
    from progbench.tasks.metrics import SquadMetric

    metric = SquadMetric(unanswerable=recipe.null_threshold is not None)
    references = [[text for _, text in question.answers] for question in questions]
    return [
        texts if isinstance(texts, NonFinite) else _answer_metrics(texts, references, metric)
        for texts in answers(model, questions, cut, infer, recipe)
    ]


def _answer_metrics(predictions: list[str], references: list[list[str]], metric: SquadMetric) -> SplitScore:
    exact, f1 = zip(*map(metric.each, predictions, references), strict=True)
    scores = metric.compute(predictions=predictions, references=references)
    return SplitScore(scores, {"predicted": predictions, "exact": [*map(int, exact)], "f1": list(f1)})


@torch.no_grad()
def answers(
    model: nn.Module, questions: Sequence[Question], cut: windows.Windows, infer: Infer, recipe: Recipe
) -> list[list[str] | NonFinite]:
    """Each seed's answer to each question: the text of the best-scored span in any of the question's windows.

    With a `null_threshold` (v2.0) the answer is "" if the lowest score of any window for "no answer" exceeds the best
    span's by more than the threshold: run_qa.py's rule. Only each question's best is kept, to save memory.
    """
    model.eval()
    seeds: list[_Best] = []
    broken: dict[int, NonFinite] = {}
    with tqdm(total=len(cut), desc=f"{recipe.id}: answers", unit="window", disable=None, leave=False) as progress:
        for chosen in by_length(cut.lengths):
            rows = cut.rows[chosen]
            inputs = [
                dict(zip(cut.inputs, row, strict=True))
                for row in zip(*(rows[name] for name in cut.inputs), strict=True)
            ]
            outputs = infer(model, inputs)
            seeds = seeds or [_Best(len(questions)) for _ in outputs]
            for seed, (best, output) in enumerate(zip(seeds, outputs, strict=True)):
                logits = [output[f"{name}_logits"].cpu() for name in ("start", "end")]
                start, end = (scores.to(torch.promote_types(scores.dtype, torch.float32)) for scores in logits)
                for scores in (start, end):
                    note_broken(broken, seed, scores, recipe.task)
                if seed not in broken:
                    best.take(start, end, rows, recipe)
            progress.update(len(chosen))
    return [broken.get(seed) or best.texts(questions, recipe.null_threshold) for seed, best in enumerate(seeds)]


class _Best:
    """One seed's best span of each question so far, and its lowest score for "no answer"."""

    def __init__(self, questions: int) -> None:
        self.score = numpy.full(questions, -math.inf)
        self.span = numpy.zeros((questions, 2), dtype=int)
        self.null = numpy.full(questions, math.inf)

    def take(self, start: torch.Tensor, end: torch.Tensor, rows: Mapping[str, Any], recipe: Recipe) -> None:
        context = torch.zeros(start.shape, dtype=torch.bool)
        for row, (at, tokens) in enumerate(zip(rows["context_at"], rows["starts"], strict=True)):
            context[row, at : at + len(tokens)] = True
        spans = best_spans(start, end, context, recipe.n_best, recipe.max_answer_length)
        for row, (score, first, last) in enumerate(zip(*(column.tolist() for column in spans), strict=True)):
            question, at = rows["question"][row], rows["context_at"][row]
            self.null[question] = min(self.null[question], float(start[row, 0] + end[row, 0]))
            if score > self.score[question]:
                self.score[question] = score
                self.span[question] = rows["starts"][row][first - at], rows["ends"][row][last - at]

    def texts(self, questions: Sequence[Question], null_threshold: float | None) -> list[str]:
        span = self.span.copy()
        if null_threshold is not None:
            span[self.null - self.score > null_threshold] = 0
        return [question.context[start:end] for question, (start, end) in zip(questions, span.tolist(), strict=True)]


def best_spans(
    start: torch.Tensor, end: torch.Tensor, context: torch.Tensor, n_best: int, max_answer_length: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """For each window the score, first and last token of the best span; a score of -inf where there is none.

    >>> start, end = torch.tensor([[9.0, 1.0, 5.0, 0.0]]), torch.tensor([[9.0, 4.0, 0.0, 3.0]])
    >>> context = torch.tensor([[False, True, True, True]])  # token 0 is the classification token
    >>> [column.item() for column in best_spans(start, end, context, n_best=20, max_answer_length=30)]
    [8.0, 2, 3]

    Shapes: (windows, tokens) each, to three of (windows,). The candidates are the `n_best` highest starts and ends in
    the context; no span ends before it starts, or has more than `max_answer_length` tokens. run_qa.py takes the
    candidates from all tokens and drops those outside the context, so it may try fewer.
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
