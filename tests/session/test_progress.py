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


CONSTANT, SHRINKING = "tiny-bert-constant-rte", "tiny-bert-shrinking-rte"


@pytest.mark.parametrize(("done", "last"), [
    pytest.param([(0, 60.0)], f"1 of 4 {CONSTANT} seed 0: 58.1, 1 min, about 3 min left", id="score and times"),
    pytest.param(
        [(0, 600.0), (1, 60.0)], f"2 of 4 {SHRINKING} seed 0: 58.1, 1 min, about 11 min left",
        id="the others take as long as runs like them took",
    ),
    pytest.param([(0, 60.0)] * 2 + [(1, 60.0)] * 2, f"4 of 4 {SHRINKING} seed 1: 58.1, 1 min", id="nothing is left"),
    pytest.param([(0, None)], f"1 of 4 {CONSTANT} seed 0: error: the loss is nan", id="an error tells no time"),
])  # fmt: skip
def test_a_run_that_is_done_is_one_line(recipes, done, last):
    lines = []
    progress = Progress([[Job(one, (seed,), "cpu") for one in recipes] for seed in (0, 1)], lines.append, aloud=False)
    for number, (which, seconds) in enumerate(done):
        seed = done[:number].count((which, seconds))
        failed = {} if seconds else {"error": "the loss is nan", "epochs": ()}
        made = result(recipes[which], seed, {"rte": {"accuracy": 0.581}})
        progress.done(replace(made, seconds=seconds or 60.0, **failed))

    assert lines[-1] == last


def test_where_nobody_watches_a_run_that_begins_is_not_said(recipes):
    lines = []
    job = Job(recipes[0], (0,), "cpu")
    Progress([[job]], lines.append, aloud=False).begins(job)

    assert lines == []
