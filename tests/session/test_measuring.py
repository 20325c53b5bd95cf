"""What a run takes here: measured, by FLOPs from what was measured, or unknown and said so."""

from dataclasses import replace

import pytest

from progbench import environment
from progbench.method.flops import step_flops
from progbench.recipes.reading import read
from progbench.runs.results import EpochResult, RunResult
from progbench.runs.run_result import Provenance
from progbench.session import measuring
from progbench.session.measuring import Times

HERE = {"device": "cuda", "gpu": "a card"}


def recipe(schedule="constant", task="rte", model="bert-base", file="glue", tuning="full", **changes):
    return replace(read("paper", file, model=model, schedule=schedule, task=task, tuning=tuning), **changes)


def flops(wanted, lengths):
    """Of a run's epochs, by the closed form on every row's own length."""
    kind = {"num_labels": 2, **wanted.tuning_options}
    stages = wanted.build_schedule().stages
    return [step_flops(wanted.model, stage.blocks, wanted.tuning, lengths=lengths, **kind) for stage in stages]


def ran(wanted, lengths=(20,) * 100, seconds=4.0, rest=1.0, seed=0, others=0, **about):
    """A result: each epoch took so many seconds, and all else the rest."""
    epochs = tuple(EpochResult({}, 0, 0.5, seconds, 10, one) for one in flops(wanted, lengths))
    whole = rest + seconds * len(epochs)
    made = {"environment": HERE | about, "provenance": Provenance(others=others)}
    return RunResult(wanted, seed, epochs, seconds=whole, examples={"train": len(lengths)}, **made)


def times(*runs, kind="a card"):
    made = {}
    for one in runs:
        made.setdefault(one.recipe, []).append(one)
    return Times(kind, made)


def test_what_was_run_takes_the_median_of_its_runs():
    found = times(*(ran(recipe(), seconds=seconds, seed=seed) for seed, seconds in enumerate((4.0, 5.0, 9.0))))

    assert found.of(recipe()) == measuring.Estimate(3 * 5.0 + 1.0, "measured")  # three epochs, and the rest


def test_what_was_not_run_takes_steps_by_flops_and_the_same_rest():
    found = times(ran(recipe()))
    wanted = recipe("shrinking")
    share = sum(flops(wanted, [20] * 100)) / sum(flops(recipe(), [20] * 100))

    assert found.of(wanted).seconds == pytest.approx(1.0 + 12.0 * share)
    assert found.of(wanted).source == "by FLOPs from bert-base-constant-rte"


def test_rows_of_unlike_lengths_are_taken_as_alike_to_half_a_percent():
    lengths = [5, 9, 14, 20, 33, 60, 90, 128]
    found = times(ran(recipe(), lengths))
    wanted = recipe("shrinking", model="bert-large")
    share = sum(flops(wanted, lengths)) / sum(flops(recipe(), lengths))

    assert found.of(wanted).seconds == pytest.approx(1.0 + 12.0 * share, rel=5e-3)


def test_another_task_needs_a_run_that_says_how_much_it_is_and_that_may_be_of_another_machine():
    known = ran(recipe())
    elsewhere = ran(recipe(task="cola"), (10,) * 300, gpu="another card")
    share = sum(flops(recipe(task="cola"), [10] * 300)) / sum(flops(recipe(), [20] * 100))

    assert times(known).of(recipe(task="cola")).source == "unknown: no run on file says how much cola is"
    assert times(known, elsewhere).of(recipe(task="cola")).seconds == pytest.approx(1.0 + 12.0 * share)


def test_the_likest_run_is_of_the_same_model_then_tuning_then_task():
    runs = [ran(recipe()), ran(recipe(model="bert-large")), ran(recipe(model="bert-large", task="cola"))]

    assert times(*runs).of(recipe("growing", model="bert-large")).source.endswith("bert-large-constant-rte")
    assert times(*runs[:1], runs[2]).of(recipe("growing", model="bert-large")).source.endswith("large-constant-cola")


@pytest.mark.parametrize("about", [{"gpu": "another card"}, {"others": 1}, {"others": None}])
def test_runs_of_other_machines_or_beside_others_measure_nothing(about):
    found = times(ran(recipe(), **about)).of(recipe())

    assert found.seconds is None
    assert found.source == "unknown: no run on file was made alone on this kind of machine"


def test_another_precision_is_not_guessed_from():
    found = times(ran(recipe()), ran(recipe(task="cola"))).of(recipe("shrinking", precision="bf16"))

    assert found == measuring.Estimate(None, "unknown: no run in bf16 was measured on this kind of machine")


def test_where_flops_were_not_recorded_a_recipe_tells_of_itself_alone():
    one = ran(recipe())
    padded = replace(one, epochs=tuple(replace(epoch, flops=None) for epoch in one.epochs))

    assert times(padded).of(recipe()).source == "measured"
    assert times(padded).of(recipe("shrinking")).seconds is None


def test_a_machine_without_the_device_plans_for_the_card_that_made_most():
    runs = [ran(recipe(), seed=0), ran(recipe(), seed=1), ran(recipe("shrinking"), gpu="another card")]

    assert times(*runs, kind="").kind == "a card"


@pytest.mark.parametrize(
    ("device", "cards", "kind"),
    [("auto", 1, "a card"), ("cuda", 1, "a card"), ("cuda", 0, ""), ("auto", 0, "EPYC, 3 threads"),
     ("cpu", 1, "EPYC, 3 threads")],
)  # fmt: skip
def test_this_machine_is_the_device_that_would_be_trained_on(monkeypatch, device, cards, kind):
    monkeypatch.setattr(environment, "gpu_count", lambda: cards)
    monkeypatch.setattr(environment, "gpu_name", lambda: "a card")
    monkeypatch.setattr(environment, "_cpu", lambda: {"cpu": "EPYC"})

    assert measuring.here(device, 3) == kind
