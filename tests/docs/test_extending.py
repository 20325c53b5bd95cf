"""The examples of docs/extending.md, followed in an empty folder by somebody who installed the wheel."""

import re
import shutil

import pages
import pytest

from progbench import files, places
from progbench.errors import BadInput
from progbench.method.counting import updated_parameters
from progbench.method.schedule import constant, shrinking
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.session import marks, own_model
from progbench.session.suite import Suite
from progbench.tasks import catalog

PAGE = pages.read("docs/extending.md")
# a block of code, and the path of the file it is for, where the words before it name one
STEP = re.compile(
    r"(?:Write\s+`(?P<path>[^`]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL
)


def write(folder):
    """Write the page's files below a folder; returns them by path."""
    written = {step["path"]: step["text"] for step in STEP.finditer(PAGE) if step["path"]}
    for path, text in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return written


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The page's folder, included."""
    write(tmp_path)
    monkeypatch.setenv(places.VARIABLE, str(tmp_path / "own"))
    files.read_toml.cache_clear()
    places.forget()
    yield tmp_path / "own"
    files.read_toml.cache_clear()
    places.forget()


def suite(own, tmp_path, name):
    return Suite(name, reading.home(name, places.root()) / "expected", tmp_path / "runs", train=False)


@pytest.fixture(scope="module")
def followed(installed):
    """What the page's commands print, by the command; each section's files are there, and nothing else."""
    person = installed("followed")
    write(person.here)
    commands = [line for text in pages.blocks(PAGE, "sh") for line in text.splitlines()]
    return {line: person(*line.split()) for line in commands}


def test_the_model_is_counted_as_its_publishers_count_it(followed):
    (said,) = [printed for line, printed in followed.items() if " params " in line]
    whole, block = 82_119_938, 7_087_872  # with a classifier of two labels; a block of BERT-base's size

    assert f"{3 * whole - (2 + 4) * block:,}" in said


def test_the_suites_counts_are_judged_and_its_scores_trained(followed):
    (said,) = [printed for line, printed in followed.items() if line.endswith("--report out")]

    assert "Does it rain?, 2 seeds" in said
    assert "2 of 4 judged: 2 consistent" in said
    assert "4 of 4 tiny-bert-shrinking-weather seed 1: " in said
    assert re.search(r"tiny-bert-shrinking-updated +434,824 +434,824 ", said)


def test_the_paper_of_the_suite_stands_in_its_report_from_the_results_too(followed):
    assert followed["progbench --include own report runs"].startswith("Does it rain?, 2 seeds\n")


def test_another_papers_table_is_a_session_with_its_title_its_id_and_its_seeds(followed):
    said = followed["progbench reproduce --include own --suite lora --no-train"]

    assert "LoRA: Low-Rank Adaptation of Large Language Models (arXiv 2106.09685), 5 seeds" in said
    assert "10 skipped" in said


def test_a_model_a_task_and_another_papers_table_are_as_few_lines_of_data_as_were_asked_for(tmp_path):
    lines = {path: [one for one in text.splitlines() if one] for path, text in write(tmp_path).items()}
    paper = sum(len(found) for path, found in lines.items() if "/lora/" in path)

    assert len(lines["own/models.toml"]) <= 8
    assert len(lines["own/tasks.toml"]) <= 15
    assert 0 < paper <= 60
    assert not [path for path in lines if path.endswith((".py", "SHA256SUMS"))]


def test_the_hand_counts_are_those_of_the_closed_form(own):
    assert updated_parameters("distilroberta", constant(L=6, T=3)) == 246_359_814
    assert updated_parameters("distilroberta-base", shrinking(L=6, T=3)) == 203_832_582


@pytest.mark.parametrize("other", ["minilm", "bert-base", "tiny-bert"])
def test_what_a_model_is_like_lends_its_sizes_and_not_its_weights(own, other):
    (own / "models.toml").write_text(f"[mine]\nlike = '{other}'\nblocks = 2\nsource = 'x'\n", encoding="utf-8")
    found = spec("mine")

    assert (found.blocks, found.hidden) == (2, spec(other).hidden)
    assert (found.hub, found.revision, found.package, found.folder, found.random) == ("", "", "", "", False)


def test_the_model_is_one_that_compare_knows_by_its_name(own):
    assert own_model.describe("distilroberta").name == "distilroberta"


def test_the_task_is_read_from_files_beside_its_entry(own):
    task = catalog.tasks()["weather"]
    data = catalog.load(task, reading.read(
        "forecast", "reports", model="tiny-bert", schedule="constant", task="weather"
    ).data_source)  # fmt: skip

    assert data.train.texts[0][2] == '"warm" said the fox'
    assert (data.train.labels, data.evaluate["weather"].labels) == ([0, 1, 0, 1], [1, 0])


def test_without_its_files_the_task_is_missing_and_says_where_they_were_looked_for(own):
    shutil.rmtree(own / "data")
    task = catalog.tasks()["weather"]
    source = reading.read("forecast", "reports", model="tiny-bert", schedule="constant", task="weather").data_source

    with pytest.raises(catalog.Missing, match=f"no data of weather: its files are neither in {own}"):
        catalog.require(task, source)


