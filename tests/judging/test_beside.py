"""What stands beside a difference, against numbers worked out before."""

import re

import numpy as np
import pytest

from progbench.judging import beside
from progbench.judging.compare import compare
from progbench.judging.compared import Paired
from progbench.judging.terms import Terms

# expected/README.md's plan: the standard deviation of one schedule's score, and seeds for a margin of 0.5 and of 1.0
NEEDED = [(1.5, 113, 30), (0.8, 34, 10), (1.2, 73, 20), (0.3, 7, 3), (0.2, 4, 3)]


@pytest.mark.parametrize(("sd", "half", "one"), NEEDED)
def test_how_many_seeds_are_needed(sd, half, one):
    assert (beside.seeds_needed(sd, 0.5), beside.seeds_needed(sd, 1.0)) == (half, one)


def test_seeds_that_never_vary_need_three():
    assert beside.seeds_needed(0.0, 0.5) == 3


def test_of_five_seeds_that_are_all_ahead_the_interval_begins_at_the_fifth_root_of_the_level():
    share, low, high = beside.chance_of_at_least([0.1, 0.2, 0.0, 0.4, 0.5], level=0.05)

    assert (share, high) == (1.0, 1.0)
    assert low == pytest.approx(0.05 ** (1 / 5))


def test_a_single_score_has_no_spread():
    assert beside.coefficient_of_variation([66.0]) is None
    assert beside.correlation([66.0], [66.0]) is None


def test_the_terminal_says_of_a_difference_what_the_pages_say_though_all_seeds_differ_by_the_same():
    """Each seed gains one example and loses another, other ones each: the mean is 0 in each seed, and uncertain."""
    by_example = np.array([[100.0, -100, 0, 0], [0, 100, -100, 0], [0, 0, 100, -100]])
    scores = (50.0, 50.0, 50.0)
    task = Paired("mine", 1, (0, 1, 2), scores, scores, (by_example,))
    (compared,) = compare("Table 1", "shrinking", "constant", {"m": [task]}, Terms(), average=False)

    assert compared.low < -1
    assert beside.in_words(task) == f"+0.00 points, 90 % interval {compared.low:+.2f} to {compared.high:+.2f} (3 seeds)"
    assert beside.could_see(task, 1.0).startswith("3 seeds could hardly have seen a difference of 1 point")


def test_seeds_that_predict_the_same_have_the_spread_of_an_example_on_the_edge():
    """A model that always answers one class predicts the same in all seeds, and 20 examples tell steps of 5 points."""
    scores = (55.0, 55.0, 55.0)
    task = Paired("mine", 1, (0, 1, 2), scores, scores, (np.zeros((3, 20)),), least_sd=2.0)

    # t(0.95, 2) is 2.920: 2.920 · 2 / √3
    assert beside.in_words(task) == "+0.00 points, 90 % interval -3.37 to +3.37 (3 seeds)"


@pytest.mark.parametrize("differences", [(5.0, 4.999999999999993, 5.000000000000007), (5.0, -5.0, 5.0)])
@pytest.mark.parametrize("margin", [1e-4, 1.0])
def test_what_seeds_can_see_is_said_for_equal_differences_and_for_margins_that_none_can_see(differences, margin):
    task = Paired("mine", seeds=(0, 1, 2), left=differences, right=(0.0, 0.0, 0.0))

    assert re.search(r"in \d+ % of comparisons", beside.could_see(task, margin))


def test_of_one_seed_there_is_no_interval():
    task = Paired("mine", seeds=(0,), left=(67.0,), right=(66.0,))

    assert beside.in_words(task) == "+1.00 points (one seed: no interval)"
    assert (
        beside.could_see(task, 1.0) == "one seed cannot tell a difference of 1 point from chance: start with --seeds 5"
    )


def test_why_a_difference_is_unknown_is_said():
    assert beside.in_words(Paired("mine", missing="not run yet")) == "unknown: not run yet"
