"""What a person is told to type instead."""

import pytest

from progbench import environment, places
from progbench.errors import BadInput
from progbench.session import advice, marks
from progbench.session.suite import Suite


@pytest.fixture
def paper(answers, tmp_path):
    return Suite("paper", answers, tmp_path / "runs")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder that is no checkout."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("expression", "wanted"), [
    ("gleu", "progbench reproduce -m glue"),
    ("glue and not parms", "progbench reproduce -m 'glue and not params'"),
])  # fmt: skip
def test_a_mark_that_there_is_not_is_answered_with_the_nearest_one(expression, wanted):
    with pytest.raises(BadInput) as problem:
        advice.require_marks(expression, [], "paper")

    assert str(problem.value).endswith(f"; try {wanted}")


def test_a_mark_that_no_mark_is_like_is_answered_with_all_of_them():
    with pytest.raises(BadInput, match=f"^-m nosuch: there is no mark 'nosuch'; there are {', '.join(marks.WORDS)}$"):
        advice.require_marks("nosuch", [], "paper")


@pytest.mark.parametrize("expression", ["", "glue or squad", "not (peft)", "mine and glue", "device(serial='x')"])
def test_marks_that_there_are_are_no_problem(expression):
    advice.require_marks(expression, ["mine: of a plugin", "device(serial): of another"], "paper")


def test_every_mark_has_its_words():
    assert set(marks.WORDS) == {*marks.MARKS, "speed"}


@pytest.mark.parametrize(("keyword", "near"), [
    ("bert-base-shriking-rte", "bert-base-shrinking-rte"), ("colla", "cola"),
])  # fmt: skip
def test_a_name_that_chooses_nothing_is_answered_with_the_name_or_its_part_that_is_most_like_it(paper, keyword, near):
    assert advice.for_keyword(paper, keyword).endswith(f"; try progbench reproduce -k {near}")


@pytest.mark.parametrize("keyword", ["nosuch", "something"])
def test_a_name_that_nothing_is_like_is_answered_without_a_command(paper, keyword):
    assert advice.for_keyword(paper, keyword) == f"-k {keyword} chooses none of the 216 cells of the suite paper"


def test_in_the_checkout_the_command_is_pytest(monkeypatch):
    monkeypatch.chdir(places.root())

    assert places.command(["-m", "glue"]) == "pytest benchmarks -m glue"


def test_without_a_gpu_it_names_what_runs_here_its_time_and_the_command(paper, tmp_path):
    said = advice.without_gpu(paper, "ablation", tmp_path / "runs")

    assert said.startswith("no GPU here; progbench reproduce -m ablation --suite smoke runs on this machine, in about ")
    assert said.endswith("progbench plan -m ablation --suite mini says in what time")
    assert " 36 s, " in said  # 12 runs


def test_where_nothing_is_to_be_trained_nothing_is_said(paper, answers, tmp_path, monkeypatch):
    assert advice.without_gpu(paper, "params", tmp_path) == ""
    assert advice.without_gpu(Suite("smoke", answers, tmp_path), "glue", tmp_path) == ""
    monkeypatch.setattr(environment, "gpu_count", lambda: 1)
    assert advice.without_gpu(paper, "glue", tmp_path) == ""
