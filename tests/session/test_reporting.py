"""From a suite to its report without pytest: the runs behind its cells, and all that is on file."""

import shutil

import pytest
from made_up import recipes, result, save_references

from progbench.recipes import reading
from progbench.recipes.reading import read
from progbench.runs import results
from progbench.session import reporting
from progbench.session.suite import Suite


@pytest.fixture
def on_file(answers, tmp_path):
    """The smoke suite with whatever is in its folder, and that folder."""
    return Suite("smoke", answers, tmp_path, seeds=None, train=False)


def cells(suite, *names):
    return [suite.cell(name) for name in names]


def test_behind_a_score_are_the_runs_of_its_recipe(answers, on_file, tmp_path):
    save_references(answers, tmp_path, lambda one: one.id == "tiny-bert-constant-rte")
    (entry,) = reporting.behind(on_file, cells(on_file, "table1/tiny-bert-constant-rte"))

    assert (entry.recipe, [run.seed for run in entry.runs]) == ("tiny-bert-constant-rte", [0, 1, 2, 3, 4])


def test_behind_an_average_are_the_runs_of_its_columns_each_once(answers, on_file, tmp_path):
    save_references(answers, tmp_path, lambda one: one.id.startswith("tiny-bert-constant"))
    wanted = cells(on_file, "table1/tiny-bert-constant-avg", "table1/tiny-bert-constant-mnli-m")
    found = [entry.recipe.rpartition("-")[2] for entry in reporting.behind(on_file, wanted)]

    assert found == ["cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb"]


def test_behind_a_count_and_what_was_not_run_is_nothing(on_file):
    wanted = cells(on_file, "figure4/tiny-bert-constant-updated", "table1/tiny-bert-constant-rte")

    assert reporting.behind(on_file, wanted) == []


def test_looking_behind_trains_nothing_in_a_suite_that_would(answers, tmp_path, monkeypatch):
    own = Suite("smoke", answers, tmp_path)
    monkeypatch.setattr("progbench.training.train.train", lambda *_: pytest.fail("trained"))

    assert reporting.behind(own, cells(own, "table1/tiny-bert-constant-rte")) == []


def test_the_report_has_every_cell_of_every_table_and_every_claim(on_file, answers):
    found = reporting.report(on_file)
    tables = [on_file.table(name) for name in on_file.tables()]

    assert len(tables) == 7
    assert len(found.verdicts) == sum(len(table.cells) for table in tables)
    assert len(found.claims) == len(on_file.claims())


def test_variants_that_were_run_are_listed_for_a_cell_that_deviates(answers, on_file, tmp_path):
    primary = recipes(answers)["tiny-roberta-lora-constant-sst2"]
    same = {"model": primary.model, "schedule": primary.schedule, "task": primary.task, "tuning": "lora"}
    for recipe, score in ((primary, 0.01), (read("smoke", "peft", **same, variant="alpha-8"), 0.5)):
        for seed in range(5):
            results.save(tmp_path, result(recipe, seed, {"sst2": {"accuracy": score}}))
    found = reporting.report(on_file)

    assert [(one.cell, one.variant) for one in found.variants] == [
        ("tiny-roberta-lora-constant-sst2", ""), ("tiny-roberta-lora-constant-sst2", "alpha-8"),
    ]  # fmt: skip
    assert found.attribution()[0].variants[0].closed > 0.5


def test_variants_that_nobody_ran_are_not_listed(answers, on_file, tmp_path):
    primary = recipes(answers)["tiny-roberta-lora-constant-sst2"]
    for seed in range(5):
        results.save(tmp_path, result(primary, seed, {"sst2": {"accuracy": 0.01}}))
    found = reporting.report(on_file)

    assert "deviates" in {one.outcome for one in found.verdicts}
    assert found.variants == []


def test_results_of_another_digest_are_named(answers, on_file, tmp_path):
    save_references(answers, tmp_path, lambda one: one.id == "tiny-bert-constant-rte")
    (folder,) = tmp_path.glob("smoke/*/*")
    folder.rename(folder.with_name("01234567"))

    assert reporting.report(on_file).warnings == [
        "tiny-bert-constant-rte: there are results of other digests (the recipe was edited, or SCORES_VERSION raised), "
        "which do not count"
    ]


ELSEWHERE = "the report has one line for it, which fails; the other tables are judged"


def errors(root, tmp_path, name="smoke"):
    """The report on a suite without results, and its cells that are errors, with what they say."""
    found = reporting.report(Suite(name, root, tmp_path / "runs", seeds=None, train=False))
    return found, {one.cell: one.sentence for one in found.verdicts if one.outcome == "error"}


def test_a_table_whose_file_was_deleted_is_an_error_that_names_the_file(copied, tmp_path, reliability):
    (copied / "smoke" / "figure4.toml").unlink()
    found, said = errors(copied, tmp_path)

    assert found.failed
    assert said == {
        "figure4": f"{copied}/smoke/figure4.toml is gone, and suite.toml lists it: nobody knows which cells it had"
    }
    assert sum(one.outcome == "consistent" for one in found.verdicts) > 50
    reliability(
        "Editing recipes and expected values", "a table's file is gone", happens=said["figure4"], kept=ELSEWHERE
    )


def test_a_table_that_the_checksums_list_is_an_error_when_it_is_gone_and_no_longer_listed(
    copied, tmp_path, monkeypatch
):
    (copied / "paper" / "table1.toml").unlink()
    less = tuple(name for name in reading.settings("paper").tables if name != "table1")
    monkeypatch.setattr(reading, "settings", lambda _: reading.SuiteSettings(5, "cuda", less))

    assert errors(copied, tmp_path, "paper")[1]["table1"] == (
        f"{copied}/paper/table1.toml is gone, and SHA256SUMS lists it: nobody knows which cells it had"
    )


def test_a_file_that_the_suite_does_not_list_is_an_error(copied, tmp_path, reliability):
    shutil.copy(copied / "smoke" / "table1.toml", copied / "smoke" / "table6.toml")
    _, said = errors(copied, tmp_path)

    assert list(said) == ["table6"]
    assert "table6.toml is not listed in the suite's suite.toml: add it to `tables`, or delete it" in said["table6"]
    words = said["table6"].replace(f"{copied}/smoke/", "")
    reliability(
        "Editing recipes and expected values", "a table that its suite does not list", happens=words, kept=ELSEWHERE
    )


def test_sentences_whose_file_was_deleted_are_an_error(copied, tmp_path, reliability):
    (copied / "smoke" / "claims.toml").unlink()
    found, _ = errors(copied, tmp_path)

    assert [one.outcome for one in found.claims] == ["error"]
    said = f"{copied}/smoke/claims.toml is gone, and suite.toml lists it: nobody knows which cells it had"
    assert found.claims[0].our_words == said
    reliability(
        "Editing recipes and expected values", "the file of claims is gone", happens=said, kept="every table is judged"
    )


def test_a_suite_is_judged_by_the_tables_it_lists(copied, tmp_path, monkeypatch):
    for path in (copied / "smoke").glob("*.toml"):
        if path.stem not in ("figure4", "tolerance"):
            path.unlink()
    monkeypatch.setattr(reading, "settings", lambda _: reading.SuiteSettings(1, "cpu", ("figure4",)))
    found, said = errors(copied, tmp_path)

    assert not found.failed
    assert (said, {one.table for one in found.verdicts}, found.claims) == ({}, {"Figure 4"}, [])
