"""Pseudo-values: their means are scikit-learn's metrics, and their spread is a bootstrap's."""

import numpy as np
import pytest
import sklearn.metrics

from progbench.errors import BadInput
from progbench.judging.pseudo import pseudo_values

SKLEARN = {
    "accuracy": sklearn.metrics.accuracy_score,
    "f1": sklearn.metrics.f1_score,
    "matthews_correlation": sklearn.metrics.matthews_corrcoef,
    "pearson": lambda gold, predicted: np.corrcoef(gold, predicted)[0, 1],
}


def drawn(metric, n=400, seed=0):
    """Gold and predicted values of so many examples: classes that are right in four of five, or scores with noise."""
    random = np.random.default_rng(seed)
    if metric == "pearson":
        gold = random.uniform(0, 5, n)
        return gold, gold + random.normal(0, 1, n)
    gold = random.random(n) < 0.6
    return gold * 1, np.where(random.random(n) < 0.8, gold, ~gold) * 1


@pytest.mark.parametrize("metric", SKLEARN)
def test_the_mean_of_pseudo_values_is_the_metric(metric):
    gold, predicted = drawn(metric)

    assert pseudo_values(metric, gold, predicted).mean() == pytest.approx(100 * SKLEARN[metric](gold, predicted))


def of_each(metric, gold, predicted):
    """The metric of many samples at once, a row each."""
    if metric == "accuracy":
        return (gold == predicted).mean(-1)
    if metric == "f1":
        return 2 * (gold * predicted).sum(-1) / (gold + predicted).sum(-1)
    gold, predicted = (one - one.mean(-1, keepdims=True) for one in (gold, predicted))  # of classes it is Matthews'
    return (gold * predicted).sum(-1) / np.sqrt(np.square(gold).sum(-1) * np.square(predicted).sum(-1))


@pytest.mark.parametrize("metric", SKLEARN)
def test_their_standard_error_is_a_bootstraps_within_five_percent(metric):
    gold, predicted = drawn(metric)
    random = np.random.default_rng(1)
    samples = random.integers(0, len(gold), (1000, len(gold)))
    bootstrap = np.std(100 * of_each(metric, gold[samples], predicted[samples]))
    values = pseudo_values(metric, gold, predicted)

    assert of_each(metric, gold, predicted) == pytest.approx(SKLEARN[metric](gold, predicted))
    assert values.std() / np.sqrt(len(gold)) == pytest.approx(bootstrap, rel=0.05)


def test_f1_by_hand():
    # gold 1 1 0 0, predicted 1 0 1 0: one hit, F1 = 2·1 / (2 + 2) = 0.5; mean of v is 1, u - F·v is 1, -0.5, -0.5, 0
    assert pseudo_values("f1", [1, 1, 0, 0], [1, 0, 1, 0]).tolist() == [150.0, 0.0, 0.0, 50.0]


def test_matthews_by_hand():
    # three of four right on balanced classes against 1 1 1 0: r = 0.577; gold is ±1, predicted 0.577 or -1.732
    values = pseudo_values("matthews_correlation", [1, 1, 0, 0], [1, 1, 1, 0])
    r = 1 / np.sqrt(3)
    by_hand = [r + a * b - r * (a * a + b * b) / 2 for a, b in [(1, r), (1, r), (-1, r), (-1, -np.sqrt(3))]]

    assert values == pytest.approx(100 * np.array(by_hand))


def test_a_constant_prediction_has_no_correlation_and_the_f1_that_it_has():
    assert pseudo_values("matthews_correlation", [1, 0, 1], [1, 1, 1]).tolist() == [0.0, 0.0, 0.0]
    assert pseudo_values("f1", [1, 0], [0, 0]).mean() == 0.0
    assert pseudo_values("f1", [0, 0], [0, 0]).mean() == 0.0


def test_three_classes_have_an_accuracy():
    assert pseudo_values("accuracy", [0, 1, 2, 2], [0, 2, 2, 1]).tolist() == [100.0, 0.0, 100.0, 0.0]


@pytest.mark.parametrize(
    ("metric", "gold", "predicted", "problem"),
    [
        ("spearman", [1, 2], [1, 2], "allowed is one of accuracy, f1, matthews_correlation, pearson"),
        ("accuracy", [1, 0], [1], "1 predictions for 2 examples"),
        ("accuracy", [], [], "0 predictions for 0 examples"),
        ("pearson", [1.0, 2.0], [3.0, 3.0], "a correlation with a constant is not defined"),
    ],
)
def test_what_has_no_pseudo_values_is_refused(metric, gold, predicted, problem):
    with pytest.raises(BadInput, match=problem):
        pseudo_values(metric, gold, predicted)
