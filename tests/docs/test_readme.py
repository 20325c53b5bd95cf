"""What the README says is so."""

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import replace

import grid
import pages
import pytest
from pages import ROOT

import progbench
from progbench.judging import verdict
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.session import outcomes
from progbench.session.suite import Suite

README = pages.read("README.md")
WORDS = " ".join(README.split())
ANSWER = " ".join(pages.section(README, "Today's answer").split())
COST = " ".join(pages.section(README, "What each suite costs").split())


def test_the_readme_keeps_to_180_lines():
    assert len(README.splitlines()) <= 180


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    """Every count that the paper prints, with its verdict as it comes out now."""
    suite = Suite("paper", ROOT / "expected", tmp_path_factory.mktemp("runs"), train=False)
    cells = [cell for name in suite.tables() for cell in suite.table(name).cells]
    return [(cell, suite.verdict(cell)) for cell in cells if cell.kind == "counted" and cell.expectation.printed]


def tally(counts, outcome, file=""):
    return sum(found.outcome == outcome for cell, found in counts if file in ("", cell.file))


def test_the_answer_is_three_sentences():
    assert len(re.findall(r"[a-z0-9)]\.(?=\s|$)", ANSWER.replace("Eq. ", ""))) == 3


def test_as_many_counts_reproduce_and_are_disputed_as_the_answer_says(counts):
    printed, reproduced = pages.numbers(re.search(r"Of the .*? reproduce:", ANSWER, re.DOTALL).group())
    disputed = int(re.search(r"The other (\d+) counts are disputed", ANSWER).group(1))

    assert (printed, reproduced) == (len(counts), tally(counts, "reproduced"))
    assert disputed == tally(counts, "disputed") == printed - reproduced


def test_as_many_counts_of_each_table_reproduce_as_the_answer_says(counts):
    two, three, of_three = map(
        int, re.search(r"all (\d+) of Table 2, (\d+) of the (\d+)\s+of Table 3", ANSWER).groups()
    )

    assert two == tally(counts, "reproduced", "table2") == sum(cell.file == "table2" for cell, _ in counts)
    assert (three, of_three) == (tally(counts, "reproduced", "table3"), sum(c.file == "table3" for c, _ in counts))
    assert "both of section 4.2 (drawn in Figure 4)" in ANSWER
    assert tally(counts, "reproduced", "figure4") == sum(cell.file == "figure4" for cell, _ in counts) == 2


def test_the_disputed_counts_are_the_row_of_table_3_for_adapters_with_progtuning(counts):
    entries = tomllib.loads(pages.read("expected/paper/disputed.toml"))["cells"]
    listed = {(entry["table"], f"{entry['row']}-{column}") for entry in entries for column in entry["columns"]}
    row = {(cell.file, cell.id) for cell, _ in counts if (cell.tuning, cell.schedule) == ("adapter", "shrinking")}

    assert "are the row of Table 3 for adapters with Progtuning" in ANSWER
    assert listed == row == {(cell.file, cell.id) for cell, found in counts if found.outcome == "disputed"}


def test_no_score_of_a_pretrained_model_on_real_data_is_recorded():
    assert "No score of a pretrained model on real data is recorded yet" in ANSWER
    assert [path.parent.name for path in (ROOT / "expected").glob("*/reference.json")] == ["smoke"]
    assert all(spec(name).random for name in ("tiny-bert", "tiny-bert-wide", "tiny-roberta"))


def test_ci_calls_the_readmes_test_command():
    command = pages.block(README, "sh", "tox -e py311").strip().splitlines()[-1]

    assert command.endswith("tox -e py311")
    assert command in pages.read(".ci/run").splitlines()


def test_every_suite_has_its_cost():
    assert [
        pages.bare(suite).split()[0]
        for suite, *_ in pages.table(pages.section(README, "What each suite costs"), "suite")
    ] == ["smoke", "mini", "base", "paper"]
    assert sorted(reading.suites()) == ["base", "mini", "paper", "smoke"]


@pytest.mark.parametrize(("task", "unit", "seconds"), [("cola", "minutes (CoLA)", 60), ("mnli", "hours (MNLI)", 3600)])
def test_what_a_run_of_mini_takes_follows_from_the_measured_steps(task, unit, seconds):
    measured = json.loads(pages.read("benchmarks/measured/mini-1.json"))["steps"]
    (stages,) = [one["milliseconds"] for one in measured if (one["case"], one["task"]) == ("full-fp32-default", task)]
    wanted = reading.read("mini", "glue", model="minilm", schedule="shrinking", task=task)
    taken = grid.epoch(wanted) * sum(stages) / 1000

    assert len(stages) == wanted.epochs
    assert f"{taken / seconds:.1f} {unit}" in COST


def test_the_steps_of_tables_1_2_and_4_are_those_that_the_projection_takes():
    assert f"take {grid.steps('table1', 'table2', 'table4') / 1e6:.1f} million optimizer steps" in COST


