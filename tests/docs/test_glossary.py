"""The glossary of docs/architecture.md, and the names in the code: a word of it has the meaning that it has there."""

import ast
import re

import pages
import pytest
from pages import ROOT

GLOSSARY = pages.read("docs/architecture.md").partition("\n## ")[2].partition("\n## ")[0]
ROWS = pages.table(GLOSSARY, "word")
# where a word's one meaning is at home: names with that word stand in these files alone
HOME = {
    "part": {"method/schedule.py", "runs/run_result.py"},  # `batch_parts` in a result's file is older than the rule
    "unit": {  # of measurement
        "judging/claims.py", "judging/expected.py", "judging/verdict.py", "method/plan.py",
        "report/cells.py", "session/fetching.py", "session/planning.py",
    },
}  # fmt: skip
# words that stood for something with a name of its own
GONE = {
    "company": "neighbours", "leftovers": "cleanup", "opening": "options", "repaired": "inputs_changed",
    "fork": "shared_epochs", "ahead": "prefetch",
}  # fmt: skip


def names(path):
    """The names that a module gives: its own, and those of functions, classes, arguments, variables and fields."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


@pytest.fixture(scope="module")
def given():
    """The modules of the package with the names that each gives."""
    package = ROOT / "progbench"
    return {path.relative_to(package).as_posix(): {*names(path)} for path in package.rglob("*.py")}


def of_word(word, given):
    """The modules that give a name with this word in it, also in the plural."""
    spelled = re.compile(rf"(?:^|_){word}s?(?:_|$)|(?:^|[a-z]){word.capitalize()}s?(?:[A-Z]|$)")
    return {module for module, names in given.items() if any(map(spelled.search, names))}


def test_the_glossary_comes_first_and_has_at_most_25_words():
    assert GLOSSARY.startswith("Words\n")
    assert len(ROWS) <= 25
    assert len({word for word, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize("word", HOME)
def test_a_word_names_one_thing_and_is_in_the_glossary(word, given):
    assert of_word(word, given) <= HOME[word]
    assert word in {row[0] for row in ROWS}


@pytest.mark.parametrize("word", GONE)
def test_a_word_that_said_less_than_the_things_name_is_gone(word, given):
    assert of_word(word, given) == set(), f"say {GONE[word]}"


def test_seeds_are_numbers_and_no_class(given):
    assert [module for module, names in given.items() if "Seeds" in names] == []
