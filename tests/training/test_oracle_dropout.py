"""With dropout the fast trainer and the plain one are held to each other by their losses over seeds."""

import math

import numpy
import pytest
import scipy.stats
import torch
from plain_and_fast import models, recipe
from statsmodels.stats.power import TTestPower

from progbench.training import plain, scoring, train

pytestmark = pytest.mark.usefixtures("two_dozen_rows")
DROPOUT, RUNS, ALPHA = 0.1, range(20), 0.01


@pytest.fixture(scope="module")
def last_losses():
    """The loss of the last epoch, a number a seed, by trainer; and without dropout."""
    wanted = recipe(schedule="constant", kind="single text", learning_rate=2e-3, epochs=6, clip_norm=1.0)

    def of(runs):
        return numpy.array([run.epochs[-1].loss for run in runs])

    with pytest.MonkeyPatch.context() as patch:
        # losses alone are asked for: metrics would take longer than the steps
        patch.setattr(scoring, "_class_metrics", lambda *given: scoring.SplitScore({"accuracy": 0.0}, {}))
        with models(torch.float32, 0.0):
            found = {"without": of(train.train_together(wanted, RUNS, "cpu", 1))}
        with models(torch.float32, DROPOUT):
            found["plain"] = of(plain.train(wanted, seed, threads=1) for seed in RUNS)
            found["alone"] = of(train.train(wanted, seed, threads=1) for seed in RUNS)
            found["side_by_side"] = of(train.train_together(wanted, RUNS, "cpu", 1))
    return found


@pytest.mark.parametrize("way", ["alone", "side_by_side"])
def test_with_dropout_the_losses_of_20_seeds_have_the_same_mean(last_losses, way):
    """Of one seed both have the same head and order of rows. It would find a trainer that drops half as much."""
    differences = last_losses[way] - last_losses["plain"]
    effect = (last_losses["plain"] - last_losses["without"]).mean() / 2
    power = TTestPower().power(effect / differences.std(ddof=1), len(RUNS), ALPHA)

    assert power > 0.9
    assert scipy.stats.ttest_1samp(differences, 0).pvalue > ALPHA


@pytest.mark.parametrize("way", ["alone", "side_by_side"])
def test_with_dropout_the_losses_of_20_seeds_have_the_same_spread(last_losses, way):
    """Pitman's and Morgan's test of two paired variances: are sum and difference correlated?"""
    ours, theirs = last_losses[way], last_losses["plain"]
    shared = scipy.stats.pearsonr(ours, theirs).statistic
    ratio = 6.25  # of the variances: two and a half times the spread
    seen = (ratio - 1) / ((ratio + 1) ** 2 - 4 * shared**2 * ratio) ** 0.5
    power = scipy.stats.norm.cdf(math.atanh(seen) * (len(RUNS) - 3) ** 0.5 - scipy.stats.norm.ppf(1 - ALPHA / 2))

    assert power > 0.9
    assert scipy.stats.pearsonr(ours + theirs, ours - theirs).pvalue > ALPHA
