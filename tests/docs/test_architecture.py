"""What docs/architecture.md says is so: the tree, the import rules, the way of a cell, and the rule of Eq. 2."""

import ast
import doctest
import os
import re
import tomllib
from pathlib import Path

import pages
import pytest
from pages import ROOT

from progbench.session.suite import Suite

PAGE = pages.read("docs/architecture.md")
TREE = pages.block(PAGE, "text", "progbench/\n")
WAY = pages.block(PAGE, "text", "pytest benchmarks")
IMPORTS = pages.read("tests/test_imports.py")
RULES = pages.table(PAGE, "rule")
CONTRACTS = tomllib.loads(pages.read("pyproject.toml"))["tool"]["importlinter"]["contracts"]


def entries():
    """Every line of the tree: its path, and what it says of it."""
    folders = []
    for line in TREE.splitlines():
        indent, name, words = re.fullmatch(r"( *)(\S+)(?: +(.*))?", line).groups()
        folders = [*folders[: len(indent) // 2], name.rstrip("/")]
        yield "/".join(folders), words or ""


def listed(folder):
    return sorted(path for path, _ in entries() if path.startswith(f"{folder}/"))


def on_disk(folder):
    """Its Python and TOML files, and the folders of wings and suites, which stand for what is alike in each."""
    files = [path for path in (ROOT / folder).rglob("*.*") if path.suffix in (".py", ".toml") and path.parent != ROOT]
    wings = {path.parent for path in files if path.name == "__init__.py" and path.parent != ROOT / folder}
    suites = {path.parent for path in files if path.parent.parent.name == "recipes"}
    kept = {
        path
        for path in files
        if path.parent not in suites and not (path.name == "__init__.py" and path.parent in wings)
    }
    return {str(path.relative_to(ROOT)) for path in kept | wings | suites}


def test_the_tree_names_every_module_of_the_package_and_nothing_else():
    assert listed("progbench") == sorted(on_disk("progbench") | {"progbench/report/templates"})


def test_the_tree_names_every_file_of_the_benchmarks_and_nothing_else():
    assert listed("benchmarks") == sorted(on_disk("benchmarks") | {"benchmarks/measured"})


def test_the_tree_names_every_document_and_nothing_else():
    assert listed("docs") == sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").iterdir())


def test_the_tests_have_a_folder_for_each_wing_for_the_documents_and_for_the_benchmarks():
    wings = {path.parent.name for path in (ROOT / "progbench").glob("*/__init__.py")}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}

    assert dict(entries())["tests"].endswith("a folder for each wing, for docs/ and for benchmarks/")
    assert folders == {*wings, "docs", "benchmarks"}


def test_everything_in_the_tree_exists_and_has_its_line():
    assert [path for path, _ in entries() if not (ROOT / path).exists()] == []
    assert [path for path, words in entries() if not words and path not in ("docs", "progbench", "benchmarks")] == []


def test_every_tox_environment_of_the_tree_exists_and_none_is_left_out():
    named = dict(entries())["tox.ini"].split(" · ")

    assert named == re.findall(r"^\[testenv:([\w-]+)\]", pages.read("tox.ini"), re.MULTILINE)


@pytest.mark.parametrize("name", ["glue", "squad", "params", "peft", "ablation", "figures", "claims", "speed"])
def test_the_tree_gives_each_mark_to_the_files_that_have_it(name):
    counted = {"test_table3_updated_params.py", "test_figure4_updated_params.py"}  # marked cell by cell
    files = {Path(path).name for path, words in entries() if re.search(rf"-m {name}\b", words)}
    marked = {path.name for path in (ROOT / "benchmarks").glob("test_*.py") if f"mark.{name}\n" in path.read_text()}

    assert files == (counted if name == "params" else marked)


def test_the_house_is_the_one_that_is_enforced():
    rows = [row.replace(" | ", " ") for row in CONTRACTS[0]["layers"]]

    assert pages.block(PAGE, "text", "judging training").split("\n") == [*rows, ""]


def test_every_import_rule_is_on_the_page_beside_the_test_that_enforces_it():
    tests = [node.name for node in ast.parse(IMPORTS).body if isinstance(node, ast.FunctionDef)]
    contracts = [one["name"] for one in CONTRACTS]

    assert [pages.bare(test) for _, test in RULES] == contracts + [name for name in tests if name.startswith("test_")]


def test_the_modules_that_may_load_heavy_libraries_are_named():
    (allowed,) = re.findall(r"^HEAVY_ON_PURPOSE = (\{.*?\})", IMPORTS, re.MULTILINE | re.DOTALL)
    (rule,) = [words for words, test in RULES if "loads_nothing_heavy" in test]
    named = {path.replace("/", ".").removesuffix(".py") for path in re.findall(r"`(\w+/\w+\.py)`", rule)}

    assert named == ast.literal_eval(allowed)


def test_the_longest_a_module_may_be_is_said():
    assert "No module has more than 300 lines." in [words for words, _ in RULES]
    assert "<= 300" in IMPORTS


def named_in_the_way():
    """The functions in the diagram, from top to bottom."""
    return re.findall(r"^ [|v]    (\w+(?:\.\w+)+)", WAY, re.MULTILINE)


@pytest.fixture(scope="module")
def called(tmp_path_factory, warm):
    """The functions that a session calls which trains one cell, judges it and writes its report, in their order."""
    folder = tmp_path_factory.mktemp("session")
    variables = {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(ROOT)]),
        "CALLED": str(folder / "called"),
    }
    command = ["pytest", "benchmarks/test_table1_glue.py", "-p", "called", "-p", "no:cacheprovider", "-m", "glue"]
    command += ["--suite", "smoke", "-k", "tiny-roberta-constant-cola"]
    command += ["--runs", folder / "runs", "--report", folder / "report"]
    done = warm(*command, cwd=ROOT, env=os.environ | variables)
    assert (folder / "report" / "report.json").is_file(), done.stdout + done.stderr
    return (folder / "called").read_text(encoding="utf-8").splitlines()


