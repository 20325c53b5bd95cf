"""What an interval says of a difference."""

import pytest

from progbench.judging.words import held, in_words, word


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.01, 2.0, "better"),
        (0.0, 2.0, "not worse"),
        (-0.99, 0.0, "not worse"),
        (-1.0, 0.5, "undecided"),
        (-0.99, -0.01, "lower, by less than the margin"),
        (-1.0, -0.01, "lower"),
        (-3.0, -1.0, "lower"),
        (-3.0, -1.01, "worse"),
        (-3.0, 0.0, "undecided"),
        (-3.0, 3.0, "undecided"),
    ],
)
def test_every_interval_has_one_word(low, high, says):
    assert word(low, high, margin=1.0) == says


@pytest.mark.parametrize(
    ("low", "high", "left"),
    [(0.5, 2.0, "not worse"), (-0.9, -0.1, "not worse"), (-3.0, -2.0, "undecided"), (-0.5, 0.5, "not worse")],
)
def test_which_is_higher_is_not_said_where_a_correction_takes_it_away(low, high, left):
    assert held(word(low, high, 1.0), low, 1.0) == left


def test_every_word_ends_a_sentence():
    words = [word(*ends, 1.0) for ends in [(1, 2), (-0.5, 0.5), (-0.9, -0.1), (-3, -2), (-3, -0.5), (-3, 3)]]

    assert len({in_words(one, 1.0) for one in words}) == 6
