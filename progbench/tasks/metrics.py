"""GLUE's and SQuAD's metrics, each an `evaluate.Metric` that lies in the project and so needs no network.

`evaluate.load("glue")` would fetch a script, or run one that lies in the working directory.
"""

from __future__ import annotations

import math
import re
import statistics
import string
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

import datasets
import evaluate
import scipy.stats
import sklearn.metrics

from progbench.files import temporary_folder
from progbench.tasks.glue import GlueTask


def _correlation(references: Sequence[float], predictions: Sequence[float]) -> float:
    """Pearson's, by the standard library's exact sums: numpy's last bit depends on which kernels its BLAS chose."""
    try:
        return statistics.correlation(references, predictions)
    except statistics.StatisticsError:  # one of them is constant
        return math.nan


_FUNCTIONS = {
    "accuracy": sklearn.metrics.accuracy_score,
    "f1": sklearn.metrics.f1_score,
    "matthews_correlation": sklearn.metrics.matthews_corrcoef,
    "pearson": _correlation,
    "spearman": lambda *both: _correlation(*(scipy.stats.rankdata(scores).tolist() for scores in both)),
}


class _WithoutFiles(evaluate.Metric):
    """A metric that keeps nothing on disk: evaluate would make a folder even so, below a HOME that may be read-only."""

    def __init__(self, name: str) -> None:
        with temporary_folder() as folder:  # which stays empty
            super().__init__(config_name=name, keep_in_memory=True, cache_dir=folder)


class GlueMetric(_WithoutFiles):
    """A task's metrics over predicted classes (or scores) and true ones, as fractions.

    >>> from progbench.tasks.glue import glue_tasks
    >>> GlueMetric(glue_tasks()["mrpc"]).compute(predictions=[1, 1, 0, 0], references=[1, 0, 0, 0])
    {'f1': 0.6666666666666666, 'accuracy': 0.75}

    F1 is that of class 1, as GLUE defines it. With constant predictions Matthews correlation is 0, and Pearson's and
    Spearman's are NaN. So is any metric of no examples.
    """

    def __init__(self, task: GlueTask) -> None:
        self.task = task
        super().__init__(task.name)

    def _info(self) -> evaluate.MetricInfo:
        kind = datasets.Value("int64" if self.task.labels else "float64")
        return evaluate.MetricInfo(
            description=f"GLUE {self.task.name}: {', '.join(self.task.metrics)}",
            citation="Wang et al., GLUE, ICLR 2019",
            inputs_description="predictions and references: class numbers, or scores for stsb",
            features=datasets.Features({"predictions": kind, "references": kind}),
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        if not len(references):  # evaluate hands over a list or an array
            return dict.fromkeys(self.task.metrics, math.nan)
        return {name: float(_FUNCTIONS[name](references, predictions)) for name in self.task.metrics}


class SquadMetric(_WithoutFiles):
    """Exact match and F1 over predicted answers, as fractions: each question counts the gold answer that fits best.

    >>> SquadMetric().compute(predictions=["the Oslo fjord"], references=[["Oslo", "Norway"]])
    {'exact_match': 0.0, 'f1': 0.6666666666666666}

    Both ignore case, punctuation, articles and spacing; with `unanswerable` (v2.0) no gold answer, or none but
    articles, stands for the empty answer. Of no questions both are NaN. Source: Rajpurkar et al. 2016, section 6.1;
    2018, and their evaluate-v2.0.py.
    """

    def __init__(self, *, unanswerable: bool = False) -> None:
        self.unanswerable = unanswerable
        super().__init__("squad2" if unanswerable else "squad1")

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="SQuAD: exact match and F1",
            citation="Rajpurkar et al., SQuAD, EMNLP 2016; Know What You Don't Know, ACL 2018",
            inputs_description="predictions: one text a question ('' for no answer); references: its gold answers",
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        each = [self.each(answer, gold) for answer, gold in zip(predictions, references, strict=True)]
        if not each:
            return {"exact_match": math.nan, "f1": math.nan}
        return {
            name: fmean(column) for name, column in zip(("exact_match", "f1"), zip(*each, strict=True), strict=True)
        }

    def each(self, predicted: str, answers: list[str]) -> tuple[bool, float]:
        """Exact match and F1 of one answer to one question."""
        gold = [answer for answer in answers if _words(answer)] or [""] if self.unanswerable else answers
        exact = max((_words(predicted) == _words(answer) for answer in gold), default=False)
        return exact, max((self._f1(predicted, answer) for answer in gold), default=0.0)

    def _f1(self, predicted: str, answer: str) -> float:
        ours, gold = _words(predicted), _words(answer)
        if self.unanswerable and not (ours and gold):
            return float(ours == gold)
        shared = sum((Counter(ours) & Counter(gold)).values())
        return 2 * shared / (len(ours) + len(gold)) if shared else 0.0


_PUNCTUATION = str.maketrans("", "", string.punctuation)


def _words(text: str) -> list[str]:
    """An answer's words as the authors compare them: lower case, without punctuation (ASCII's) and then articles."""
    return re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(_PUNCTUATION)).split()
