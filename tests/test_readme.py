"""What the README and the docstrings say is so."""

import doctest
import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest
import torch
import transformers

import progbench
from progbench.models import loading
from progbench.models.spec import spec
from progbench.report.report import Report
from progbench.report.speed import Speed

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language, containing):
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(text for text in blocks if containing in text)


def test_the_snippet_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = loading.build(spec("tiny-bert"), num_labels=2)
    rows = [{"input_ids": torch.arange(5, 12), "labels": torch.tensor(i % 2)} for i in range(8)]
    live = []
    names = {
        "model": model,
        "dataset": rows,
        "Trainer": transformers.Trainer,
        "TrainingArguments": lambda **given: transformers.TrainingArguments(**given, use_cpu=True, report_to=[]),
        "train_one_epoch": lambda m: live.append(sum(p.requires_grad for p in m.bert.encoder.parameters()) // 4),
    }
    exec(block("python", "ProgressiveFreezing"), names)

    assert live == [4, 3, 2]  # of 4 blocks with four LoRA matrices each, in 3 epochs


def test_the_snippets_number_is_right():
    assert progbench.updated_parameters("bert-base-uncased", progbench.shrinking(L=12, T=3)) == 243396870
    assert progbench.updated_parameters("bert-base-uncased", progbench.constant(12, 3)) == 328451334


def test_ci_calls_the_readmes_test_command():
    command = block("sh", "tox -e py311").strip().splitlines()[-1]

    assert command.endswith("tox -e py311")
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_tree_names_every_module_and_nothing_else():
    tree = block("text", "progbench/\n")
    for folder, others in (("progbench", {"recipes/", "report/"}), ("benchmarks", {"measured/"})):
        section = tree.split(f"\n{folder}/\n")[1]
        listed = re.match(r"(?:  \S.*\n|    \S.*\n)+", section).group().splitlines()
        assert {line.split()[0] for line in listed if line[:3] != "   "} - others == on_disk(ROOT / folder)
    within = tree.split("\n  report/")[1].partition("\n")[2]
    listed = re.match(r"(?:    \S.*\n)+", within).group().splitlines()
    assert {line.split()[0] for line in listed} - {"templates/"} == on_disk(ROOT / "progbench" / "report")


def on_disk(folder):
    return {path.name for path in folder.glob("*.*") if path.suffix in (".py", ".toml")}


def test_the_readme_says_what_each_key_of_the_json_report_holds():
    rows = re.findall(r"^\| `([a-z_]+)` \|", README.partition("`report.json`")[2].partition("## ")[0], re.MULTILINE)

    assert rows == list(Report("paper", [], {}).as_json())


def test_every_option_of_the_command_is_in_the_readme():
    options = re.findall(r'add_argument\("(--[a-z-]+)"', (ROOT / "progbench" / "cli.py").read_text())

    assert len(options) == 3
    assert [option for option in options if option not in block("sh", "progbench report")] == []


def test_every_option_is_in_the_readme():
    options = re.findall(r'addoption\("(--[a-z-]+)"', (ROOT / "benchmarks" / "conftest.py").read_text())

    assert len(options) == 9
    assert [option for option in options if f"`{option}" not in README] == []


def test_every_tox_environment_of_the_tree_exists():
    named = re.search(r"tox\.ini +(.*)", README).group(1).split(" · ")

    assert [name for name in named if f"[testenv:{name}]" not in (ROOT / "tox.ini").read_text()] == []


MEASURED = ROOT / "benchmarks" / "measured"


@pytest.mark.parametrize("suite", ["mini", "paper"])
def test_the_tables_of_speed_are_those_that_were_measured(suite):
    assert Speed.read(*sorted(MEASURED.glob(f"{suite}*.json"))).as_markdown() in README


def test_where_and_when_speed_was_measured_is_said():
    made = [json.loads(path.read_text())["environment"] for path in MEASURED.glob("*.json")]

    assert made
    for one in made:
        assert one["commit"][:7] in README
        assert one["date"][:10] in README
        assert one["cpu_model"] in README


MODULES = [module.name for module in pkgutil.walk_packages(progbench.__path__, "progbench.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_public_name_exists_and_has_a_docstring():
    assert [name for name in progbench.__all__ if not getattr(progbench, name).__doc__] == []


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'shrunk'"):
        _ = progbench.shrunk
