"""The examples of docs/extending.md, followed in a copy of the project: what they say of it is so."""

import doctest
import os
import re
import shutil
import subprocess
import sys

import pages
import pytest
from pages import ROOT

PAGE = pages.read("docs/extending.md")
# a block of code, and the path of the file it is for, where the words before it name one
STEP = re.compile(
    r"(?:(?P<verb>Add\s+to|Write|Rewrite)\s+(?:the\s+dict\s+`(?P<dict>\w+)`\s+in\s+)?`(?P<path>[^`]+)`:\n\n)?"
    r"^```(?P<language>\w+)\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


class Copy:
    """A copy of the project, in which a reader of the page works."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("progbench", "benchmarks", "expected"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)

    def follow(self, title, *, snippets=True):
        """Do what a section says, step by step; returns what its commands printed."""
        printed = []
        for step in STEP.finditer(pages.section(PAGE, title)):
            if step["path"]:
                self._write(self.folder / step["path"], step["text"], step["verb"], step["dict"])
            elif step["language"] == "python" and snippets:
                (self.folder / "snippet.txt").write_text(step["text"], encoding="utf-8")
                self.run("python", "-m", "doctest", "snippet.txt")
            elif step["language"] == "sh":
                printed += [self.run(*line.split()) for line in step["text"].splitlines()]
        return printed

    def _write(self, path, text, verb, dictionary):
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if dictionary:
            opening = re.search(rf"^{dictionary}\b.*= {{\n", before, re.MULTILINE).group()
            after = before.replace(opening, opening + text)
        else:
            assert path.exists() is (verb != "Write"), f"{path}: {verb}"
            after = f"{before}\n{text}" if verb.startswith("Add") and before else text
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(after, encoding="utf-8")

    def run(self, program, *arguments, rc=0):
        """Run one of the page's commands in the copy; returns what it printed."""
        ours = {"python": [sys.executable], "pytest": [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]}
        done = subprocess.run(
            [*ours.get(program, [program]), *arguments], cwd=self.folder, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(self.folder)},
        )  # fmt: skip
        assert done.returncode == rc, done.stdout + done.stderr
        return done.stdout

    def python(self, code):
        return self.run("python", "-c", code).strip()


def examples(title):
    """The examples of a section's snippets, each with what it must print."""
    return [
        one
        for text in pages.blocks(pages.section(PAGE, title), "python")
        for one in doctest.DocTestParser().get_examples(text)
    ]


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path / "progbench-copy")


def test_the_model_is_counted_as_its_publishers_count_it(copy):
    copy.follow("A model")
    whole, block = 82_119_938, 7_087_872  # with a classifier of two labels; a block of BERT-base's size
    counts = [3 * whole, 3 * whole - (2 + 4) * block]

    assert [int(one.want) for one in examples("A model") if one.want] == counts


def test_the_models_weights_may_lie_in_a_folder_of_its_name_on_the_hub(copy):
    copy.follow("A model", snippets=False)
    (copy.folder / "weights" / "distilroberta-base").mkdir(parents=True)
    (copy.folder / "weights" / "distilroberta-base" / "config.json").touch()
    code = "import os; os.environ['PROGBENCH_MODELS'] = 'weights'; from progbench.models import loading, spec; "

    assert copy.python(code + "print(loading.fetch(spec.spec('distilroberta')))") == "weights/distilroberta-base"


def test_the_task_is_read_from_the_files_that_the_page_shows(copy):
    copy.follow("A task")
    code = (
        "from progbench.tasks import glue; import pathlib; t = glue.glue_tasks()['weather']; print(glue.read_folder(t, "
    )
    code += "pathlib.Path('data')).evaluate['weather'].texts)"

    assert copy.python(code) == "(['showers all day'],)"


GENERATE = (
    "from progbench.tasks.catalog import load, tasks, Source; print(len(load(tasks()['weather'], Source('toy')).train))"
)


def test_the_tasks_line_of_code_makes_the_smoke_suites_files(copy):
    copy.follow("A task", snippets=False)

    assert copy.python(GENERATE) == "400"


def test_without_that_line_the_smoke_suites_files_cannot_be_written(copy):
    copy.follow("A task", snippets=False)
    shutil.copy(ROOT / "progbench" / "tasks" / "toy.py", copy.folder / "progbench" / "tasks")

    with pytest.raises(AssertionError, match="KeyError: 'weather'"):
        copy.python(GENERATE)


def test_a_regression_on_two_texts_needs_no_line_of_code(copy):
    copy.follow("A task", snippets=False)
    shutil.copy(ROOT / "progbench" / "tasks" / "toy.py", copy.folder / "progbench" / "tasks")
    path = copy.folder / "progbench" / "tasks" / "glue.toml"
    text = path.read_text(encoding="utf-8").replace('labels = ["dry", "wet"]', "labels = []")
    path.write_text(text.replace('text = ["report"]', 'text = ["day", "report"]'), encoding="utf-8")

    assert copy.python(GENERATE) == "400"


