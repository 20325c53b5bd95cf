"""What the package says of itself, and that its files come along when it is installed."""

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import progbench
from progbench import cli

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_command_says_its_version(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])

    assert (end.value.code, capsys.readouterr().out) == (0, f"progbench {PROJECT['version']}\n")


def test_the_package_runs_as_the_command():
    command = [sys.executable, "-m", "progbench", "--version"]

    assert subprocess.check_output(command, text=True) == f"progbench {PROJECT['version']}\n"


def test_the_citation_is_of_this_version_licence_and_these_authors():
    assert (CITATION["version"], CITATION["license"]) == (PROJECT["version"], PROJECT["license"])
    assert [one["name"] for one in CITATION["authors"]] == [one["name"] for one in PROJECT["authors"]]


def test_the_citation_names_the_paper():
    assert [one["url"] for one in CITATION["references"]] == [PROJECT["urls"]["Paper"]]


def test_the_licence_is_the_one_that_is_named():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")

    assert text.startswith(f"{PROJECT['license']} License\n\nCopyright (c) 2026 {PROJECT['authors'][0]['name']}\n")


WHERE = SETTINGS["tool"]["setuptools"]["package-dir"]  # of the packages that do not lie in the folder of their name


def folder_of(package):
    return ROOT / WHERE.get(package, package.replace(".", "/"))


def test_every_file_of_the_package_that_is_no_code_is_installed_with_it():
    folders = (ROOT / "progbench", ROOT / "benchmarks", ROOT / "expected")
    there = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    installed = set()
    for package, patterns in SETTINGS["tool"]["setuptools"]["package-data"].items():
        for pattern in patterns:
            found = {path for path in folder_of(package).glob(pattern) if path.is_file()}
            assert found, f"{package}: nothing is called {pattern}"
            installed |= found

    assert {path for path in there if path.suffix not in (".py", ".pyc")} == installed


def test_every_folder_with_code_is_a_package_that_is_installed():
    named = {folder_of(package) for package in SETTINGS["tool"]["setuptools"]["packages"]}

    assert named == {path.parent for path in ROOT.glob("progbench/**/*.py")} | {ROOT / one for one in WHERE.values()}


def test_the_package_knows_its_version():
    assert progbench.__version__ == PROJECT["version"]


def test_on_windows_it_says_that_it_does_not_run_there(monkeypatch, reliability):
    monkeypatch.setitem(sys.modules, "resource", None)  # which Windows does not have
    wanted = importlib.util.find_spec("progbench.environment")

    with pytest.raises(ImportError) as problem:
        wanted.loader.exec_module(importlib.util.module_from_spec(wanted))
    reliability(
        "Running, on one machine or on many",
        "a session on Windows",
        happens=problem.value,
        kept="the schedules and the counts, which can be imported",
    )
