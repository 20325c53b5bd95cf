"""progbench plan, as a person starts it."""

from dataclasses import replace

import pytest
from made_up import MADE_ON, recipes, result

from progbench import cli
from progbench.runs import results
from progbench.session import measuring


@pytest.fixture
def plan(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "here", lambda device, threads: "some CPU, 1 threads")

    def start(*arguments):
        code = cli.main(["plan", "--suite", "smoke", "--runs", str(tmp_path), "-m", "ablation", *arguments])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return start


@pytest.fixture
def save(answers, tmp_path):
    """File a run of 8 seconds."""

    def one(name, **values):
        run = result(recipes(answers)[name], 0, {name.rpartition("-")[2]: {"accuracy": 0.5}})
        results.save(tmp_path, replace(run, seconds=8.0, environment=MADE_ON, **values))

    return one


def test_without_a_run_it_says_how_much_is_missing_and_that_its_time_is_unknown(plan):
    code, lines, _ = plan()

    assert code == 0
    assert lines[0].endswith("; what they will take is unknown")
    assert "unknown: no run on file was made alone on this kind of machine" in lines[-1]
    assert lines[1].split() == ["recipe", "seeds", "takes", "trained", "now", "time", "from"]


def test_who_trains_what_now_is_said(plan, answers, tmp_path):
    with results.lock(tmp_path, recipes(answers)["tiny-bert-growing-rte"], 0):
        _, lines, _ = plan()

    assert "; 1 more are being trained now; " in lines[0]
    assert lines[-1] == "being trained now, by the locks of their results: tiny-bert-growing-rte (0)"


def test_errors_that_no_session_tries_again_are_said(plan, save):
    save("tiny-bert-growing-rte", error="the loss is nan", epochs=())
    _, lines, _ = plan()

    assert lines[1].startswith("error, not tried again: tiny-bert-growing-rte, seed 0: the loss is nan")


def test_a_budget_chooses_nothing_whose_time_is_unknown(plan):
    code, lines, _ = plan("--budget", "6h")

    assert code == 0
    assert lines[-1].startswith("nothing whose time is known fits 6h; ")


def test_a_budget_that_is_no_time_is_a_usage_error(plan):
    code, lines, said = plan("--budget", "soon")

    assert (code, lines) == (2, [])
    assert said == ("progbench plan: --budget soon: wanted is a number and one of s, m, h, d, such as 6h\n")


def test_counts_have_nothing_missing(plan):
    assert plan("-m", "params")[1] == ["nothing is missing: 0 cells and claims have all their runs"]
