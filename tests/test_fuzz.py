"""Damaged files: a clear error or the right answer. Never a traceback, a hang, or another verdict without a word.

Each kind of file is damaged twenty times, by chance but always in the same ways; `--fuzz 5000` tries as many of each.
A failure names its number, and `--fuzz` with a larger number tries that one again.
"""

import dataclasses
import json
import random
import shutil
import signal
from contextlib import contextmanager

import pytest
from made_up import recipes, result, suite

from progbench import files
from progbench.errors import BadInput, Missing
from progbench.judging import against
from progbench.models import folder as model_folder
from progbench.models import spec as spec_module
from progbench.recipes import reading
from progbench.runs import results
from progbench.tasks import catalog, toy
from progbench.tasks.source import Source

SECONDS = 20  # of this process's own: a hundred times what one look takes
JUNK = [*'nan NaN 1e999 -1 "" null [] {} true ٣'.split(), '"\x1b[2J"', "9" * 5000, "[" * 5000, "\x00", "\n"]


@pytest.fixture
def tries(request):
    return range(request.config.getoption("--fuzz"))


@contextmanager
def limited():
    """A hang is a failure too."""

    def stop(*_):
        raise TimeoutError(f"more than {SECONDS} seconds")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def flip(rng, data):
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def cut(rng, data):
    return data[: rng.randrange(len(data))]


def leave_out(rng, data):
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice([1, 3, 40, 400]) :]


def twice(rng, data):
    start = rng.randrange(len(data))
    end = start + rng.choice([1, 3, 40, 400])
    return data[:end] + data[start:]


def put_in(rng, data):
    start = rng.randrange(len(data))
    return data[:start] + rng.choice(JUNK).encode() + data[start + rng.choice([0, 0, 1, 4]) :]


def other_digit(rng, data):
    digits = [place for place, byte in enumerate(data) if chr(byte).isdecimal()]
    if not digits:
        return flip(rng, data)
    place = rng.choice(digits)
    return data[:place] + str(rng.randrange(10)).encode() + data[place + 1 :]


def other_line(rng, data):
    lines = data.splitlines(keepends=True)
    place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[place] = rng.choice([b"", lines[other], lines[place] * 2])
    return b"".join(lines)


def other_value(rng, data):
    """In JSON: a key gone, or a value of another kind."""
    content = json.loads(data)
    place = content
    while isinstance(place, dict | list) and place:
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.2:
            if rng.random() < 0.3:
                del place[key]
            else:
                place[key] = rng.choice([None, -1, 0, 5, 1e300, True, "", "x", [], {}, [[]], {"x": 1}, 10**30])
            break
        place = place[key]
    return json.dumps(content, indent=1).encode()


DAMAGES = [flip, cut, leave_out, twice, put_in, other_digit, other_line]


def damaged(paths, number):
    """Damage one of these files; gives what undoes it, and what was done."""
    rng = random.Random(number)
    path = rng.choice(sorted(paths))
    data = path.read_bytes()
    damage = rng.choice([*DAMAGES, *[other_value] * 3] if path.suffix == ".json" else DAMAGES)
    path.write_bytes(damage(rng, data))
    files.read_toml.cache_clear()
    return lambda: (
        path.write_bytes(data),
        files.read_toml.cache_clear(),
    ), f"number {number}: {damage.__name__} in {path}"


def hold(paths, look, tries, *, words=lambda answer: answer):
    """Damage the files in turn: what `look` gives must be as before, or say something else, or be a clear error."""
    files.read_toml.cache_clear()
    before, refused, other = look(), 0, 0
    for number in tries:
        undo, done = damaged(paths, number)
        try:
            with limited():
                found = look()
        except (BadInput, Missing) as problem:
            if not str(problem).strip():
                raise AssertionError(f"{done}: an error without a word") from problem
            refused += 1
        except Exception as problem:
            raise AssertionError(f"{done}: {type(problem).__name__}: {problem}") from problem
        else:
            if found != before:
                assert words(found) != words(before), f"{done}: another answer without a word"
                other += 1
        finally:
            undo()
    assert refused + other > len(tries) / 4  # or the damage was never seen


def verdicts(answers, runs, tables=("table1", "figure4")):
    """Each cell's outcome and number, and every word that a report would say of them."""
    own = suite(answers, runs, seeds=3, train=False)
    found = {one.cell: one for name in tables for one in own.verdicts(name).values()}
    problems = [own.table(name).problem for name in tables]
    said = [own.claims() if isinstance(own.claims(), BadInput) else [own.claim(one).our_words for one in own.claims()]]
    cells = [cell for name in tables for cell in own.table(name).cells]
    warnings = [one for cell in cells for one in own.warnings(cell)]
    answers = {name: (one.outcome, one.observed, one.expected) for name, one in found.items()}
    return answers, (problems, str(said), warnings, [one.sentence for one in found.values()], sorted(answers))


