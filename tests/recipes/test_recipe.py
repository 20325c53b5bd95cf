"""Recipes: their values, their variants, and the digest that tells them apart."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

from progbench import files
from progbench.errors import BadInput
from progbench.recipes import allowed, reading, recipe

FILES = sorted(Path(recipe.__file__).parent.glob("*/*.toml"))


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


@pytest.mark.parametrize(
    ("field", "new", "said"),
    [
        ("lora_targets", 5, "lora_targets = 5: allowed is a list of texts, each once"),
        ("lora_targets", "query", "lora_targets = 'query': allowed is a list of texts, each once"),
        ("lora_targets", [["query"]], r"lora_targets = \[\['query'\]\]: allowed is a list of texts, each once"),
        ("lora_alpha", "8", "lora_alpha = '8': allowed is a number above 0"),
        ("lora_alpha", float("nan"), "lora_alpha = nan: allowed is a number above 0"),
        ("lora_rank", 10**9, "lora_rank = 1000000000: allowed is a whole number from 1 to 100,000"),
        ("precision", [], r"precision = \[\]: allowed is one of fp32, tf32, bf16"),
        ("decay", {}, r"decay = \{\}: allowed is one of linear, constant"),
    ],
)
def test_an_option_of_another_kind_is_refused(field, new, said):
    with pytest.raises(BadInput, match=f"^a file: {said}"):
        allowed.require(dataclasses.replace(peft("lora"), **{field: new}), "a file")


def test_an_answer_longer_than_a_text_is_refused():
    with pytest.raises(BadInput, match="max_answer_length = 385: allowed is at most max_length"):
        allowed.require(dataclasses.replace(squad(), max_answer_length=385), "a file")


def test_every_recipe_is_one_that_a_result_may_have():
    for one in (squad(), squad(task="squad2"), peft("lora"), peft("adapter"), peft("bitfit")):
        allowed.require(one, "a file")


def test_a_model_by_its_name_on_the_hub_is_refused_as_it_is_no_name_for_a_folder():
    with pytest.raises(BadInput, match="unknown model 'google-bert/bert-base-uncased': known are bert-base"):
        reading.read("paper", "glue", model="google-bert/bert-base-uncased", schedule="constant", task="rte")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (
            {"schedule": "melting"},
            "unknown schedule 'melting': known are constant, shrinking, without_low_blocks, growing, single",
        ),
        ({"task": "wnli"}, "task = 'wnli': allowed is one of cola, mnli"),
        ({"tuning": "prefix"}, "tuning = 'prefix': allowed is one of full, adapter, bitfit, lora"),
        ({"model": "bert-tiny"}, "unknown model 'bert-tiny'"),
    ],
)
def test_an_unknown_choice_is_refused_with_the_allowed_ones(names, problem):
    with pytest.raises(BadInput, match=problem):
        reading.read("smoke", "glue", **({"model": "tiny-bert", "schedule": "constant", "task": "rte"} | names))


def test_a_tasks_own_value_overlays_the_default(smoke_recipe):
    assert (smoke_recipe(task="qnli").epochs, smoke_recipe(task="cola").epochs) == (6, 3)


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(recipe.Recipe) if f.name != "variant"])
def test_every_field_of_a_recipe_is_part_of_its_digest(smoke_recipe, field):
    read = smoke_recipe()
    other = {str: "minilm", int: 99, float: 0.123, type(None): 99, bool: True}[type(getattr(read, field))]

    assert dataclasses.replace(read, **{field: other}).digest != read.digest


def test_a_variants_name_alone_is_no_other_question(smoke_recipe):
    assert smoke_recipe(variant="renamed").digest == smoke_recipe().digest
    assert smoke_recipe(variant="renamed").id == "tiny-bert-shrinking-sst2~renamed"


def test_a_field_added_since_leaves_older_digests_valid(monkeypatch):
    # minilm-constant-stsb as it was filed, at SCORES_VERSION 1, before decay, variants, the options of tunings and of
    # SQuAD were fields, and before models said what they have seen
    monkeypatch.setattr(recipe, "SCORES_VERSION", 1)
    assert reading.read("mini", "glue", model="minilm", schedule="constant", task="stsb").digest == "b53c460d"


def squad(**names):
    return reading.read("paper", "squad", **{"model": "bert-base", "schedule": "shrinking", "task": "squad1"} | names)


def test_squad_is_trained_for_three_epochs_and_two():
    assert (squad().epochs, squad(task="squad2").epochs) == (3, 2)


def test_only_v2_weighs_no_answer_against_the_best_span():
    assert (squad().null_threshold, squad(task="squad2").null_threshold) == (None, 0.0)


def test_berts_own_papers_settings_are_a_variant_of_both():
    tried = [squad(task=task, variant="bert-paper") for task in ("squad1", "squad2")]

    assert [(one.learning_rate, one.batch_size) for one in tried] == [(5e-5, 32), (5e-5, 48)]


def test_table_2s_counts_follow_from_its_recipes():
    # E = 23,837,184, B = 7,087,872, H = 1,538: T (E + H) + (12 + 8 + 4) B, and (12 + 6) B
    assert squad().planned() == 3 * 23_838_722 + 24 * 7_087_872
    assert squad(task="squad2").planned() == 2 * 23_838_722 + 18 * 7_087_872


def peft(tuning, task="rte", suite="paper", **names):
    model = "roberta-base" if tuning == "lora" else "bert-base"
    return reading.read(suite, "peft", model=model, schedule="shrinking", task=task, tuning=tuning, **names)


def test_a_tunings_own_values_overlay_the_defaults_and_its_tasks_those():
    assert (peft("lora").warmup, peft("bitfit").warmup) == (0.06, 0.0)
    assert (peft("lora", "rte").epochs, peft("lora", "mnli").epochs) == (80, 30)


def test_a_variant_departs_in_what_it_names_and_in_nothing_else():
    primary, variant = peft("lora"), peft("lora", variant="alpha-16")

    assert (primary.lora_alpha, variant.lora_alpha) == (8.0, 16.0)
    assert dataclasses.replace(variant, lora_alpha=8.0, variant="") == primary


def test_a_variant_may_name_another_model():
    assert peft("lora", variant="bert-base").model == "bert-base"


def test_a_variants_tasks_overlay_its_own_values():
    assert [peft("adapter", task, variant="epochs-8-10").epochs for task in ("rte", "mnli")] == [8, 10]


def test_an_unknown_variant_is_refused_with_the_known_ones():
    with pytest.raises(BadInput, match=r"no \[tunings\.lora\.variants\.alpha\]; there are alpha-16, bert-base"):
        peft("lora", variant="alpha")


def test_an_option_of_another_tuning_is_refused(written):
    with pytest.raises(BadInput, match=r"lora_rank is no option of the tuning full"):
        written(lambda text: text.replace("clip_norm", "lora_rank = { value = 8, source = 'x' }\nclip_norm"))


def test_a_lora_target_the_model_has_not_is_refused_when_the_recipe_is_read(monkeypatch):
    content = files.read_toml(reading._folder() / "paper" / "peft.toml")
    content["tunings"]["lora"]["lora_targets"]["value"] = ["q_proj"]
    monkeypatch.setattr(reading, "read_toml", lambda path: content)
    try:
        with pytest.raises(BadInput, match=r"'q_proj' matches nothing in roberta-base, which has query, key, value"):
            peft("lora")
    finally:
        content["tunings"]["lora"]["lora_targets"]["value"] = ["query", "value"]


@pytest.mark.parametrize("suite", reading.suites())
@pytest.mark.parametrize("tuning", ["adapter", "bitfit", "lora"])
def test_each_suite_has_a_recipe_for_each_tuning_and_its_variants(suite, tuning):
    for variant in ("", *reading.variants(suite, "peft", tuning)):
        wanted = reading.read(
            suite, "peft", model="bert-base", schedule="constant", task="rte", tuning=tuning, variant=variant
        )
        assert (wanted.tuning, wanted.variant) == (tuning, variant)


def test_the_scores_version_is_part_of_the_digest(smoke_recipe, monkeypatch):
    before = smoke_recipe().digest
    monkeypatch.setattr(recipe, "SCORES_VERSION", 10**6)

    assert smoke_recipe().digest != before


def test_the_pinned_revision_of_the_weights_is_part_of_the_digest(smoke_recipe, monkeypatch):
    read = smoke_recipe(model="bert-base")
    before = read.digest
    moved = dataclasses.replace(recipe.spec("bert-base"), revision="main")
    monkeypatch.setattr(recipe, "spec", lambda name: moved)

    assert dataclasses.replace(read).digest != before


def test_smoke_has_epochs_that_do_not_divide_the_blocks_and_more_epochs_than_blocks(smoke_recipe):
    depths = {name: smoke_recipe(model=name).build_schedule().L for name in ("tiny-bert", "tiny-roberta")}
    epochs = {task: smoke_recipe(task=task).epochs for task in ("cola", "sst2", "qnli")}

    assert depths["tiny-bert"] % epochs["cola"]
    assert epochs["qnli"] > depths["tiny-bert"]
    assert max(epochs.values()) <= 6