@pytest.mark.parametrize(("ending", "content"), [
    ("csv", 'report,label\n"cold, ""grim""\nand wet",wet\nwarm,dry\n'),
    ("jsonl", '{"report": "cold, \\"grim\\"\\nand wet", "label": "wet"}\n{"report": "warm", "label": "dry"}\n'),
])  # fmt: skip
def test_a_tasks_file_is_read_by_its_ending(own, ending, content):
    (own / f"data/train.{ending}").write_text(content, encoding="utf-8")
    text = (own / "tasks.toml").read_text(encoding="utf-8").replace("data/train.tsv", f"data/train.{ending}")
    (own / "tasks.toml").write_text(text, encoding="utf-8")
    task = catalog.tasks()["weather"]

    assert task.read(own, None).train.texts == (['cold, "grim"\nand wet', "warm"],)
    assert task.read(own, None).train.labels == [1, 0]


def recipe(**changes):
    return reading.read("forecast", "reports", model="tiny-bert", schedule="shrinking", task="weather", **changes)


def test_a_recipe_inherits_what_it_does_not_say(own):
    smoke = reading.read("smoke", "glue", model="tiny-bert", schedule="shrinking", task="sst2")

    assert recipe().learning_rate == smoke.learning_rate
    assert (recipe().epochs, recipe(variant="longer").epochs) == (4, 6)
    assert recipe(variant="longer").id == "tiny-bert-shrinking-weather~longer"


def test_of_a_table_that_it_says_a_part_of_a_recipe_inherits_the_rest(own):
    text = "inherits = 'smoke/glue'\n[defaults]\nepochs = { value = 3, source = 'ours' }\n"
    (own / "recipes" / "forecast" / "reports.toml").write_text(text, encoding="utf-8")
    smoke = reading.read("smoke", "glue", model="tiny-bert", schedule="shrinking", task="rte")

    assert (recipe().epochs, recipe().batch_size) == (3, smoke.batch_size)


def test_a_source_is_not_part_of_the_digest_and_a_value_is(own):
    path = own / "recipes" / "forecast" / "reports.toml"
    text, before = path.read_text(encoding="utf-8"), recipe().digest
    digests = []
    for old, new in (("ours: one block", "theirs: one block"), ("value = 4", "value = 5")):
        path.write_text(text.replace(old, new), encoding="utf-8")
        files.read_toml.cache_clear()
        digests.append(recipe().digest)

    assert digests[0] == before
    assert digests[1] != before


@pytest.mark.parametrize(("inherits", "problem"), [
    ("forecast/reports", "a file cannot inherit from itself"),
    ("paper", "allowed is a suite and a recipe file of it"),
    ("paper/none", "none.toml: cannot be read"),
])  # fmt: skip
def test_a_file_that_inherits_what_it_cannot_is_refused(own, inherits, problem):
    path = own / "recipes" / "forecast" / "reports.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("smoke/glue", inherits), encoding="utf-8")

    with pytest.raises(BadInput, match=problem):
        recipe()


def test_the_tables_of_a_suite_that_have_other_names_are_tested_by_one_test(own, tmp_path):
    folder = own / "expected" / "forecast"
    (folder / "table1.toml").rename(folder / "rain.toml")
    path = own / "recipes" / "forecast" / "suite.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("table1", "rain"), encoding="utf-8")
    found = suite(own, tmp_path, "forecast")

    assert marks.own(found) == ["rain"]
    assert len(marks.asked(found, "own")) == 2


def test_a_listed_table_that_is_not_there_is_an_error(own, tmp_path):
    (own / "expected" / "forecast" / "table1.toml").unlink()

    assert "table1.toml is gone, and suite.toml lists it" in suite(own, tmp_path, "forecast").table("table1").problem


def test_checksums_are_asked_for_only_where_the_suite_says_so(own, tmp_path):
    path = own / "recipes" / "lora" / "suite.toml"
    before = suite(own, tmp_path, "lora").table("table1").cells[0].problem
    path.write_text(path.read_text(encoding="utf-8") + "checksums = true\n", encoding="utf-8")
    files.read_toml.cache_clear()

    assert before == ""
    assert "SHA256SUMS is missing" in suite(own, tmp_path, "lora").table("table1").cells[0].problem


@pytest.mark.parametrize(("file", "text", "problem"), [
    ("models.toml", "[bert-base]\nlike = 'bert-base'\nsource = 'x'\n", "there is a model of this name already"),
    ("models.toml", "[mine]\nlike = 'bort'\nsource = 'x'\n", "like = 'bort': allowed is one of"),
    ("tasks.toml", "[rte]\ntext = ['a']\nlabel = 'b'\nlabels = []\nmetrics = ['pearson']\ntrain = 'x'\n"
                   "evaluate = { own = ['y', ''] }\n", "there is a task, or an evaluation set, called 'rte' already"),
    ("tasks.toml", "[mine]\ntext = ['a']\nlabel = 'b'\nlabels = []\nmetrics = ['pearson']\ntrain = 'x'\n"
                   "evaluate = { rte = ['y', ''] }\n", "called 'rte' already"),
])  # fmt: skip
def test_a_name_that_is_taken_or_not_there_is_refused(own, file, text, problem):
    (own / file).write_text(text, encoding="utf-8")

    with pytest.raises(BadInput, match=problem):
        (spec if file == "models.toml" else catalog.task_of)("mine")


def test_a_suite_of_a_name_that_is_taken_is_refused(own):
    (own / "recipes" / "forecast").rename(own / "recipes" / "smoke")

    with pytest.raises(BadInput, match="two folders have a suite 'smoke'"):
        reading.suites()


def test_an_included_folder_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv(places.VARIABLE, "/no/such/folder")

    with pytest.raises(BadInput, match="names /no/such/folder, which is not a folder"):
        reading.suites()
