"""Recording our own references: from runs of committed code, with enough seeds, and the change shown."""

import dataclasses
import json
import subprocess

import pytest
from made_up import result

from progbench.errors import BadInput
from progbench.judging import references
from progbench.runs import predictions, results
from progbench.session import reference, vouching
from progbench.session.suite import Suite
from progbench.training import train

CELL = "table1/tiny-bert-constant-rte"


def trained_suite(answers, folder, seeds):
    """A suite whose RTE cell has runs of so many seeds."""
    own = Suite("smoke", answers, folder, seeds=seeds)
    own.obtain(own.needed(own.cell(CELL)).values())
    return own


@pytest.mark.parametrize("untracked", ["all", "no"], ids=["by default", "though a setting of git hides it"])
def test_a_tree_with_an_untracked_file_is_refused(tmp_path, untracked):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "config", "status.showUntrackedFiles", untracked], cwd=tmp_path, check=True)
    (tmp_path / "new.py").write_text("")

    with pytest.raises(BadInput, match=r"the tree is dirty \(\?\? new\.py\)"):
        reference.refuse_dirty_tree(tmp_path)


def test_a_folder_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(BadInput, match="is not a git checkout"):
        reference.refuse_dirty_tree(tmp_path)


def test_a_session_that_ran_nothing_records_nothing(answers, tmp_path):
    own = Suite("smoke", answers, tmp_path, train=False)

    with pytest.raises(BadInput, match="ran no scored cell"):
        reference.gather(own, own.table("table1").cells)


def test_gathering_a_reference_keeps_raw_seeds_and_where_they_were_made(answers, tmp_path, trained):
    own = trained_suite(answers, tmp_path, 5)
    gathered = reference.gather(own, [own.cell(CELL)])["tiny-bert-constant-rte"]

    assert gathered["seeds"]["4"] == {"rte": {"accuracy": pytest.approx(0.86)}}
    assert gathered["environment"]["0"]["commit"] == "c" * 40


def test_fewer_than_five_seeds_are_not_recorded(answers, tmp_path, trained):
    own = trained_suite(answers, tmp_path, 4)

    with pytest.raises(BadInput, match="4 seeds; a reference needs 5"):
        reference.gather(own, [own.cell(CELL)])


def test_runs_on_other_data_than_was_published_are_not_recorded(answers, tmp_path):
    own = Suite("mini", answers, tmp_path, train=False)
    wanted = own.cell("table1/minilm-constant-rte")
    recipe = own.recipe(wanted)
    for seed in range(5):
        results.save(tmp_path, result(recipe, seed, {"rte": {"accuracy": 0.6}}, examples={"train": 32, "rte": 277}))

    said = r"minilm-constant-rte: not the published data: it read 32 rows of train \(published: 2,490\)"
    with pytest.raises(BadInput, match=f"{said}: no reference"):
        reference.gather(own, [wanted])


@pytest.mark.parametrize("commit", ["unknown", "abc-dirty"])
def test_runs_of_code_that_is_no_commit_are_not_recorded(answers, tmp_path, trained, made_in, monkeypatch, commit):
    fake = train.train
    monkeypatch.setattr(
        train, "train", lambda *a: dataclasses.replace(fake(*a), environment=made_in | {"commit": commit})
    )
    own = trained_suite(answers, tmp_path, 5)

    with pytest.raises(BadInput, match="made by code that is not a commit"):
        reference.gather(own, [own.cell(CELL)])


def test_recording_keeps_the_references_that_were_not_run_now(tmp_path):
    (tmp_path / "smoke").mkdir()
    first, second = ({"digest": digest, "seeds": {}} for digest in "12")
    reference.record(tmp_path, "smoke", {"a": first, "b": first})
    reference.record(tmp_path, "smoke", {"b": second})

    assert references.read(tmp_path, "smoke") == {"a": first, "b": second}


def test_nothing_is_recorded_beside_a_reference_that_cannot_be_right(tmp_path):
    (tmp_path / "smoke").mkdir()
    path = tmp_path / "smoke" / "reference.json"
    path.write_text('{"schema_version": 1, "runs": {"a": {"digest": "1", "seeds": {"0": {"rte": {"accuracy": NaN}}}}}}')
    before = path.read_text()

    with pytest.raises(BadInput, match=r"reference\.json: a: seed 0: accuracy of rte = nan: allowed is"):
        reference.record(tmp_path, "smoke", {"b": {"digest": "2", "seeds": {}}})
    assert path.read_text() == before


def test_the_change_of_a_reference_shows_mean_and_spread_before_and_after():
    old = {"a": {"digest": "1", "seeds": {str(k): {"rte": {"accuracy": 0.5 + k / 100}} for k in range(5)}}}
    new = {"a": {"digest": "2", "seeds": {str(k): {"rte": {"accuracy": 0.6}} for k in range(5)}}}
    line = reference.changes(old, new).splitlines()[-1]

    assert line.split("accuracy  ")[1] == "52.00 ± 1.58 (n=5, 1)  60.00 ± 0.00 (n=5, 2)"


def test_the_smoke_reference_names_machine_versions_and_commit_of_every_seed(answers):
    content = json.loads((answers / "smoke" / "reference.json").read_text())

    assert len(content["runs"]) == 32 + 4 + 48 + 8 + 4  # Tables 1, 2 and 4, two rows of Table 5, Figure 1's blocks
    for run in content["runs"].values():
        assert len(run["seeds"]) >= 5
        for about in run["environment"].values():
            assert {"commit", "cpu", "cores", "threads", "torch", "transformers", "date"} <= set(about)
            assert len(about["commit"]) == 40


@pytest.mark.parametrize("suite", ["base", "mini"])
def test_a_reference_with_copies_is_what_follows_from_them(answers, suite):
    path = answers / suite / "reference.json"
    written = path.read_text() if path.exists() else ""

    assert reference.derived(answers, suite) == reference.on_file(answers, suite)
    assert not written or reference.text(suite, reference.derived(answers, suite)) == written


@pytest.mark.parametrize("suite", ["base", "mini"])
def test_the_scores_of_the_copies_follow_from_their_predictions(answers, suite):
    first = sorted((reference.copies(answers, suite) / suite).glob("*/*/seed0.json"))
    runs = {path: results.read(path) for path in first}
    doubts = [
        [*vouching.of_predictions(run, predictions.load(path, run.predictions))]
        for path, run in runs.items()
        if not run.error
    ]

    assert doubts == [[]] * len(doubts)