def test_a_session_calls_the_functions_of_the_diagram_in_its_order(called):
    named = named_in_the_way()

    assert len(named) > 20
    assert [name for name in named if name not in called] == []
    assert named == sorted(named, key=called.index)


def test_as_many_numbers_are_printed_and_recipes_asked_as_the_page_says(tmp_path):
    suite = Suite("paper", ROOT / "expected", tmp_path, train=False)
    cells = [cell for name in suite.tables() for cell in suite.table(name).cells if cell.expectation.printed]
    scores = [cell for cell in cells if cell.kind != "counted"]
    recipes = {wanted.id for cell in scores for wanted in suite.recipes(cell)}
    said = re.search(
        r"prints (\d+) numbers: (\d+) counts, and (\d+) scores that come from (\d+) recipes", PAGE
    ).groups()

    assert [int(one) for one in said] == [len(cells), len(cells) - len(scores), len(scores), len(recipes)]


def test_all_counts_of_table_3_for_bitfit_and_lora_reproduce(tmp_path):
    suite = Suite("paper", ROOT / "expected", tmp_path, train=False)
    cells = [cell for cell in suite.table("table3").cells if cell.tuning in ("bitfit", "lora")]

    assert f"all {len(cells)} counts that Table 3 prints for BitFit and LoRA reproduce" in PAGE
    assert {suite.verdict(cell).outcome for cell in cells} == {"reproduced"}


def test_the_examples_of_the_rule_of_eq_2_are_true():
    (examples,) = pages.blocks(PAGE, "python")
    found = doctest.DocTestRunner().run(doctest.DocTestParser().get_doctest(examples, {}, "Eq. 2", None, None))

    assert (found.failed, found.attempted) == (0, 4)