DIGEST = (
    "from progbench.recipes import reading; "
    "one = reading.read('own', '{}', model='tiny-bert', schedule='shrinking', task='rte'); print(one.id, one.digest)"
)


def test_the_recipe_is_read_and_its_id_and_digest_name_the_folder_of_its_results(copy):
    copy.follow("A recipe")
    name, digest = copy.python(DIGEST.format("glue")).split()

    assert name == "tiny-bert-shrinking-rte"
    assert re.fullmatch("[0-9a-f]{8}", digest)


def test_a_source_is_not_part_of_the_digest_and_a_value_is(copy):
    copy.follow("A recipe", snippets=False)
    path = copy.folder / "progbench" / "recipes" / "own" / "glue.toml"
    text, before = path.read_text(encoding="utf-8"), copy.python(DIGEST.format("glue"))
    path.write_text(text.replace("as the smoke suite", "from elsewhere"), encoding="utf-8")
    other_source = copy.python(DIGEST.format("glue"))
    path.write_text(text.replace("value = 2e-3", "value = 1e-3"), encoding="utf-8")
    other_value = copy.python(DIGEST.format("glue"))

    assert other_source == before
    assert other_value.split()[0] == before.split()[0]
    assert other_value != before


def test_a_recipes_id_does_not_name_its_file(copy):
    copy.follow("A recipe", snippets=False)
    folder = copy.folder / "progbench" / "recipes" / "own"
    text = (folder / "glue.toml").read_text(encoding="utf-8")
    (folder / "other.toml").write_text(text.replace("value = 2e-3", "value = 1e-3"), encoding="utf-8")
    one, other = (copy.python(DIGEST.format(file)).split() for file in ("glue", "other"))

    assert one[0] == other[0]
    assert one[1] != other[1]


def test_the_variant_is_listed_and_read(copy):
    copy.follow("A recipe", snippets=False)
    copy.follow("A variant")


@pytest.fixture(scope="module")
def with_table(tmp_path_factory):
    """A copy with the suite `own` and its table, and what the page's commands printed."""
    made = Copy(tmp_path_factory.mktemp("own") / "progbench-copy")
    made.follow("A recipe", snippets=False)
    return made, made.follow("A table")


def test_the_tables_counts_are_collected_and_judged(with_table):
    first, _, second = with_table[1]
    embeddings_and_head, block = 20_736 + 4_290, 33_472  # as expected/smoke/figure4.toml works them out
    constant, shrinking = (2 * embeddings_and_head + blocks * block for blocks in (4 + 4, 4 + 2))

    for printed in (first, second):
        assert "2 of 2 judged: 2 consistent" in printed
        assert re.search(rf"tiny-bert-constant-updated +{constant:,} +{constant:,} .* consistent", printed)
        assert re.search(rf"tiny-bert-shrinking-updated +{shrinking:,} +{shrinking:,} .* consistent", printed)


def test_there_is_a_test_for_each_of_the_tables_four_cells(with_table):
    listed = with_table[0].run("pytest", "benchmarks", "-m", "glue", "--suite", "own", "--collect-only", "-q")

    assert [line.partition("[")[2] for line in listed.splitlines() if "test_table1[" in line] == [
        "tiny-bert-constant-rte]",
        "tiny-bert-constant-updated]",
        "tiny-bert-shrinking-rte]",
        "tiny-bert-shrinking-updated]",
    ]


def test_a_table_that_a_suite_does_not_list_is_left_out_of_its_session_which_says_so(with_table):
    printed = with_table[0].run("pytest", "benchmarks/test_table6_own.py", "--suite", "mini", rc=5)

    assert "not in the suite mini: table6" in printed
    assert "1 deselected" in printed


def test_a_session_of_a_whole_suite_has_tests_for_its_own_tables_alone(with_table):
    listed = with_table[0].run("pytest", "benchmarks", "--suite", "own", "--collect-only", "-q")

    assert {line.partition("[")[0].partition("::")[2] for line in listed.splitlines() if "::" in line} == {
        "test_table1", "test_table6",
    }  # fmt: skip


def test_a_listed_table_whose_file_is_gone_fails_its_test_also_among_the_counts(with_table):
    path = with_table[0].folder / "expected" / "own" / "table6.toml"
    text = path.read_text(encoding="utf-8")
    path.unlink()
    printed = with_table[0].run("pytest", "benchmarks", "-m", "params", "--suite", "own", rc=1)
    path.write_text(text, encoding="utf-8")

    assert "1 failed, 2 passed" in printed
    assert "expected/own/table6.toml is gone, and suite.toml lists it" in " ".join(printed.split())


def test_none_of_what_the_examples_add_is_in_the_project_yet():
    named = [step["path"] for step in STEP.finditer(PAGE) if step["verb"] == "Write"]
    added = ["progbench/models/models.toml", "progbench/tasks/glue.toml"]

    assert len(named) == 6
    assert [path for path in named if (ROOT / path).exists()] == []
    assert [path for path in added if re.search(r"^\[(distilroberta|weather)\]", pages.read(path), re.MULTILINE)] == []