@pytest.fixture
def filed(answers, tmp_path):
    """Three seeds of two recipes, as the reference has them."""
    chosen = recipes(answers)
    for name in ("tiny-bert-constant-sst2", "tiny-bert-shrinking-sst2"):
        for seed, score in enumerate((0.95, 0.96, 0.97)):
            results.save(tmp_path / "runs", result(chosen[name], seed, {"sst2": {"accuracy": score}}))
    return tmp_path / "runs"


def test_damaged_results_change_no_verdict_without_a_word(answers, filed, tries):
    hold(list(filed.rglob("seed*.json")), lambda: verdicts(answers, filed, ["table1"]), tries, words=lambda one: one[1])


def test_damaged_results_are_compared_or_named(filed, tries):
    def look():
        found = against.read(filed)
        runs = [run for schedules in found.good.values() for seeds in schedules.values() for run in seeds.values()]
        return found.good, (sorted(found.errors.values()), sum(not run.sealed for run in runs))

    hold(list(filed.rglob("seed*.json")), look, tries, words=lambda one: one[1])


def test_damaged_answers_change_no_verdict_without_a_word(answers, tmp_path, filed, tries):
    copy = tmp_path / "expected"
    for name in ("smoke", "paper"):
        shutil.copytree(answers / name, copy / name)
    paths = [path for path in (copy / "smoke").iterdir() if path.suffix in (".toml", ".json")]
    hold(paths, lambda: verdicts(copy, filed), tries, words=lambda one: one[1])


def test_damaged_recipes_are_refused_or_other_recipes(tmp_path, monkeypatch, tries):
    shutil.copytree(reading._folder() / "smoke", tmp_path / "smoke")
    monkeypatch.setattr(reading, "_folder", lambda: tmp_path)
    asked = [("glue", "full", "rte"), ("peft", "lora", "sst2"), ("peft", "adapter", "rte"), ("squad", "full", "squad2")]

    def look():
        read = [
            reading.read("smoke", file, model="tiny-bert", schedule="shrinking", task=task, tuning=tuning)
            for file, tuning, task in asked
        ]
        for recipe in read:
            recipe.planned()
        return [recipe.digest for recipe in read], reading.settings("smoke")

    hold(list((tmp_path / "smoke").iterdir()), look, tries)


def test_damaged_tables_of_texts_are_refused_or_other_data(tmp_path, monkeypatch, tries):
    shutil.copytree(toy.folder(toy.write), tmp_path / "glue", dirs_exist_ok=True)
    monkeypatch.setenv("GLUE_DIR", str(tmp_path / "glue"))
    source = Source("GLUE_DIR", "", None)

    def look():
        read = [catalog.load(catalog.tasks()[name], source) for name in ("cola", "rte", "stsb")]
        return [(one.train.texts, list(one.train.labels), one.evaluate) for one in read], [
            one.fingerprint for one in read
        ]

    paths = [path for name in ("CoLA", "RTE", "STS-B") for path in (tmp_path / "glue" / name).iterdir()]
    hold(paths, look, tries, words=lambda one: one[1])


def test_damaged_questions_are_refused_or_other_data(tmp_path, monkeypatch, tries):
    shutil.copytree(toy.folder(toy.write_squad), tmp_path / "squad", dirs_exist_ok=True)
    monkeypatch.setenv("SQUAD_DIR", str(tmp_path / "squad"))

    def look():
        read = catalog.load(catalog.tasks()["squad2"], Source("SQUAD_DIR", "", None))
        return (read.train, read.evaluate), read.fingerprint

    paths = [path for path in (tmp_path / "squad").iterdir() if "v2" in path.name]
    hold(paths, look, tries, words=lambda one: one[1])


def test_damaged_models_toml_is_refused_or_of_other_models(tmp_path, monkeypatch, tries):
    path = tmp_path / "models.toml"
    shutil.copy(spec_module.__file__.replace("spec.py", "models.toml"), path)
    monkeypatch.setattr(spec_module, "__file__", str(tmp_path / "spec.py"))

    def look():
        return {name: dataclasses.asdict(one) for name, one in spec_module.specs.__wrapped__().items()}

    hold([path], look, tries)


def test_damaged_model_folders_are_refused_or_of_another_fingerprint(tmp_path, tries):
    import safetensors.torch
    import torch

    where = tmp_path / "model"
    where.mkdir()
    (where / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 64}))
    (where / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}}}))
    safetensors.torch.save_file({"a": torch.ones(3, 2), "b": torch.zeros(5)}, where / "model.safetensors")

    def look():
        model_folder.require_whole(where)
        return [path.read_bytes() for path in sorted(where.iterdir())], model_folder.fingerprint(where)

    hold([where / "model.safetensors"], look, tries, words=lambda one: one[1])
