"""Whether two runs of a seed are alike in all but their schedules."""

import math
from dataclasses import replace

import pytest
from made_up import recipes, result

from progbench.judging.likeness import not_a_pair
from progbench.runs.results import EpochResult
from progbench.runs.run_result import Provenance


@pytest.fixture
def pair(answers):
    known = recipes(answers)
    return tuple(
        result(known[f"tiny-bert-{name}-rte"], 0, {"rte": {"accuracy": 0.7}}) for name in ("shrinking", "constant")
    )


def with_first(run, score):
    first = EpochResult({"rte": {"accuracy": score}}, 1, 0.5, 1.0)
    return replace(run, epochs=(first, *run.epochs[1:]))


def test_runs_with_the_same_first_epoch_are_a_pair(pair):
    assert not_a_pair(*pair) == ""


def test_a_first_epoch_that_differs_in_the_last_bit_makes_none(pair):
    ours, theirs = pair

    assert "scores after the first epoch" in not_a_pair(with_first(ours, math.nextafter(0.7, 1)), theirs)


def test_later_epochs_may_differ(pair):
    ours, theirs = pair
    later = replace(theirs, epochs=(theirs.epochs[0], *with_first(theirs, 0.9).epochs[:1], *theirs.epochs[2:]))

    assert not_a_pair(ours, later) == ""


def test_predictions_can_differ_where_scores_do_not(pair):
    first = {"rte": [1, 0, 1]}

    assert not_a_pair(*pair, (first, {"rte": [1, 0, 1]})) == ""
    assert "predictions after the first epoch" in not_a_pair(*pair, (first, {"rte": [0, 1, 1]}))


def test_seeds_side_by_side_need_the_same_company(pair):
    ours, theirs = (
        replace(run, provenance=Provenance(side_by_side=seeds))
        for run, seeds in zip(pair, ((0, 1, 2, 3, 4), (1,)), strict=True)
    )

    assert not_a_pair(ours, theirs) == "one was trained beside the seeds 0 1 2 3 4, the other beside the seeds 1"
    assert not_a_pair(ours, pair[1]) == "one was trained beside the seeds 0 1 2 3 4, the other alone"
    assert not_a_pair(ours, replace(ours, recipe=theirs.recipe)) == ""
