"""Where the documents point to is there: files, headings, and the modules they name."""

import re

import pages
import pytest
from pages import ROOT

DOCUMENTS = sorted(
    str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("expected/*.md"))
)
NAMED = re.compile(r"(?<![\w/.-])((?:progbench|tests|benchmarks|expected)/[\w./-]+\.(?:py|toml|md|json))\b")
IN_A_WING = re.compile(
    rf"`((?:{'|'.join(path.parent.name for path in ROOT.glob('progbench/*/__init__.py'))})/\w+\.\w+)`"
)


def without_code(page):
    return re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)


def links(name):
    """The relative links of a document: the file each leads to, and the heading in it, if any."""
    found = re.findall(r"\]\(([^)]+)\)", without_code(pages.read(name)))
    return [one.partition("#")[::2] for one in found if "://" not in one]


def anchors(name):
    """A document's headings as a link names them."""
    titles = re.findall(r"^#+ (.*)", without_code(pages.read(name)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_the_documents_are_found():
    assert {"README.md", "CHANGELOG.md", "docs/architecture.md", "expected/README.md"} <= {*DOCUMENTS}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_relative_link_leads_to_a_file_of_the_checkout(name):
    folder = (ROOT / name).parent

    assert [file for file, _ in links(name) if not (folder / file).exists()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_to_a_heading_leads_to_one(name):
    files = [((ROOT / name).parent / file if file else ROOT / name, title) for file, title in links(name) if title]
    wanted = [(str(path.resolve().relative_to(ROOT)), title) for path, title in files]

    assert [one for one in wanted if one[1] not in anchors(one[0])] == []


@pytest.mark.parametrize("name", sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md")))
def test_the_readme_links_to_every_document(name):
    assert (name, "") in links("README.md")


RECIPES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("progbench/recipes/*/*.toml"))


@pytest.mark.parametrize("name", [*DOCUMENTS, *RECIPES, "benchmarks/lengths.toml"])
def test_every_file_that_is_named_by_its_path_exists(name):
    page = pages.read(name)
    made = {path for found in re.findall(r"Write\s+`([^`]+)`|^cp \S+ (\S+)", page, re.MULTILINE) for path in found}
    named = [ROOT / path for path in NAMED.findall(page) if path not in made]
    named += [ROOT / "progbench" / path for path in IN_A_WING.findall(page)]

    assert [str(path) for path in named if not path.exists()] == []
