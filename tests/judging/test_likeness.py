"""When a reference is one, and when a run must repeat it to the last bit."""

import dataclasses
import json

import pytest

from progbench import environment
from progbench.judging.likeness import made_alike, no_reference, same_scores
from progbench.judging.references import Reference
from progbench.runs.results import EpochResult, RunResult
from progbench.session import reference as recording
from progbench.session.suite import Suite
from progbench.training import train

CELL = "table1/tiny-bert-constant-rte"

HERE = {
    "cpu": "EPYC", "cpu_model": "model 2", "device": "cpu", "threads": 1, "python": "3.11.7", "torch": "2.13.0",
    "transformers": "5.23.0", "peft": "0.21.2", "numpy": "2.4.6", "scikit-learn": "1.9.1", "scipy": "1.17.1",
}  # fmt: skip
PRINTS = {"data": "sha256:1", "weights": "random"}


@pytest.fixture
def recipe(smoke_recipe):
    return smoke_recipe()


def result(recipe, seed=0, score=0.9, fingerprints=PRINTS, where=HERE):
    epochs = (
        EpochResult({"sst2": {"accuracy": 0.1}}, 1, 0.5, 1.0),
        EpochResult({"sst2": {"accuracy": score}}, 1, 0.5, 1.0),
    )
    return RunResult(recipe, seed, epochs, fingerprints=fingerprints, environment=where)


def reference(recipe, scores=(0.9, 0.8), **changes):
    entry = {
        "digest": recipe.digest,
        "seeds": {str(seed): {"sst2": {"accuracy": score}} for seed, score in enumerate(scores)},
        "environment": {str(seed): HERE for seed in range(len(scores))},
        "fingerprints": PRINTS,
    }
    return Reference({seed: 100 * score for seed, score in enumerate(scores)}, {recipe.id: entry | changes}, 1.0, 8)


def same(recipe, results, reference):
    return same_scores(reference, [(recipe, "sst2", "accuracy")], {recipe: results})


@pytest.mark.parametrize("key", HERE)
def test_another_machine_thread_count_or_version_is_not_alike(key):
    assert not made_alike(HERE, HERE | {key: "other"})


def without(key):
    return {name: value for name, value in HERE.items() if name != key}


@pytest.mark.parametrize(
    ("ours", "theirs", "alike"),
    [
        (HERE, HERE | {"commit": "c", "date": "today", "cores": 64, "platform": "Linux-7"}, True),
        *((HERE, without(version), True) for version in ("torch", "peft", "python")),  # one side says nothing of it
        (environment.describe("cpu", threads=1), environment.describe("cpu", threads=1), True),
        (HERE | {"batch_parts": 2}, HERE, False),
        (HERE | {"gpu": "H100"}, HERE | {"gpu": "H200"}, False),
        (HERE | {"gpu": "H100"}, HERE, False),
        ({}, {}, False),
    ],
)
def test_results_are_made_alike_by_machine_threads_and_the_versions_that_both_name(ours, theirs, alike):
    assert made_alike(ours, theirs) is alike


def test_a_run_that_was_killed_and_went_on_must_repeat_bit_for_bit_on_a_cpu_and_need_not_on_a_gpu():
    resumed, gpu = {"resumed": 1}, HERE | {"device": "cuda", "gpu": "H100"}

    assert made_alike(HERE | resumed, HERE)
    assert made_alike(gpu, gpu)
    assert not made_alike(gpu | resumed, gpu)
    assert not made_alike(gpu, gpu | resumed)


@pytest.mark.parametrize("key", ["cpu", "cpu_model", "device", "threads"])
def test_a_machine_that_one_side_does_not_name_is_not_alike(key):
    assert not made_alike(HERE, without(key))
    assert not made_alike(without(key), HERE)


def test_equal_scores_of_seeds_made_alike_are_the_same(recipe):
    found = same(recipe, [result(recipe, 0, 0.9), result(recipe, 1, 0.8)], reference(recipe))

    assert found == {0: True, 1: True}


def test_the_last_bit_of_a_recorded_score_counts(recipe):
    # two neighbouring floats that are both 64.4 as points
    assert 100 * 0.6440000000000001 == 100 * 0.644
    assert same(recipe, [result(recipe, 0, 0.6440000000000001)], reference(recipe, [0.644])) == {0: False}


def test_a_seed_made_elsewhere_or_not_made_is_not_compared_to_the_bit(recipe):
    elsewhere = result(recipe, 0, where=HERE | {"torch": "2.14.0"})

    assert same(recipe, [elsewhere], reference(recipe)) == {}


