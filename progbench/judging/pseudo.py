"""Pseudo-values: a number for each example, whose mean is the metric. Arrays in, arrays out; loaded only to judge.

Accuracy's are what everybody averages. F1 and correlations are no means of examples: a pseudo-value adds to the metric
what the example contributes to it, to first order, so that the pseudo-values' spread is the metric's.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from progbench import kinds
from progbench.errors import BadInput


def pseudo_values(metric: str, gold: ArrayLike, predicted: ArrayLike) -> NDArray:
    """The pseudo-values of one run's predictions by a metric of GLUE, in points, in the order of the examples.

    >>> pseudo_values("accuracy", gold=[1, 0, 1], predicted=[1, 1, 1])
    array([100.,   0., 100.])
    >>> found = pseudo_values("f1", gold=[1, 0, 1, 0], predicted=[1, 1, 1, 0])
    >>> found, round(float(found.mean()), 9)  # F1 is 2·2 / (2 + 3) = 80 %
    (array([112.,  16., 112.,  80.]), 80.0)

    A constant prediction has a Matthews correlation of 0, and so has each of its examples. Raises BadInput for another
    metric, unequal lengths, and an undefined Pearson correlation.
    """
    kinds.require(metric, kinds.choice(*_OF), "a pseudo-value's metric")
    gold, predicted = np.asarray(gold, float), np.asarray(predicted, float)
    if gold.shape != predicted.shape or not gold.size:
        raise BadInput(f"{len(predicted)} predictions for {len(gold)} examples")
    return 100 * _OF[metric](gold, predicted)


def of_kept(metric: str, kept: Mapping[str, Sequence]) -> NDArray:
    """The pseudo-values of a run's last epoch, from the predictions that it kept of one evaluation set.

    >>> of_kept("exact_match", {"epochs": [["Oslo", "Rome"]], "exact": [[1, 0]], "f1": [[1.0, 0.5]]})
    array([100.,   0.])

    A question of SQuAD has its own exact match and F1. Raises BadInput as `pseudo_values` does.
    """
    if "exact" in kept:
        name = {"exact_match": "exact", "f1": "f1"}.get(metric)
        if name is None:
            raise BadInput(f"a question of SQuAD has no {metric}")
        return 100 * np.asarray(kept[name][-1], float)
    return pseudo_values(metric, kept["gold"], kept["epochs"][-1])


def _f1(gold: NDArray, predicted: NDArray) -> NDArray:
    """F1 as a ratio of means, 2·TP over (gold + predicted), in its linear expansion."""
    hits, named = 2.0 * ((gold == 1) & (predicted == 1)), (gold == 1) * 1.0 + (predicted == 1)
    if not named.any():  # nothing to find, and nothing found: scikit-learn's F1 is 0
        return named
    score = hits.mean() / named.mean()
    return score + (hits - score * named) / named.mean()


def _matthews(gold: NDArray, predicted: NDArray) -> NDArray:
    """For two classes it is Pearson's correlation."""
    if np.ptp(gold) == 0 or np.ptp(predicted) == 0:
        return np.zeros_like(gold)
    return _pearson(gold, predicted)


def _pearson(gold: NDArray, predicted: NDArray) -> NDArray:
    if np.ptp(gold) == 0 or np.ptp(predicted) == 0:
        raise BadInput("a correlation with a constant is not defined")
    a, b = ((values - values.mean()) / values.std() for values in (gold, predicted))
    r = (a * b).mean()
    return r + a * b - r * (a**2 + b**2) / 2


_OF: dict[str, Callable[[NDArray, NDArray], NDArray]] = {
    "accuracy": lambda gold, predicted: (gold == predicted).astype(float),
    "f1": _f1,
    "matthews_correlation": _matthews,
    "pearson": _pearson,
}
METRICS = (*_OF, "exact_match")  # those of which an example has a value
