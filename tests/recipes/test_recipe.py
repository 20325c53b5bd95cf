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


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Read a recipe from a suite folder of one file; `change` edits the smoke suite's text."""

    def read(change):
        folder = tmp_path / "recipes" / "own"
        folder.mkdir(parents=True)
        text = (Path(recipe.__file__).parent / "smoke" / "glue.toml").read_text()
        (folder / "glue.toml").write_text(change(text))
        monkeypatch.setattr(reading, "_folder", lambda: tmp_path / "recipes")
        return reading.read("own", "glue", model="tiny-bert", schedule="shrinking", task="sst2")

    return read


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Read the settings of a suite from a suite.toml with this text."""

    def read(text):
        (tmp_path / "own").mkdir()
        (tmp_path / "own" / "suite.toml").write_text(text)
        monkeypatch.setattr(reading, "_folder", lambda: tmp_path)
        return reading.settings("own")

    return read


@pytest.mark.parametrize("tables", ['"table1"', "[]", "[1]", '["table1", "table1"]', '["../paper/table1"]', "{}"])
def test_a_suite_lists_its_tables_by_name_and_each_once(settings, tables):
    with pytest.raises(BadInput, match=r"own/suite\.toml: tables = .*: allowed is a list of names, each once"):
        settings(f'seeds = 1\ndevice = "cpu"\ntables = {tables}')


def test_a_suite_that_lists_no_tables_is_refused(settings):
    with pytest.raises(BadInput, match=r"own/suite\.toml: no tables"):
        settings('seeds = 1\ndevice = "cpu"')


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("seeds = true", "seeds = True: allowed is a whole number from 1 to 1,000"),
        ("seeds = 0", "seeds = 0: allowed is a whole number from 1 to 1,000"),
        ("threads = '1'", "threads = '1': allowed is a whole number from 0 to 1,024"),
        ("threads = -1", "threads = -1: allowed is a whole number from 0 to 1,024"),
        ("device = 5", "device = 5: allowed is one of cpu, cuda, auto"),
        ("device = ['cpu']", r"device = \['cpu'\]: allowed is one of cpu, cuda, auto"),
        ("thread = 1", "unknown field 'thread'; known are seeds, device, tables, threads"),
    ],
)
def test_a_setting_of_another_kind_is_refused_with_its_file_and_what_is_allowed(settings, field, said):
    others = {"seeds": "1", "device": "'cpu'", "tables": "['table1']"}
    others.pop(field.split()[0], None)
    lines = [field, *(f"{name} = {one}" for name, one in others.items())]
    with pytest.raises(BadInput, match=rf"own/suite\.toml: {said}"):
        settings("\n".join(lines))


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
        ("epochs", "0", "a whole number from 1 to 1,000"),
        ("epochs", "2.5", "a whole number from 1 to 1,000"),
        ("epochs", "true", "a whole number from 1 to 1,000"),
        ("learning_rate", "0", "a number above 0"),
        ("learning_rate", "'fast'", "a number above 0"),
        ("batch_size", "-1", "a whole number from 1 to 100,000"),
        ("max_length", "4", "a whole number from 8 to 100,000"),
        ("epochs", "1000000000", "a whole number from 1 to 1,000"),
        ("learning_rate", "1" + 400 * "0", "a number above 0"),
        ("learning_rate", "0x" + 9000 * "f", "a number above 0"),
        ("learning_rate", "nan", "a number above 0"),
        ("dataset", "5", "a text that is not empty"),
        ("revision", "5", "a text"),
        ("revision", "[]", "a text"),
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


def test_a_length_the_model_cannot_read_is_refused(written):
    with pytest.raises(BadInput, match="max_length = 65: tiny-bert reads 64 tokens"):
        written(value("max_length", "65"))


def test_a_field_that_only_squad_has_is_refused_elsewhere(written):
    with pytest.raises(BadInput, match="doc_stride means nothing to the task "):
        written(lambda text: text.replace("[defaults]", '[defaults]\ndoc_stride = { value = 8, source = "ours" }'))


def test_a_task_that_lacks_its_own_fields_is_refused_by_their_names():
    with pytest.raises(BadInput, match="no value for doc_stride, n_best, max_answer_length"):
        reading.read("smoke", "glue", model="tiny-bert", schedule="constant", task="squad1")


def test_an_absent_field_is_refused_by_name(written):
    with pytest.raises(BadInput, match="no value for clip_norm"):
        written(lambda text: "\n".join(line for line in text.splitlines() if not line.startswith("clip_norm")))


def test_a_value_without_a_source_is_refused(written):
    with pytest.raises(BadInput, match="warmup must be written"):
        written(lambda text: text.replace("warmup = {", "warmup = 0.1 # {"))


def test_values_for_a_task_there_is_not_are_refused(written):
    with pytest.raises(BadInput, match=r"unknown \[tasks\.rt\]; known are cola, mnli"):
        written(lambda text: text.replace("[tasks.stsb]", "[tasks.rt]"))


def test_more_epochs_than_any_machine_holds_are_refused_before_a_stage_is_made(written, reliability):
    with pytest.raises(BadInput) as refused:
        written(value("epochs", "1000000000"))
    reliability(
        "Recipes and expected values", "a recipe of a billion epochs",
        happens=str(refused.value), kept="nothing was trained; cells of other recipes go on",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("[tasks]\nrte = 5", r"\[tasks\.rte\] = 5: allowed is a table"),
        ("[tunings]\nlora = 5", r"\[tunings\.lora\] = 5: allowed is a table"),
        ("[tunings.lora]\ntasks = [1]", r"\[tunings\.lora\.tasks\] = \[1\]: allowed is a table"),
        ("[tunings.lora.tasks]\nrte = 5", r"\[tunings\.lora\.tasks\.rte\] = 5: allowed is a table"),
        ("[tunings.lora]\nvariants = 5", r"\[tunings\.lora\.variants\] = 5: allowed is a table"),
        ("[tunings.lora.variants]\nx = 5", r"\[tunings\.lora\.variants\.x\] = 5: allowed is a table"),
        ("[tunings.lora.variants.x.tasks.rt]", r"unknown \[tunings\.lora\.variants\.x\.tasks\.rt\]; known are cola"),
        ("[tunings.lora.variants.x]\nvariants = {}", r"\[tunings\.lora\.variants\.x\] variants must be written"),
        ("[tunings.loar]", r"unknown \[tunings\.loar\]; known are full"),
        ("[tasks.rte]\nepochs = { value = 3, source = 'x', note = 'y' }", r"\[tasks\.rte\] epochs must be written"),
        ("[tasks.rte]\nepochs = { value = 3, source = 5 }", r"\[tasks\.rte\] epochs must be written"),
        ("[tasks.rte]\nepochs = { value = 3, source = ' ' }", r"\[tasks\.rte\] epochs must be written"),
        ("[tasks.rte]\nepochs = [3, 'x']", r"\[tasks\.rte\] epochs must be written"),
        ("[task.rte]", r"unknown \[task\]; known are \[defaults\]"),
        ("tasks = 5", r"\[defaults\] tasks must be written"),
    ],
)
def test_a_file_of_another_shape_is_refused_whichever_recipe_is_read(written, lines, said):
    def change(text):
        return text.partition("[tasks.")[0] + lines

    with pytest.raises(BadInput, match=r"own/glue\.toml: " + said):
        written(change)


def appended(lines):
    return lambda text: text.partition("[tasks.")[0] + lines


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        ("a task's table that is a number", appended("[tasks]\nrte = 5")),
        ("a dataset that is a number", value("dataset", "5")),
        ("a key too many beside value and source", value("epochs", "3, note = 'y'")),
    ],
)
def test_what_a_recipe_file_must_not_say_is_told_with_its_place(written, reliability, fault, change):
    with pytest.raises(BadInput, match=r"own/glue\.toml: .*(allowed is|must be written)") as refused:
        written(change)
    reliability(
        "Recipes and expected values", fault, happens=str(refused.value), kept="nothing was trained by this file"
    )


@pytest.mark.parametrize("name", ["../../x", "..", ".", "a/b", "a b", "a\\n", ""])
def test_a_variant_whose_name_is_no_plain_one_is_refused(written, name):
    with pytest.raises(BadInput, match=r"a variant's name = .*: allowed is a plain name of letters, digits"):
        written(appended(f'[tunings.full.variants."{name}"]\nepochs = {{ value = 2, source = "ours" }}'))


def test_a_variant_whose_name_is_a_path_is_told_with_its_place(written, reliability):
    with pytest.raises(BadInput) as refused:
        written(appended('[tunings.full.variants."../../x"]\nepochs = { value = 2, source = "ours" }'))
    reliability(
        "Recipes and expected values", "a variant whose name is a path", happens=refused.value,
        kept="nothing is read of this file, and nothing is filed outside --runs",
    )  # fmt: skip


def test_threads_that_are_text_are_told_with_their_place(settings, reliability):
    with pytest.raises(BadInput) as refused:
        settings("seeds = 1\ndevice = 'cpu'\ntables = ['table1']\nthreads = '1'")
    reliability(
        "Recipes and expected values", "threads that are text",
        happens=str(refused.value), kept="the session does not start",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "new", "said"),
    [
        ("lora_targets", 5, "lora_targets = 5: allowed is a list of texts, each once"),
        ("lora_targets", "query", "lora_targets = 'query': allowed is a list of texts, each once"),
        ("lora_targets", [["query"]], r"lora_targets = \[\['query'\]\]: allowed is a list of texts, each once"),
        ("lora_alpha", "8", "lora_alpha = '8': allowed is a number above 0"),
        ("lora_alpha", float("nan"), "lora_alpha = nan: allowed is a number above 0"),
        ("lora_rank", 10**9, "lora_rank = 1000000000: allowed is a whole number from 1 to 100,000"),
        ("prefix_cache", 1, "prefix_cache = 1: allowed is true or false"),
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


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "x = " + "9" * 5000, "x = '\x00'"])
def test_toml_that_overwhelms_the_parser_is_refused_by_name(written, text):
    with pytest.raises(BadInput, match=r"own/glue\.toml: "):
        written(lambda _: text)


def test_a_model_by_its_name_on_the_hub_is_refused_as_it_is_no_name_for_a_folder():
    with pytest.raises(BadInput, match="unknown model 'google-bert/bert-base-uncased': known are bert-base"):
        reading.read("paper", "glue", model="google-bert/bert-base-uncased", schedule="constant", task="rte")


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


@pytest.mark.parametrize("field", ["model", "schedule", "task", "tuning"])
def test_a_recipe_does_not_say_what_a_tables_row_says(written, field):
    with pytest.raises(BadInput, match=f"{field} is for a table's row to say"):
        written(lambda text: text.replace("clip_norm", f"{field} = {{ value = 'x', source = 'y' }}\nclip_norm"))
