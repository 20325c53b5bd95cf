"""Which tables belong to which mark: the marks of the benchmarks' own files."""

import ast
import re
from pathlib import Path

import pytest

import progbench
from progbench.errors import BadInput
from progbench.recipes import reading
from progbench.session import marks
from progbench.session.suite import Suite

TASKS = "cola mnli mrpc qnli qqp rte sst2 stsb".split()
BENCHMARKS = Path(progbench.__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def suite(answers, tmp_path):
    return Suite("smoke", answers, tmp_path, train=False)


def marked():
    """Each mark of the benchmarks, and the tables of the tests that have it; the one for speed judges none."""
    found = {}
    for path in BENCHMARKS.glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for mark in re.findall(r"pytest\.mark\.(\w+)", " ".join(map(ast.unparse, node.decorator_list))):
                    found.setdefault(mark, set()).add(node.name.removeprefix("test_"))
    return found


def test_the_marks_are_those_of_the_benchmarks():
    ours = {mark: {*tables} for mark, tables in marks.MARKS.items() if tables}
    theirs = {mark: tables for mark, tables in marked().items() if mark in marks.MARKS}

    assert ours == theirs
    assert set(marked()) - set(marks.MARKS) <= {"speed", "parametrize", "benchmark", "skipif", "usefixtures"}


def test_a_mark_asks_for_its_tables_scores_alone(suite):
    assert {one.file for one in marks.asked(suite, "ablation")} == {"table5"}
    assert {one.kind for one in marks.asked(suite, "squad")} == {"scored"}  # its counts have no run behind them


def test_without_a_mark_everything_is_asked_for(suite):
    together = [one for mark in marks.MARKS for one in marks.asked(suite, mark)]

    assert {one.id for one in marks.asked(suite)} == {one.id for one in together}
    assert len(marks.asked(suite)) == len(together)


def test_a_table_the_suite_has_not_asks_for_nothing(answers, tmp_path):
    assert marks.asked(Suite("base", answers, tmp_path, train=False), "squad") == []


@pytest.mark.parametrize("name", ["table1", "claims"])
def test_a_table_that_cannot_be_read_is_refused(copied, tmp_path, name):
    (copied / "smoke" / f"{name}.toml").write_text("[")
    with pytest.raises(BadInput, match=rf"{name}\.toml"):
        marks.asked(Suite("smoke", copied, tmp_path, train=False))


def test_a_recipe_that_cannot_be_read_is_refused(suite, monkeypatch):
    def broken(*_, **__):
        raise BadInput("recipes/smoke/glue.toml: learning_rate = -1")

    monkeypatch.setattr(reading, "read", broken)
    for mark in ("glue", "claims"):
        with pytest.raises(BadInput, match="learning_rate = -1"):
            marks.needed(suite, mark)


def test_a_claim_needs_the_runs_of_all_its_cells(suite):
    counts, scores = marks.needed(suite, "claims")

    assert counts == {}
    assert {*scores} == {f"tiny-bert-{name}-{task}" for name in ("constant", "shrinking") for task in TASKS}
