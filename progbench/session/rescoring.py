"""Scores computed again from a run's predictions, by the metrics that scored it: equal to the last bit."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from progbench.tasks.catalog import Task

Kept = Mapping[str, Mapping[str, Sequence[Any]]]  # a run's predictions by evaluation set, as `runs.predictions` loads


def scores_of(task: Task, kept: Kept) -> list[dict[str, dict[str, float]]]:
    """A run's scores after each epoch, as fractions by evaluation set and metric, from its predictions alone.

    >>> from progbench.tasks.catalog import tasks
    >>> scores_of(tasks()["rte"], {"rte": {"gold": [0, 1, 1, 1], "epochs": [[0, 0, 0, 1], [0, 1, 1, 1]]}})
    [{'rte': {'accuracy': 0.5}}, {'rte': {'accuracy': 1.0}}]

    SQuAD's gold answers are not kept: its scores are the means of each answer's own. STS-B's values are float32,
    written with nine digits.
    """
    by_set = {name: _of_set(task, lists) for name, lists in kept.items()}
    return [dict(zip(by_set, epoch, strict=True)) for epoch in zip(*by_set.values(), strict=True)]


def _of_set(task: Task, lists: Mapping[str, Sequence[Any]]) -> list[dict[str, float]]:
    if "gold" not in lists:
        both = zip(lists["exact"], lists["f1"], strict=True)
        return [{"exact_match": fmean(exact), "f1": fmean(f1)} for exact, f1 in both]
    import numpy

    from progbench.tasks.metrics import GlueMetric

    metric = GlueMetric(task)
    epochs = lists["epochs"] if task.labels else [numpy.float32(values).tolist() for values in lists["epochs"]]
    return [metric.compute(predictions=predicted, references=lists["gold"]) for predicted in epochs]
