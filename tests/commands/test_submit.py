"""The command progbench submit: its options, its exit codes, and one real process."""

import importlib.util

import pytest
from made_up import save_references

from progbench import cli
from progbench.session import engine_local, submitting

ONE = "tiny-bert-constant-squad1"


@pytest.fixture
def submit(tmp_path, capsys):
    """Run the command on a folder; gives its exit code, and what it said."""

    def run(*arguments, suite="smoke"):
        code = cli.main(["submit", "--suite", suite, "--runs", str(tmp_path / "runs"), *arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def all_but_one(answers, tmp_path):
    """A folder in which the result of one recipe of the mark squad is missing."""
    save_references(answers, tmp_path / "runs", lambda recipe: recipe.task.startswith("squad") and recipe.id != ONE)


@pytest.fixture
def made(monkeypatch):
    """The units that the local engine was given, and how many at a time."""
    given = []

    def run(commands, workers, shares, say):
        given.extend([commands, workers])
        return [0] * len(commands)

    monkeypatch.setattr(engine_local, "run", run)
    return given


def test_where_nothing_is_missing_nothing_is_started(submit, answers, tmp_path, made):
    save_references(answers, tmp_path / "runs", lambda recipe: recipe.task.startswith("squad"))
    code, said = submit("--engine", "local", "-m", "squad", "--seeds", "0")

    assert (code, made) == (0, [])
    assert said.startswith("nothing to start: pytest benchmarks --suite smoke")


@pytest.mark.usefixtures("all_but_one")
def test_only_what_is_missing_is_started(submit, made):
    code, said = submit("--engine", "local", "-m", "squad", "--seeds", "0", "--workers", "3")
    commands, workers = made

    assert (code, workers) == (0, 3)
    assert [(command.recipe, command.seeds) for command in commands] == [(ONE, (0,))]
    assert "1 units with 1 runs are missing" in said
    assert "1 units: 1 done; pytest benchmarks --suite smoke" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--engine", "ray", "--workers", "2"), "--workers is for --engine local"),
        (("--engine", "local", "--slurm", "partition=gpu"), "--slurm is for --engine slurm"),
        (("--engine", "local", "--workers", "0"), "--workers 0: at least 1"),
    ],
)
def test_options_of_another_engine_are_refused(submit, arguments, words):
    assert submit(*arguments) == (2, f"progbench submit: {words}\n")


FAULTS = {
    "slurm": "`progbench submit --engine slurm` without submitit",
    "ray": "`progbench submit --engine ray` without ray",
}


@pytest.mark.parametrize("engine", FAULTS)
def test_an_engine_whose_library_is_not_installed_is_refused_with_the_command_to_install_it(
    submit, monkeypatch, engine, reliability
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, said = submit("--engine", engine)

    assert code == 2
    assert f"--engine {engine} needs " in said
    assert said.endswith(f": pip install 'progbench[{engine}]'\n")
    reliability(
        "Running, on one machine or on many", FAULTS[engine], happens=said, kept="everything; the other engines work"
    )


def test_a_folder_that_cannot_be_written_is_said_before_any_unit_is_started(submit, made, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    code, said = submit("--engine", "local", "--runs", str(tmp_path / "file" / "runs"))

    assert (code, made) == (2, [])
    assert "cannot be written" in said


def test_told_to_end_it_says_how_to_go_on(submit, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine_local, "run", interrupted)
    code, said = submit("--engine", "local")

    assert code == 130
    assert "start the same again for the rest" in said


@pytest.mark.parametrize(("codes", "expected"), [([0, 1, 3], 1), ([0, 3], 3), ([submitting.LOST], 1)])
def test_the_exit_code_is_that_of_the_worst_unit(submit, monkeypatch, codes, expected):
    monkeypatch.setattr(engine_local, "run", lambda *_: codes)

    assert submit("--engine", "local")[0] == expected


def test_a_unit_is_the_command_run_in_a_process_of_its_own(submit, monkeypatch):
    """One for which nothing is here, so that nothing is trained."""
    run_commands = submitting.run_commands
    monkeypatch.setattr(submitting, "run_commands", lambda *given: run_commands(*given)[:1])
    code, said = submit("--engine", "local", "-m", "figures", "--seeds", "0", "--workers", "1", suite="mini")

    assert code == 3, said
    assert "seed 0: missing: " in said