def test_the_projected_hours_are_the_steps_divided_by_the_measured_rate():
    words = " ".join(COST.split())
    million, rate = re.search(
        r"take ([\d.]+) million optimizer steps .* trained (\d+) steps per second", words
    ).groups()

    assert f"about {float(million) * 1e6 / int(rate) / 3600:.0f} hours on one H100: a projection" in words
    assert f"The {float(million) * 1e6 / int(rate) / 3600:.0f} hours were projected, not measured" in words


def test_every_mark_is_in_the_readme():
    registered = tomllib.loads(pages.read("pyproject.toml"))["tool"]["pytest"]["markers"]

    assert {pages.bare(mark) for mark, _ in pages.table(README, "mark")} == {one.split(":")[0] for one in registered}


def test_every_option_is_in_the_readme():
    options = re.findall(r'addoption\(\s*"(--[a-z-]+)"', pages.read("benchmarks/conftest.py"))
    listed = [pages.bare(option).split()[0] for option, _ in pages.table(README, "option")]

    assert len(options) == 9
    assert sorted(listed) == sorted(options)


@pytest.mark.parametrize("suite", reading.suites())
def test_the_defaults_of_the_options_are_the_suites(suite):
    option = {pages.bare(name).split()[0]: what for name, what in pages.table(README, "option")}
    seeds, device = (
        {
            name: default
            for names, default in re.findall(r"((?:\w+ and )?\w+) (\w+)(?:,|$)", option[one].partition("default: ")[2])
            for name in names.split(" and ")
        }
        for one in ("--seeds", "--device")
    )
    found = reading.settings(suite)

    assert (seeds[suite], device[suite]) == (str(found.seeds), found.device)


def test_what_minilm_and_mpnet_have_seen_and_what_mini_trains_on_are_said():
    recipe = reading.read("mini", "squad", model="minilm", schedule="constant", task="squad1")

    assert set(spec("minilm").seen) == set(spec("mpnet").seen) == {"qqp", "mnli", "qnli", "squad1", "squad2"}
    assert "The weights of MiniLM and MPNet were trained on data of QQP, MNLI, QNLI and SQuAD" in WORDS
    assert f"trains on the first {recipe.train_questions:,} questions only" in WORDS


def test_every_outcome_is_explained_and_shows_in_pytest_as_the_readme_says():
    rows = {bare.split()[0]: shown for bare, _, shown in pages.table(README, "outcome")}
    unread = verdict.unreadable("table1", "")

    assert list(rows) == list(verdict.OUTCOMES)
    for outcome, shown in rows.items():
        assert outcomes.of_cell(replace(unread, outcome=outcome))[0] == shown


def test_the_snippet_runs_as_it_stands(tmp_path):
    snippet = pages.block(README, "python", "ProgressiveFreezing")
    run = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    assert "BertForSequenceClassification: 4 blocks" in run.stdout
    assert "beside constant" in run.stdout
    assert run.stderr.count("of shrinking: of 4 blocks") == 3  # a line for each stage
    assert (tmp_path / "out" / "lora" / "tuning.safetensors").is_file()


def test_the_snippets_number_is_right():
    assert progbench.updated_parameters("bert-base-uncased", progbench.shrinking(L=12, T=3)) == 243396870
    assert progbench.updated_parameters("bert-base-uncased", progbench.constant(12, 3)) == 328451334
    assert "# 243396870, against 328451334 with constant(12, 3)" in README


PACKAGE = ROOT / "progbench"
WINGS = pages.table(README, "wing")


def test_the_table_of_wings_has_every_folder_of_the_package_in_the_order_of_the_house():
    house = re.search(r'^HOUSE = """(.*?)"""', pages.read("tests/test_imports.py"), re.MULTILINE | re.DOTALL).group(1)
    folders = [wing for wing in house.split() if (PACKAGE / wing).is_dir()]

    assert [pages.bare(wing) for wing, *_ in WINGS] == folders
    assert set(folders) == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert len(folders) == 10
    assert "The package has ten folders, called wings" in WORDS


@pytest.mark.parametrize(("wing", "goes_in", "goes_out", "first"), WINGS, ids=[pages.bare(wing) for wing, *_ in WINGS])
def test_a_wing_takes_gives_and_begins_with_what_its_own_file_says(wing, goes_in, goes_out, first):
    folder = PACKAGE / pages.bare(wing)
    own = " ".join((folder / "__init__.py").read_text(encoding="utf-8").split())
    comes_in, comes_out = re.search(r"In comes? (.*?)\. Out comes? (.*?)\. (?=[A-Z])", own).groups()

    assert (goes_in, goes_out) == (comes_in, comes_out)
    assert f"Read `{pages.bare(first).removesuffix('.py')}` first" in own
    assert (folder / pages.bare(first)).is_file()
