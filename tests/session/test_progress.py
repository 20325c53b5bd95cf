"""The lines of a session that trains: for a log, one a run."""

from dataclasses import replace

import pytest
from made_up import result

from progbench.recipes import reading
from progbench.session.jobs import Job
from progbench.session.progress import Progress


@pytest.fixture
def recipes():
    names = ("constant", "shrinking")
    return [reading.read("smoke", "glue", model="tiny-bert", schedule=name, task="rte") for name in names]


def ended(recipe, seed, seconds=60.0, **values):
    return replace(result(recipe, seed, {"rte": {"accuracy": 0.581}}), seconds=seconds, **values)


@pytest.fixture
def told(recipes):
    """The progress of four runs, and the lines it has said."""
    lines = []
    jobs = [[Job(recipe, (seed,), "cpu") for recipe in recipes] for seed in (0, 1)]
    return Progress(jobs, lines.append, aloud=False), lines


def test_a_run_that_is_done_is_one_line_with_its_score_its_time_and_the_time_that_is_left(told, recipes):
    progress, lines = told
    progress.done(ended(recipes[0], 0))

    assert lines == ["1 of 4 tiny-bert-constant-rte seed 0: 58.1, 1 min, about 3 min left"]


def test_what_is_left_takes_as_long_as_runs_like_it_took(told, recipes):
    progress, lines = told
    progress.done(ended(recipes[0], 0, 600.0))
    progress.done(ended(recipes[1], 0, 60.0))

    assert lines[1].endswith(", about 11 min left")


def test_after_the_last_run_nothing_is_left(told, recipes):
    progress, lines = told
    for recipe in recipes:
        for seed in (0, 1):
            progress.done(ended(recipe, seed))

    assert lines[3] == "4 of 4 tiny-bert-shrinking-rte seed 1: 58.1, 1 min"


def test_an_error_is_said_as_one_and_tells_no_time(told, recipes):
    progress, lines = told
    progress.done(ended(recipes[0], 0, error="the loss is nan", epochs=()))

    assert lines == ["1 of 4 tiny-bert-constant-rte seed 0: error: the loss is nan"]


def test_where_nobody_watches_a_run_that_begins_is_not_said(told, recipes):
    progress, lines = told
    progress.begins(Job(recipes[0], (0,), "cpu"))

    assert lines == []
