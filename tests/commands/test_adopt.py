"""progbench adopt, as a person calls it."""

import shutil
import sys

import pytest
from adopted import checkout, made, recipe, saved

from progbench import cli, places
from progbench.runs import results
from progbench.session.suite import Suite


@pytest.fixture
def place(tmp_path, monkeypatch, answers):
    """A checkout of its own with a suite that has the mini suite's recipes; its commit, and a folder of results."""
    commit = checkout(tmp_path / "checkout")
    (tmp_path / "checkout" / "expected" / "mini").mkdir(parents=True)
    monkeypatch.setattr(places, "root", lambda: tmp_path / "checkout")
    monkeypatch.setattr("progbench.session.suite.Suite.every_recipe", lambda suite: {recipe().id: recipe()})
    saved(tmp_path / "runs", commit, recipe(), [200])
    return tmp_path, commit


def reference_of(folder):
    return folder / "checkout" / "expected" / "mini" / "reference.json"


def test_yes_writes_the_copies_and_the_reference(place, capsys):
    folder, _ = place
    assert cli.main(["adopt", str(folder / "runs"), "--yes"]) == 0
    assert reference_of(folder).is_file()
    assert "1 results of 1 recipes are new to the reference of mini" in capsys.readouterr().out


def test_without_a_yes_nothing_is_written(place, capsys):
    folder, _ = place
    assert cli.main(["adopt", str(folder / "runs")]) == 1
    assert not reference_of(folder).exists()
    assert capsys.readouterr().out.endswith("nothing is written; --yes writes it\n")


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("no\n", 1), ("", 1)])
def test_a_person_at_a_terminal_is_asked(place, monkeypatch, answer, code):
    class Terminal:
        isatty = staticmethod(lambda: True)
        readline = staticmethod(lambda: answer)

    monkeypatch.setattr(sys, "stdin", Terminal)
    folder, _ = place
    assert cli.main(["adopt", str(folder / "runs")]) == code
    assert reference_of(folder).exists() == (code == 0)


def test_what_is_refused_is_said_and_the_rest_is_written(place, monkeypatch, capsys):
    folder, commit = place
    both = {one.id: one for one in (recipe(), recipe("growing"))}
    monkeypatch.setattr("progbench.session.suite.Suite.every_recipe", lambda suite: both)
    results.save(folder / "runs", made(f"{commit}-dirty", recipe("growing"), 0))
    assert cli.main(["adopt", str(folder / "runs"), "--yes"]) == 1
    assert reference_of(folder).is_file()
    assert "refused: " in capsys.readouterr().out


def test_tables_of_a_suite_that_were_edited_are_said_and_not_taken_for_a_suite_without_recipes(
    tmp_path, monkeypatch, answers, capsys
):
    shutil.copytree(answers, tmp_path / "expected")
    (tmp_path / "expected" / "mini" / "SHA256SUMS").write_text("")
    monkeypatch.setattr(places, "root", lambda: tmp_path)
    saved(tmp_path / "runs", "c" * 40, recipe(), [200])

    assert cli.main(["adopt", str(tmp_path / "runs"), "--yes"]) == 2
    assert "SHA256SUMS" in capsys.readouterr().err


def test_the_papers_numbers_are_not_replaced(tmp_path, capsys):
    saved(tmp_path, "c" * 40, recipe(suite="paper", model="bert-base"), [200])
    assert cli.main(["adopt", str(tmp_path), "--yes"]) == 2
    assert "only own suites have references of ours" in capsys.readouterr().err


def test_a_suites_recipes_are_those_of_its_scored_cells_and_of_their_variants(answers, tmp_path):
    names = Suite("smoke", answers, tmp_path, train=False).every_recipe()
    assert {"tiny-bert-constant-rte", "tiny-bert-growing-rte", "tiny-roberta-lora-constant-rte~alpha-8"} <= {*names}
