"""The arithmetic of judging, on numbers worked out by hand, and on hostile ones."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from progbench.judging import decision

NONE = math.nan


def test_cells_of_unequal_numbers_of_seeds_are_pooled_by_their_degrees_of_freedom():
    # squares 2 (of 1, 3) and 8 (of 1, 3, 5): 10 over 1 + 2
    sd, df = decision.pooled([[1, 3, NONE], [1, 3, 5]], [0, 0])

    assert sd == pytest.approx(math.sqrt(10 / 3))
    assert list(df) == [3, 3]


def test_a_cell_without_seeds_has_the_spread_of_its_siblings_and_no_difference():
    found = decision.against_paper([[NONE, NONE], [1, 3]], 2.0, 1.0, [0, 0])
    decided = decision.decide(found)

    assert list(found.df) == [1, 1]
    assert math.isnan(found.difference[0])
    assert (decided.p[0], decided.within[0], decided.beyond[0]) == (1.0, False, False)


def test_a_reference_has_its_own_spread_and_number_of_seeds():
    # 2 * sqrt(1/1 + 1/4)
    found = decision.against_reference([91.0], [1], [90.0], [4], [2.0], [9], [0.8])

    assert (found.difference, found.error, found.df) == (1.0, pytest.approx(2 * math.sqrt(1.25)), 9)


@pytest.mark.parametrize("alpha", [0.05, 0.00625])
def test_the_interval_of_a_mean_is_scipys(alpha):
    values = [0.3, 1.1, -0.4, 0.9, 0.2]
    theirs = ttest_1samp(values, 0).confidence_interval(1 - 2 * alpha)

    error = np.std(values, ddof=1) / len(values) ** 0.5

    assert decision.interval(np.mean(values), error, 4, alpha) == pytest.approx((theirs.low, theirs.high))


def test_holms_correction_is_that_of_statsmodels_to_the_last_bit(monkeypatch):
    from statsmodels.stats.multitest import multipletests

    tables = np.random.default_rng(0).uniform(0, 0.2, (50, 7))
    tables[:, 3] = tables[:, 5]  # ties
    monkeypatch.setattr("gc.collect", lambda: 0)  # for each family it looks through all that was imported

    assert (decision.holm(tables) == [multipletests(one, method="holm")[1] for one in tables]).all()


def test_how_many_seeds_would_decide_keeps_the_familys_other_p_values():
    # alone the difference of 2 with sd 1.58 needs 10 seeds (see test_verdict); with two more cells it needs more
    found = decision.against_paper(np.array([[66.5, 67.5, 68.5, 69.5, 70.5]]), 66.5, 1.0, [0])
    chance = decision.decide(found).chance

    assert decision.seeds_to_decide(found, chance, 0, 5) == 5
    assert decision.seeds_to_decide(found, np.append(chance, [1.0, 1.0]), 0, 5) > 5
