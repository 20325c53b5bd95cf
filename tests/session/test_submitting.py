"""What is missing, as units; and what becomes of their exit codes."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import suite

from progbench import environment
from progbench.session import planning, submitting
from progbench.session.measuring import Estimate
from progbench.session.planning import Lack
from progbench.session.submitting import RunCommand


def test_each_recipe_that_lacks_seeds_is_a_command(answers, tmp_path):
    own = suite(answers, tmp_path, seeds=2)
    wanted = {one.id for name in own.tables() for cell in own.table(name).cells for one in own.needed(cell).values()}
    found = submitting.run_commands(own, planning.plan(own).lacks)

    assert {command.recipe: command.seeds for command in found} == dict.fromkeys(wanted, (0, 1))


def lack(smoke_recipe, task, seconds):
    return Lack(smoke_recipe(task=task), (0,), (), Estimate(seconds, "measured"))


def test_the_longest_comes_first_and_what_nobody_has_measured_last(answers, tmp_path, smoke_recipe):
    lacking = [lack(smoke_recipe, *one) for one in (("rte", 5.0), ("cola", None), ("mnli", 50.0))]
    found = submitting.run_commands(suite(answers, tmp_path), lacking)

    assert [command.recipe.rpartition("-")[2] for command in found] == ["mnli", "rte", "cola"]


def test_a_run_is_as_long_as_alone_since_its_command_shares_no_epoch(answers, tmp_path, smoke_recipe):
    spared = replace(lack(smoke_recipe, "rte", 60.0), spared=0.5)
    found = submitting.run_commands(suite(answers, tmp_path), [lack(smoke_recipe, "cola", 50.0), spared])

    assert [command.recipe.rpartition("-")[2] for command in found] == ["rte", "cola"]


def test_a_units_command_names_the_folder_by_its_whole_path(answers, tmp_path, smoke_recipe, monkeypatch):
    """An engine starts it elsewhere."""
    monkeypatch.chdir(tmp_path)
    (found,) = submitting.run_commands(suite(answers, Path("runs")), [lack(smoke_recipe, "rte", 5.0)])

    assert found.arguments()[-1] == str(tmp_path / "runs")


@pytest.mark.parametrize(
    ("device", "cards", "on"), [("cpu", 1, False), ("cuda", 0, True), ("auto", 0, False), ("auto", 1, True)]
)
def test_a_unit_has_a_gpu_where_it_trains_on_one(monkeypatch, device, cards, on):
    monkeypatch.setattr(environment, "gpu_count", lambda: cards)

    assert submitting.on_gpu(device) == on


def test_no_secret_goes_to_another_machine(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "a secret")
    monkeypatch.setenv("HF_HOME", "/shared/hub")

    assert "HF_TOKEN" not in submitting.variables()
    assert submitting.variables()["HF_HOME"] == "/shared/hub"


def test_the_command_runs_in_the_process_of_an_engine(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["worker"])
    monkeypatch.delitem(sys.modules, "progbench.__main__", raising=False)  # which the docstrings' tests import
    # where pytest rewrites a plugin's modules, as `python -m pytest` lets it, runpy cannot load them
    others = [finder for finder in sys.meta_path if not type(finder).__module__.startswith("_pytest.")]
    monkeypatch.setattr(sys, "meta_path", others)
    command = RunCommand("no-such-recipe", (0,), "smoke", tmp_path)

    assert submitting.here(command) == 2
    assert "no-such-recipe" in capsys.readouterr().err


@pytest.mark.parametrize("code", [-1, 144])
def test_an_engine_that_ends_the_process_is_not_taken_for_the_command(tmp_path, monkeypatch, code):
    """submitit ends a job that is preempted by SystemExit, out of a signal's handler: on Slurm -1, locally 144."""

    def preempted(*_, **__):
        raise SystemExit(code)

    monkeypatch.setattr("sys.argv", ["worker"])
    monkeypatch.setattr("runpy.run_module", preempted)
    with pytest.raises(SystemExit):
        submitting.here(RunCommand("tiny-bert-constant-rte", (0,), "smoke", tmp_path))
