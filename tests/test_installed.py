"""What a person gets who installs the wheel and works in an empty folder: nothing of the checkout is there."""

import json

import pytest
from installed import Person

from progbench.tasks import toy
from progbench.tasks.glue import glue_tasks

MINE = ("--train", "mine.tsv", "--dev", "dev.tsv", "--epochs", "2", "--learning-rate", "2e-3", "--batch-size", "16")


@pytest.fixture(scope="module")
def person(installed, tmp_path_factory):
    return Person(installed, tmp_path_factory.mktemp("person") / "here")


def test_the_first_table_of_smoke_is_trained_judged_and_reported_again(person):
    trained = person("progbench", "reproduce", "-m", "glue", "--suite", "smoke", "-k", "tiny-bert and rte", "-q")
    report = person("progbench", "report", "runs", "--report", "out")

    assert "2 of 2 judged" in trained
    assert "2 of 2 tiny-bert-shrinking-rte seed 0: " in trained
    assert {path.parts[-3] for path in person.here.glob("runs/smoke/*/*/seed0.json")} == {
        "tiny-bert-constant-rte", "tiny-bert-shrinking-rte",
    }  # fmt: skip
    assert "tiny-bert-shrinking-rte" in report
    assert (person.here / "out" / "report.html").is_file()


def test_the_benchmarks_are_found_by_their_name(person):
    counted = person("pytest", "--pyargs", "progbench.benchmarks", "-m", "params", "-q", "--report", "counts")
    one = person("pytest", "--pyargs", "progbench.benchmarks.test_table2_squad", "-m", "params", "-q")
    found = json.loads((person.here / "counts" / "report.json").read_text())

    assert "51 passed" in counted
    assert "4 passed" in one
    assert found["summary"]["total"] == 64


def test_a_plan_and_a_unit_and_an_engine_work_in_the_same_folder(person):
    plan = person("progbench", "plan", "--suite", "smoke", "-m", "ablation", "--untimed")
    unit = person("progbench", "run", "tiny-bert-growing-rte", "--suite", "smoke")
    submitted = person("progbench", "submit", "--engine", "local", "--suite", "smoke", "-m", "params")

    assert "tiny-bert-growing-rte" in plan
    assert "tiny-bert-growing-rte, seed 0: trained" in unit
    assert "progbench reproduce --suite smoke" in submitted
    assert person("progbench", "fetch", "--suite", "smoke").startswith("nothing to fetch")


def test_an_option_of_the_benchmarks_without_them_is_answered_with_the_right_command(person):
    said = person("pytest", "--suite", "smoke", rc=4)

    assert "try progbench reproduce --suite smoke" in said


def test_a_session_of_another_project_may_have_such_an_option(person, tmp_path):
    (tmp_path / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--suite')\n")
    (tmp_path / "test_it.py").write_text("def test_it(request):\n    assert request.config.option.suite == 'mine'\n")

    assert "1 passed" in Person(person.site, tmp_path)("pytest", "--suite", "mine", "-p", "no:cacheprovider")


@pytest.fixture(scope="module")
def compared(person):
    """What `compare` says of 200 rows, and what it says when it is started again."""
    for name, file, count in (("mine.tsv", "train.tsv", 200), ("dev.tsv", "dev.tsv", 100)):
        rows = toy.rows(glue_tasks()["sst2"], file, count)
        lines = [f"{texts[0]}\t{('bad', 'good')[int(label)]}" for texts, label in rows]
        (person.here / name).write_text("\n".join(["text\tlabel", *lines]) + "\n", encoding="utf-8")
    arguments = ("compare", "tiny-bert", *MINE, "--seeds", "2", "--max-length", "32", "--device", "cpu")
    return person("progbench", *arguments, "--report", "mine"), person("progbench", *arguments)


def test_two_hundred_rows_of_ones_own_are_planned_compared_and_answered(person, compared):
    first, _ = compared

    assert first.startswith("tiny-bert, 2 classes of text: 200 rows to train on, 100 to score\n4 runs of 2 recipes")
    assert "about" in first.splitlines()[1]
    assert "progtuning less fine-tuning on mine: " in first
    assert "progtuning takes, of fine-tuning's: updated parameters 78.9 %" in first
    assert "a difference of 1 point" in first
    assert (person.here / "mine" / "report.html").is_file()


def test_the_same_comparison_again_trains_nothing_and_says_the_same(compared):
    first, again = ([line for line in said.splitlines() if "less fine-tuning" in line] for said in compared)

    assert first == again
    assert "nothing is missing" in compared[1]
