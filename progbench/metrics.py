"""GLUE's metrics as an `evaluate.Metric` that is part of the project and so needs no network.

`evaluate.load("glue")` would fetch a script, or run one that lies in the working directory.
"""

from __future__ import annotations

import datasets
import evaluate
import scipy.stats
import sklearn.metrics

from progbench.tasks import Task

_FUNCTIONS = {
    "accuracy": sklearn.metrics.accuracy_score,
    "f1": sklearn.metrics.f1_score,
    "matthews_correlation": sklearn.metrics.matthews_corrcoef,
    "pearson": lambda references, predictions: scipy.stats.pearsonr(references, predictions).statistic,
    "spearman": lambda references, predictions: scipy.stats.spearmanr(references, predictions).statistic,
}


class GlueMetric(evaluate.Metric):
    """A task's metrics over predicted classes (or scores) and true ones, as fractions.

    >>> from progbench.tasks import tasks
    >>> GlueMetric(tasks()["mrpc"]).compute(predictions=[1, 1, 0, 0], references=[1, 0, 0, 0])
    {'f1': 0.6666666666666666, 'accuracy': 0.75}

    F1 is that of class 1, as GLUE defines it. With constant predictions Matthews correlation is 0 and the others are
    NaN; so is (evaluate's own rule) any metric of no examples.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        super().__init__(config_name=task.name, keep_in_memory=True)

    def _info(self) -> evaluate.MetricInfo:
        kind = datasets.Value("int64" if self.task.labels else "float64")
        return evaluate.MetricInfo(
            description=f"GLUE {self.task.name}: {', '.join(self.task.metrics)}",
            citation="Wang et al., GLUE, ICLR 2019",
            inputs_description="predictions and references: class numbers, or scores for stsb",
            features=datasets.Features({"predictions": kind, "references": kind}),
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        return {name: float(_FUNCTIONS[name](references, predictions)) for name in self.task.metrics}
