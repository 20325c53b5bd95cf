"""Scores from predictions alone: by hand, and STS-B's float32 from its nine digits."""

import struct

import pytest

from progbench.session.rescoring import scores_of
from progbench.tasks.catalog import tasks
from progbench.training.scoring import shortest


def test_every_epoch_and_set_is_scored():
    kept = {
        "mnli-m": {"gold": [0, 1, 2, 2], "epochs": [[0, 1, 2, 2], [0, 0, 0, 0]]},
        "mnli-mm": {"gold": [0, 1], "epochs": [[1, 1], [0, 1]]},
    }
    assert scores_of(tasks()["mnli"], kept) == [
        {"mnli-m": {"accuracy": 1.0}, "mnli-mm": {"accuracy": 0.5}},
        {"mnli-m": {"accuracy": 0.25}, "mnli-mm": {"accuracy": 1.0}},
    ]


def test_squad_is_the_mean_of_what_each_answer_was_given():
    kept = {"squad1": {"epochs": [["a", "b"]], "exact": [[1, 0]], "f1": [[1.0, 0.5]]}}
    assert scores_of(tasks()["squad1"], kept) == [{"squad1": {"exact_match": 0.5, "f1": 0.75}}]


def test_a_correlation_is_of_the_float32_values_and_not_of_their_nine_digits():
    values = [struct.unpack("f", struct.pack("f", one))[0] for one in (1 / 3, 2.7, 4.1, 0.9)]
    gold = [0.5, 3.0, 4.2, 1.1]
    as_written = [shortest(one) for one in values]
    from statistics import correlation

    (found,) = scores_of(tasks()["stsb"], {"stsb": {"gold": gold, "epochs": [as_written]}})
    assert found["stsb"]["pearson"] == correlation(gold, values)
    assert as_written != values
    assert found["stsb"]["pearson"] == pytest.approx(correlation(gold, as_written))
