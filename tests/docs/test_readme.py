"""What the README says is so."""

import argparse
import json
import os
import re
import tomllib
from dataclasses import replace

import gpu_hours
import grid
import pages
import pytest
from pages import ROOT

import progbench
from progbench import cli
from progbench.judging import verdict
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.session import gathering, marks

README = pages.read("README.md")
COMMANDS = pages.read("docs/commands.md")
ARCHITECTURE = pages.read("docs/architecture.md")
WORDS = " ".join(README.split())
COST = " ".join(pages.section(README, "What each suite costs").split())


def test_the_readme_keeps_to_150_lines():
    assert len(README.splitlines()) <= 150


OF_USERS = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path.stem != "architecture")]


@pytest.mark.parametrize("page", OF_USERS, ids=lambda path: path.name)
def test_a_users_page_has_no_word_that_only_its_makers_know(page):
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [word for word in ("wing", "house", "company") if re.search(rf"\b{word}s?\b", prose)] == []


def test_the_hooks_before_a_commit_have_the_versions_of_tox_lint():
    pinned = dict(line.split("==") for line in pages.read("constraints.txt").splitlines() if "==" in line)
    hooks = re.findall(r"\[(\w+)==([\d.]+)\]", pages.read(".pre-commit-config.yaml"))

    assert {name for name, _ in hooks} == {"ruff", "mypy"}
    assert all(pinned[name] == version for name, version in hooks)


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


def test_the_hours_of_the_paper_are_those_of_the_counted_steps():
    records = json.loads(pages.read("benchmarks/gpu_bytes.json"))["shapes"]
    hours = round(sum(gpu_hours.projected(records).values()))

    assert f"some {hours} hours on one H200: counted" in COST
    assert re.search(rf"The {hours}\s+hours follow from a count of bytes", COST)
    assert re.search(rf"takes \d+\s+hours then and {hours} now", pages.read("docs/speed.md"))


def test_the_page_of_speed_has_the_counted_bytes_and_launches():
    records = json.loads(pages.read("benchmarks/gpu_bytes.json"))["shapes"]
    rows = pages.table(pages.read("docs/speed.md"), "shape")
    now = [[row[1].split(", ")[1], row[3].split(", ")[1]] for row in rows if "GB" not in row[0]]

    assert now == [[f"{one['bytes'] / 1e9:.1f}", f"{one['launches']:.0f}"] for one in records]


def test_every_mark_is_on_the_page_of_commands():
    assert {pages.bare(mark) for mark, _ in pages.table(COMMANDS, "mark")} == set(marks.WORDS)


def test_every_command_is_on_the_page_of_commands():
    named = " ".join(name for name, _ in pages.table(COMMANDS, "command"))

    assert [name for name in cli.COMMANDS if not re.search(rf"\b{name}\b", named)] == []


def test_every_option_is_on_the_page_of_commands():
    options = re.findall(r'addoption\(\s*"(--[a-z-]+)"', pages.read("benchmarks/conftest.py"))
    listed = [pages.bare(option).split()[0] for option, _ in pages.table(COMMANDS, "option")]

    assert len(options) == 11
    assert sorted(listed) == sorted(options)


(OF_COMMANDS,) = [one.choices for one in cli._parser()._actions if isinstance(one, argparse._SubParsersAction)]


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_option_of_a_command_is_on_the_page_of_commands(command):
    rows = pages.table(COMMANDS, "its option")
    listed = [
        option.split()[0]
        for options, commands, _ in rows
        if command in commands.split(", ")
        for option in pages.bare(options).split(", ")
    ]
    taken = [one.option_strings[-1] for one in OF_COMMANDS[command]._actions if one.option_strings]

    assert sorted([*listed, "--help", "--include"]) == sorted(taken)


@pytest.mark.parametrize("suite", reading.suites())
def test_the_defaults_of_the_options_are_the_suites(suite):
    option = {pages.bare(name).split()[0]: what for name, what in pages.table(COMMANDS, "option")}
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
    words = " ".join(COMMANDS.split())
    assert "The weights of MiniLM and MPNet were trained on data of QQP, MNLI, QNLI and SQuAD" in words
    assert f"trains on the first {recipe.train_questions:,} questions only" in words


def test_every_outcome_is_explained_and_shows_in_pytest_as_the_page_says():
    rows = {bare.partition(" (")[0]: shown for bare, _, shown in pages.table(pages.read("docs/report.md"), "outcome")}
    unread = verdict.unreadable("table1", "")

    assert list(rows) == list(verdict.OUTCOMES)
    for outcome, shown in rows.items():
        assert gathering.of_cell(replace(unread, outcome=outcome))[0] == shown


def test_the_snippet_runs_as_it_stands(tmp_path, warm):
    (tmp_path / "snippet.py").write_text(pages.block(README, "python", "ProgressiveFreezing"), encoding="utf-8")
    run = warm("snippet", cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})

    assert run.returncode == 0, run.stderr
    assert "BertForSequenceClassification: 4 blocks" in run.stdout
    assert "beside constant" in run.stdout
    assert run.stderr.count("of shrinking: of 4 blocks") == 3  # a line for each stage
    assert (tmp_path / "out" / "lora" / "tuning.safetensors").is_file()


def test_the_snippets_number_is_right():
    assert progbench.updated_parameters("bert-base-uncased", progbench.shrinking(L=12, T=3)) == 243396870
    assert progbench.updated_parameters("bert-base-uncased", progbench.constant(12, 3)) == 328451334
    assert "# 243396870, against 328451334 with constant(12, 3)" in README


PACKAGE = ROOT / "progbench"
WINGS = pages.table(ARCHITECTURE, "wing")


def test_the_table_of_wings_has_every_folder_of_the_package_in_the_order_of_the_house():
    contracts = tomllib.loads(pages.read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    rows = next(one["layers"] for one in contracts if one["type"] == "layers")
    folders = [wing for row in rows for wing in row.split(" | ") if (PACKAGE / wing).is_dir()]

    assert [pages.bare(wing) for wing, *_ in WINGS] == folders
    assert set(folders) == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert len(folders) == 10
    assert "The package has ten folders, called wings" in " ".join(ARCHITECTURE.split())


@pytest.mark.parametrize(("wing", "goes_in", "goes_out", "first"), WINGS, ids=[pages.bare(wing) for wing, *_ in WINGS])
def test_a_wing_takes_gives_and_begins_with_what_its_own_file_says(wing, goes_in, goes_out, first):
    folder = PACKAGE / pages.bare(wing)
    own = " ".join((folder / "__init__.py").read_text(encoding="utf-8").split())
    comes_in, comes_out = re.search(r"In comes? (.*?)\. Out comes? (.*?)\. (?=[A-Z])", own).groups()

    assert (goes_in, goes_out) == (comes_in, comes_out)
    assert f"Read `{pages.bare(first).removesuffix('.py')}` first" in own
    assert (folder / pages.bare(first)).is_file()
