"""What stands beside a difference, against numbers worked out before."""

import pytest

from progbench.judging import beside

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
