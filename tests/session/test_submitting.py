"""What is missing, as units; and what becomes of their exit codes."""

import ast
import importlib.util
from pathlib import Path

import pytest
from made_up import result, save_references, suite

from progbench import environment
from progbench.errors import BadInput
from progbench.runs import results
from progbench.session import submitting
from progbench.session.submitting import MARKS, Unit

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def units(own, mark="", device=""):
    return {unit.recipe: unit.seeds for unit in submitting.missing(own, mark, device)}


def test_of_an_empty_folder_every_recipe_of_the_suite_is_missing(answers, tmp_path):
    own = suite(answers, tmp_path, seeds=2)
    wanted = {one.id for name in own.tables() for cell in own.table(name).cells for one in own.needed(cell).values()}

    assert units(own) == dict.fromkeys(wanted, (0, 1))


def test_a_mark_leaves_the_recipes_of_its_table(answers, tmp_path):
    assert set(units(suite(answers, tmp_path), "squad")) == {
        f"tiny-bert-{schedule}-{task}" for schedule in ("constant", "shrinking") for task in ("squad1", "squad2")
    }


def test_each_unit_has_the_seeds_that_it_lacks(answers, tmp_path, smoke_recipe):
    wanted = smoke_recipe(schedule="constant", task="rte")
    results.save(tmp_path, result(wanted, 1, {"rte": {"accuracy": 0.5}}))

    assert units(suite(answers, tmp_path, seeds=3), "glue")[wanted.id] == (0, 2)


def test_an_error_on_file_is_no_result(answers, tmp_path, smoke_recipe):
    wanted = smoke_recipe(schedule="constant", task="rte")
    results.save(tmp_path, results.RunResult(wanted, 0, error="out of memory", final=False))

    assert units(suite(answers, tmp_path), "glue")[wanted.id] == (0,)


def test_of_a_whole_suite_nothing_is_missing(answers, tmp_path):
    save_references(answers, tmp_path)

    assert units(suite(answers, tmp_path, seeds=1)) == {}


def test_a_units_command_names_the_folder_by_its_whole_path(answers, tmp_path, monkeypatch):
    """An engine starts it elsewhere."""
    monkeypatch.chdir(tmp_path)
    (first, *_) = submitting.missing(suite(answers, Path("runs")), "squad")

    assert first.arguments()[-1] == str(tmp_path / "runs")


def test_a_claims_recipes_are_those_of_its_cells(answers, tmp_path):
    own = suite(answers, tmp_path)
    wanted = {name for claim in own.claims() for name in own.needed(claim)}

    assert set(units(own, "claims")) == wanted


def marks():
    """The tables, or "claims", of each mark in benchmarks/, read from the source."""
    found = {}
    for path in BENCHMARKS.glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for mark in node.decorator_list:
                    found.setdefault(ast.unparse(mark).removeprefix("pytest.mark."), set()).add(node.name[5:])
    return found


def test_a_mark_means_what_it_means_to_pytest():
    assert {mark: set(tables) for mark, tables in MARKS.items()} == {
        mark: tables for mark, tables in marks().items() if mark in MARKS
    }


@pytest.mark.parametrize("mark", ["glue", "squad", "peft", "ablation", "figures", "claims"])
def test_every_mark_that_trains_is_known(mark):
    assert mark in MARKS


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


def test_a_library_that_is_not_installed_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(BadInput) as problem:
        submitting.require_extra("submitit", "slurm")
    assert str(problem.value) == "--engine slurm needs submitit: pip install -c constraints.txt -e '.[slurm]'"


def test_the_command_runs_in_the_process_of_an_engine(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["worker"])
    unit = Unit("no-such-recipe", (0,), "smoke", tmp_path)

    assert submitting.here(unit) == 2
    assert "no-such-recipe" in capsys.readouterr().err


def test_an_engine_that_ends_the_process_is_not_taken_for_the_command(tmp_path, monkeypatch):
    """submitit ends a job that is preempted by SystemExit(-1), out of a signal's handler."""

    def preempted(*_, **__):
        raise SystemExit(-1)

    monkeypatch.setattr("sys.argv", ["worker"])
    monkeypatch.setattr("runpy.run_module", preempted)
    with pytest.raises(SystemExit):
        submitting.here(Unit("tiny-bert-constant-rte", (0,), "smoke", tmp_path))
