"""progbench run, as an engine starts it: what is there, what is trained, what is told, and how it ends."""

import os
import signal
from dataclasses import replace

import pytest
from made_up import recipes, result

from progbench import cli
from progbench.errors import BadInput
from progbench.recipes import reading
from progbench.runs import results
from progbench.training import train

NAME = "tiny-bert-constant-rte"


@pytest.fixture
def unit(capsys, tmp_path):
    """Run a recipe of the smoke suite: the exit code, and the lines that it tells, without their file."""

    def start(*arguments, recipe=NAME):
        code = cli.main(["run", recipe, "--suite", "smoke", "--runs", str(tmp_path / "runs"), *arguments])
        said = capsys.readouterr()
        return code, [line.partition(f"; {tmp_path}")[0] for line in said.out.splitlines()], said.err

    return start


def test_what_is_missing_is_trained_and_told_a_line_a_seed(unit, trained):
    code, lines, _ = unit("--seeds", "0,7")

    assert code == 0
    assert trained == [(NAME, 0), (NAME, 7)]
    assert lines == [
        "tiny-bert-constant-rte, seed 0: trained: rte accuracy 90.00; 0.0 s",
        "tiny-bert-constant-rte, seed 7: trained: rte accuracy 83.00; 0.0 s",
    ]


def test_a_schedule_may_be_called_as_the_paper_calls_it(capsys, tmp_path, trained):
    for name in ("tiny-bert-progtuning-rte", "tiny-bert-fine-tuning-rte"):
        assert cli.main(["run", name, "--suite", "smoke", "--runs", str(tmp_path)]) == 0

    assert [recipe for recipe, _ in trained] == ["tiny-bert-shrinking-rte", "tiny-bert-constant-rte"]


def test_only_the_seeds_that_lack_are_trained(unit, trained):
    unit("--seeds", "1")
    trained.clear()
    code, lines, said = unit("--seeds", "0-2")

    assert (code, trained) == (0, [(NAME, 0), (NAME, 2)])
    assert [line.split(": ")[1] for line in lines] == ["trained", "there", "trained"]
    assert [line.partition(":")[0] for line in said.splitlines()] == [f"1 of 2 {NAME} seed 0", f"2 of 2 {NAME} seed 2"]


def test_a_seed_that_is_an_error_ends_with_1_and_the_others_are_trained(unit, trained, monkeypatch):
    sound = train.train

    def bad(recipe, seed, *rest):
        if seed == 1:
            raise RuntimeError("a bad day")
        return sound(recipe, seed, *rest)

    monkeypatch.setattr(train, "train", bad)
    code, lines, _ = unit("--seeds", "0-2")

    assert code == 1
    assert lines[1] == f"{NAME}, seed 1: error: RuntimeError: a bad day"
    assert trained == [(NAME, 0), (NAME, 2)]


def test_what_is_missing_ends_with_3_and_says_why(unit, trained):
    code, lines, _ = unit("--device", "cuda", "--seeds", "0,1")

    assert (code, trained) == (3, [])
    why = "no GPU here, and this suite or --device asks for one (--device cpu trains without)"
    assert lines == [f"{NAME}, seed {seed}: missing: {why}" for seed in (0, 1)]


def test_bad_data_is_an_error_of_one_seed_and_the_others_say_so(unit, trained, monkeypatch):
    def bad(*_):
        raise BadInput("dev.tsv:7: 2 columns")

    monkeypatch.setattr(train, "train", bad)
    code, lines, _ = unit("--seeds", "0,1")

    assert code == 1
    assert lines == [
        f"{NAME}, seed 0: error: dev.tsv:7: 2 columns",
        f"{NAME}, seed 1: missing: not run, for what is wrong with seed 0 is wrong with all",
    ]


def test_what_another_process_has_made_meanwhile_is_told_so(unit, trained, monkeypatch, answers, tmp_path):
    other = replace(result(recipes(answers)[NAME], 1, {"rte": {"accuracy": 0.5}}), session="another")
    sound = train.train

    def beside(*arguments):
        results.save(tmp_path / "runs", other)
        return sound(*arguments)

    monkeypatch.setattr(train, "train", beside)
    code, lines, _ = unit("--seeds", "0,1")

    assert (code, trained) == (0, [(NAME, 0)])
    assert lines[1] == f"{NAME}, seed 1: made by another process: rte accuracy 50.00"


def test_told_to_end_it_tells_what_is_done_and_the_next_start_does_the_rest(unit, trained, monkeypatch, reliability):
    sound = train.train

    def stopped(recipe, seed, *rest):
        if seed == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return sound(recipe, seed, *rest)

    monkeypatch.setattr(train, "train", stopped)
    code, lines, _ = unit("--seeds", "0-2")

    assert code == 130
    assert [line.split(": ")[1] for line in lines] == ["trained", "missing", "missing"]
    reliability(
        "Running, on one machine or on many",
        "`progbench run` told to end, by Ctrl-C or a signal",
        happens=lines[1],
        kept="the seeds that are done; exit code 130",
    )
    trained.clear()
    monkeypatch.setattr(train, "train", sound)

    assert unit("--seeds", "0-2")[0] == 0
    assert trained == [(NAME, 1), (NAME, 2)]


def test_a_result_that_cannot_be_filed_ends_with_1(unit, trained, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "save", full)
    code, lines, _ = unit()

    assert code == 1
    assert lines[0].startswith(f"{NAME}, seed 0: not kept: rte accuracy 90.00; seed 0 was trained, but ")


def test_an_unknown_recipe_is_a_usage_error_with_the_nearest_ids(unit, trained):
    code, lines, said = unit(recipe="tiny-bert-constant-rtf")

    assert (code, lines) == (2, [])
    assert said.startswith(
        "progbench run: no recipe 'tiny-bert-constant-rtf' in the suite smoke: the nearest are tiny-"
    )
    assert NAME in said


def test_a_recipe_that_cannot_be_read_is_said_to_be_that(unit, trained, monkeypatch):
    def broken(*_, **__):
        raise BadInput("recipes/smoke/glue.toml: learning_rate = -1")

    monkeypatch.setattr(reading, "read", broken)
    code, _, said = unit()

    assert code == 2
    assert said.count("recipes/smoke/glue.toml: learning_rate = -1") == 1


def test_a_variant_is_named_behind_its_recipe(capsys, tmp_path):
    name = "bert-base-constant-rte~fp32"
    code = cli.main(["run", name, "--device", "cuda", "--seeds", "4", "--runs", str(tmp_path)])

    assert code == 3
    assert capsys.readouterr().out.startswith(f"{name}, seed 4: missing: no GPU here")


@pytest.mark.parametrize("text", ["one", "-1", "0,", "4-2", "0-99999", "1e3", "0--1", "²"])
def test_what_are_no_seeds_is_a_usage_error(unit, trained, text):
    code, _, said = unit(f"--seeds={text}")

    assert (code, trained) == (2, [])
    assert said.startswith(f"progbench run: --seeds {text}: ")
