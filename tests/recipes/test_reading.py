"""Files of recipes and settings as they are read: what is no such file is refused with its place."""

import dataclasses

import pytest

from progbench.errors import BadInput
from progbench.recipes import reading


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
        "Editing recipes and expected values", "a recipe of a billion epochs",
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
        (
            "[tunings.lora.variants.x]\nschedules = 5",
            r"\[tunings\.lora\.variants\.x\] schedules = 5: allowed is a list",
        ),
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


def test_a_key_too_many_beside_value_and_source_is_told_with_its_place(written, reliability):
    with pytest.raises(BadInput, match=r"own/glue\.toml: .*must be written") as refused:
        written(value("epochs", "3, note = 'y'"))
    reliability(
        "Editing recipes and expected values", "a key too many beside value and source", happens=str(refused.value),
        kept="nothing was trained by this file",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["../../x", "..", ".", "a/b", "a b", "a\\n", ""])
def test_a_variant_whose_name_is_no_plain_one_is_refused(written, name, reliability):
    allowed = "a variant's name = .*: allowed is a plain name of letters, digits"
    with pytest.raises(BadInput, match=allowed) as refused:
        written(appended(f'[tunings.full.variants."{name}"]\nepochs = {{ value = 2, source = "ours" }}'))
    if name == "../../x":
        reliability(
            "Editing recipes and expected values", "a variant whose name is a path", happens=refused.value,
            kept="nothing is read of this file, and nothing is filed outside --runs",
        )  # fmt: skip


def test_threads_that_are_text_are_told_with_their_place(settings, reliability):
    with pytest.raises(BadInput) as refused:
        settings("seeds = 1\ndevice = 'cpu'\ntables = ['table1']\nthreads = '1'")
    reliability(
        "Editing recipes and expected values", "threads that are text",
        happens=str(refused.value), kept="the session does not start",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "x = " + "9" * 5000, "x = '\x00'"])
def test_toml_that_overwhelms_the_parser_is_refused_by_name(written, text):
    with pytest.raises(BadInput, match=r"own/glue\.toml: "):
        written(lambda _: text)


def test_a_whole_number_and_its_float_are_one_recipe(written, smoke_recipe):
    floating = smoke_recipe()
    whole = written(value("clip_norm", "1"))

    assert dataclasses.replace(whole, suite="smoke").digest == floating.digest


def test_toml_that_does_not_parse_is_refused_with_its_line(written):
    with pytest.raises(BadInput, match=r"glue\.toml: .*line 1"):
        written(lambda text: "[defaults\n" + text)


@pytest.mark.parametrize("field", ["model", "schedule", "task", "tuning"])
def test_a_recipe_does_not_say_what_a_tables_row_says(written, field):
    with pytest.raises(BadInput, match=f"{field} is for a table's row to say"):
        written(lambda text: text.replace("clip_norm", f"{field} = {{ value = 'x', source = 'y' }}\nclip_norm"))


def test_a_variant_with_schedules_is_one_of_these_alone():
    found = [reading.variants("mini", "glue", "full", name) for name in ("growing", "shrinking", "")]

    assert found == [["optimizer-after-freeze"], [], ["optimizer-after-freeze"]]