def test_an_average_is_the_same_only_if_all_its_columns_are(smoke_recipe):
    first, second = smoke_recipe(), smoke_recipe(schedule="constant")
    entries = reference(first).runs | reference(second).runs
    both = Reference({0: 90.0}, entries, 1.0, 8)
    parts = [(first, "sst2", "accuracy"), (second, "sst2", "accuracy")]

    assert same_scores(both, parts, {first: [result(first)], second: [result(second)]}) == {0: True}
    assert same_scores(both, parts, {first: [result(first)], second: [result(second, score=0.7)]}) == {0: False}
    assert same_scores(both, parts, {first: [result(first)], second: []}) == {}


def test_a_reference_of_the_same_recipe_data_and_weights_is_one(recipe):
    assert no_reference(reference(recipe), {recipe: [result(recipe)]}) == ""


def test_a_reference_of_another_recipe_is_none(recipe):
    found = no_reference(reference(recipe, digest="0" * 8), {recipe: []})

    assert found == (
        f"no reference: the one on file is of {recipe.id} 00000000, and that recipe is now {recipe.digest}"
    )


@pytest.mark.parametrize("what", ["data", "weights"])
def test_a_reference_on_other_data_or_weights_is_none(recipe, what):
    found = no_reference(
        reference(recipe), {recipe: [result(recipe), result(recipe, 1, fingerprints=PRINTS | {what: "x"})]}
    )

    assert found == f"no reference: the one on file was made on other {what} ({PRINTS[what]}; seed 1: x)"


@pytest.fixture
def referenced(copied, tmp_path, trained):
    """Expected answers whose smoke reference for one RTE cell is what `trained` makes."""
    own = trained_suite(copied, tmp_path / "first", seeds=5)
    gathered = recording.gather(own, [own.cell(CELL)])
    (copied / "smoke" / "reference.json").write_text(json.dumps({"schema_version": 1, "runs": gathered}))
    return copied


def trained_suite(answers, folder, seeds=1):
    own = Suite("smoke", answers, folder, seeds=seeds)
    own.obtain(own.needed(own.cell(CELL)).values())
    return own


def trained_again(answers, folder, **options):
    """The verdict on runs made anew."""
    own = trained_suite(answers, folder / "again", **options)
    return own.verdict(own.cell(CELL))


def altered(monkeypatch, last=None, **changes):
    """Let the trainer's results differ in these fields, and in the scores of their last epoch."""
    fake = train.train

    def train_otherwise(*given):
        made = dataclasses.replace(fake(*given), **changes)
        epochs = (*made.epochs[:-1], dataclasses.replace(made.epochs[-1], scores=last)) if last else made.epochs
        return dataclasses.replace(made, epochs=epochs)

    monkeypatch.setattr(train, "train", train_otherwise)


def test_a_run_made_as_the_reference_was_must_repeat_it_to_the_last_bit(referenced, tmp_path):
    verdict = trained_again(referenced, tmp_path, seeds=2)

    assert (verdict.outcome, verdict.tier) == ("consistent", "reference, exact")
    assert verdict.sentence == "89.50 ± 0.71 (n=2), bit for bit the scores of our reference's seeds 0, 1"


def test_a_changed_score_without_a_new_scores_version_deviates(referenced, tmp_path, monkeypatch):
    altered(monkeypatch, last={"rte": {"accuracy": 0.9000000000000001}})
    verdict = trained_again(referenced, tmp_path)

    assert (verdict.outcome, verdict.direction) == ("deviates", "high")
    assert "seed 0: 90.00000000000001 against our reference's 90.0, though recipe, machine" in verdict.sentence
    assert "without a new SCORES_VERSION" in verdict.sentence


def test_with_another_version_of_torch_a_run_is_judged_by_prediction(referenced, tmp_path, made_in, monkeypatch):
    altered(monkeypatch, environment=made_in | {"torch": "2.14.0"})
    verdict = trained_again(referenced, tmp_path)

    assert (verdict.outcome, verdict.tier) == ("consistent", "reference, statistical")


def test_a_reference_on_other_data_is_no_reference(referenced, tmp_path, monkeypatch):
    altered(monkeypatch, fingerprints={"data": "sha256:2"})
    verdict = trained_again(referenced, tmp_path)

    assert (verdict.outcome, verdict.expected) == ("unjudged", None)
    assert verdict.sentence == "no reference: the one on file was made on other data (sha256:1; seed 0: sha256:2)"
