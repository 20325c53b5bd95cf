import dataclasses
import tomllib
from pathlib import Path

import pytest

from progbench import recipe
from progbench.errors import BadInput

FILES = sorted(Path(recipe.__file__).parent.glob("recipes/*/*.toml"))


def entries():
    """Every value of every recipe file, with its table in the file."""
    for path in (path for path in FILES if path.name != "suite.toml"):
        content = tomllib.loads(path.read_text())
        for section, fields in [("defaults", content["defaults"]), *content.get("tasks", {}).items()]:
            for field, entry in fields.items():
                yield pytest.param(entry, id=f"{path.parent.name}-{path.stem}-{section}-{field}")


@pytest.mark.parametrize("entry", list(entries()))
def test_every_value_of_every_recipe_names_its_source(entry):
    assert len(entry["source"].split()) >= 2


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Read a recipe from a suite folder of one file; `change` edits the smoke suite's text."""

    def read(change):
        folder = tmp_path / "recipes" / "own"
        folder.mkdir(parents=True)
        text = (Path(recipe.__file__).parent / "recipes" / "smoke" / "glue.toml").read_text()
        (folder / "glue.toml").write_text(change(text))
        monkeypatch.setattr(recipe, "_folder", lambda: tmp_path / "recipes")
        return recipe.read("own", "glue", model="tiny-bert", schedule="shrinking", task="sst2")

    return read


def value(field, new):
    def change(text):
        lines = [
            f'{field} = {{ value = {new}, source = "a test" }}' if x.startswith(f"{field} =") else x
            for x in text.splitlines()
        ]
        return "\n".join(lines)

    return change


@pytest.mark.parametrize(
    ("field", "new", "allowed"),
    [
        ("epochs", "0", "a whole number of at least 1"),
        ("epochs", "2.5", "a whole number of at least 1"),
        ("epochs", "true", "a whole number of at least 1"),
        ("learning_rate", "0", "a number above 0"),
        ("learning_rate", "'fast'", "a number above 0"),
        ("batch_size", "-1", "a whole number of at least 1"),
        ("max_length", "4", "a whole number of at least 8"),
        ("warmup", "1.5", "a share from 0 to 1"),
        ("weight_decay", "-0.1", "a number of at least 0"),
        ("adam_beta2", "1", "a number from 0 to below 1"),
        ("clip_norm", "0", "a number above 0"),
        ("clip_norm", "inf", "a number above 0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_file_field_and_what_is_allowed(written, field, new, allowed):
    with pytest.raises(BadInput, match=rf"glue\.toml: {field} = .*: allowed is {allowed}"):
        written(value(field, new))


def test_an_unknown_field_is_refused_with_the_known_ones(written):
    with pytest.raises(BadInput, match="unknown field learning_rat; known are suite, model"):
        written(lambda text: text.replace("learning_rate", "learning_rat"))


def test_an_absent_field_is_refused_by_name(written):
    with pytest.raises(BadInput, match="no value for clip_norm"):
        written(lambda text: "\n".join(line for line in text.splitlines() if not line.startswith("clip_norm")))


def test_a_value_without_a_source_is_refused(written):
    with pytest.raises(BadInput, match="warmup must be written"):
        written(lambda text: text.replace("warmup = {", "warmup = 0.1 # {"))


def test_values_for_a_task_there_is_not_are_refused(written):
    with pytest.raises(BadInput, match=r"unknown \[tasks\.rt\]; known are cola, mnli"):
        written(lambda text: text.replace("[tasks.rte]", "[tasks.rt]"))


def test_a_whole_number_and_its_float_are_one_recipe(written, smoke_recipe):
    floating = smoke_recipe()
    whole = written(value("clip_norm", "1"))

    assert dataclasses.replace(whole, suite="smoke").digest == floating.digest


def test_toml_that_does_not_parse_is_refused_with_its_line(written):
    with pytest.raises(BadInput, match=r"glue\.toml: .*line 1"):
        written(lambda text: "[defaults\n" + text)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ({"schedule": "melting"}, "schedule = 'melting': allowed are constant, shrinking, without_low_blocks, growing"),
        ({"task": "wnli"}, "task = 'wnli': allowed are cola, mnli"),
        ({"tuning": "prefix"}, "tuning = 'prefix': allowed are full"),
        ({"model": "bert-tiny"}, "unknown model 'bert-tiny'"),
    ],
)
def test_an_unknown_choice_is_refused_with_the_allowed_ones(names, problem):
    with pytest.raises(BadInput, match=problem):
        recipe.read("smoke", "glue", **({"model": "tiny-bert", "schedule": "constant", "task": "rte"} | names))


def test_a_tasks_own_value_overlays_the_default(smoke_recipe):
    assert (smoke_recipe(task="rte").epochs, smoke_recipe(task="cola").epochs) == (6, 3)


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(recipe.Recipe)])
def test_every_field_of_a_recipe_is_part_of_its_digest(smoke_recipe, field):
    read = smoke_recipe()
    other = {str: "minilm", int: 99, float: 0.123}[type(getattr(read, field))]

    assert dataclasses.replace(read, **{field: other}).digest != read.digest


def test_the_scores_version_is_part_of_the_digest(smoke_recipe, monkeypatch):
    before = smoke_recipe().digest
    monkeypatch.setattr(recipe, "SCORES_VERSION", 10**6)

    assert smoke_recipe().digest != before


def test_the_pinned_revision_of_the_weights_is_part_of_the_digest(smoke_recipe, monkeypatch):
    read = smoke_recipe(model="bert-base")
    before = read.digest
    moved = dataclasses.replace(recipe.spec("bert-base"), revision="main")
    monkeypatch.setattr(recipe, "spec", lambda name: moved)

    assert read.digest != before


def test_smoke_has_epochs_that_do_not_divide_the_blocks_and_more_epochs_than_blocks(smoke_recipe):
    depths = {name: smoke_recipe(model=name).build_schedule().L for name in ("tiny-bert", "tiny-roberta")}
    epochs = {task: smoke_recipe(task=task).epochs for task in ("cola", "sst2", "rte")}

    assert depths["tiny-bert"] % epochs["cola"]
    assert epochs["rte"] > depths["tiny-bert"]
    assert max(epochs.values()) <= 6
