"""Whole runs of several seeds side by side: results, failures, shared epochs, memory."""

import math
import time

import pytest
import torch
from gpu_stand_in import StandIn

from progbench.errors import BadInput
from progbench.runs.run_result import Provenance
from progbench.training import fitting, prepared, train
from progbench.training.checkpoints import Checkpoints, made_with
from progbench.training.graph import Stages
from progbench.training.side_by_side import StackedSeeds

pytestmark = pytest.mark.usefixtures("four_batches")


@pytest.fixture
def wanted(smoke_recipe):
    def make(**changes):
        return smoke_recipe(**{"model": "tiny-roberta", "epochs": 2, "task": "rte"} | changes)

    return make


def together(recipe, seeds, **options):
    return list(train.train_together(recipe, seeds, "cpu", 1, **options))


def test_a_result_names_the_seeds_it_was_trained_with(wanted):
    found = together(wanted(epochs=1), [0, 2])

    assert [(one.seed, one.provenance.side_by_side) for one in found] == [(0, (0, 2)), (2, (0, 2))]


def test_the_same_company_gives_the_same_scores(wanted):
    first, second = (together(wanted(epochs=1), [0, 1]) for _ in range(2))

    assert [one.epochs[0].loss for one in first] == [one.epochs[0].loss for one in second]


def test_what_a_seed_updated_is_what_its_schedule_plans(wanted):
    recipe = wanted(schedule="shrinking")

    for one in together(recipe, [0, 1, 2]):
        assert sum(epoch.updated_parameters for epoch in one.epochs) == recipe.planned()


class Broken(StackedSeeds):
    """In the step numbered `at`, the second seed's loss is not a number."""

    at = 3

    def losses(self, model, batch):
        found = super().losses(model, batch)
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == self.at:
            first, second, third = found.unbind()
            found = torch.stack([first, second * math.nan, third])
        return found


def test_a_loss_that_is_not_finite_stops_its_seed_and_no_other(wanted, monkeypatch):
    whole = together(wanted(), [0, 1, 2])
    monkeypatch.setattr(prepared, "StackedSeeds", Broken)
    found = together(wanted(), [0, 1, 2])

    assert found[1].error == "epoch 1, step 3: the loss is nan"
    assert found[1].final
    assert found[1].epochs == ()
    for place in (0, 2):
        assert [(one.scores, one.loss) for one in found[place].epochs] == [
            (one.scores, one.loss) for one in whole[place].epochs
        ]


def test_where_no_seed_is_left_training_stops(wanted, monkeypatch):
    losses = StackedSeeds.losses
    monkeypatch.setattr(StackedSeeds, "losses", lambda self, model, batch: losses(self, model, batch) * math.nan)
    trained = []
    step = fitting.Step.__call__
    monkeypatch.setattr(fitting.Step, "__call__", lambda self, batch: trained.append(1) or step(self, batch))
    found = together(wanted(), [0, 1, 2])

    assert [one.error for one in found] == ["epoch 1, step 1: the loss is nan"] * 3
    assert len(trained) == 1


def test_epochs_that_two_schedules_share_are_taken_over_by_the_same_seeds(wanted, tmp_path):
    first, second = wanted(schedule="constant", epochs=3), wanted(schedule="shrinking", epochs=3)
    alone = together(second, [0, 1])
    left = together(first, [0, 1], kept=Checkpoints(tmp_path / "first", 1, (tmp_path / "second",)))
    made = {seeds: made_with(seeds, "cpu", 1, left[0].fingerprints, together=True) for seeds in ((0, 1), (0, 2), (0,))}
    found = {seeds: Checkpoints(tmp_path / "second").load(one)[0] for seeds, one in made.items()}
    taken = together(second, [0, 1], kept=Checkpoints(tmp_path / "second"))

    assert [[(one.scores, one.loss) for one in run.epochs] for run in taken] == [
        [(one.scores, one.loss) for one in run.epochs] for run in alone
    ]
    assert found[0, 1].seeds == (0, 1)
    assert found[0, 2] is found[0,] is None


def test_a_seed_that_failed_in_a_shared_epoch_has_failed_in_the_run_that_takes_it_over(wanted, tmp_path, monkeypatch):
    first, second = wanted(schedule="constant", epochs=3), wanted(schedule="shrinking", epochs=3)
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "StackedSeeds", Broken)
        together(first, [0, 1, 2], kept=Checkpoints(tmp_path / "first", 1, (tmp_path / "second",)))
    taken = together(second, [0, 1, 2], kept=Checkpoints(tmp_path / "second"))

    assert [one.error for one in taken] == ["", "epoch 1, step 3: the loss is nan", ""]


def test_a_stage_that_goes_on_keeps_its_graphs_and_another_lets_them_go(wanted, monkeypatch):
    seen, call = [], Stages.__call__

    def noted(self, step):
        run = call(self, step)
        seen.append((id(run), sum(len(one.captured) for one in made)))
        made.append(run) if run not in made else None
        return run

    made = []
    monkeypatch.setattr(Stages, "__call__", noted)
    together(wanted(schedule="constant", epochs=2), [0])
    assert len({one for one, _ in seen}) == 1
    assert seen[1][1] > 0
    seen.clear(), made.clear()
    together(wanted(schedule="shrinking", epochs=2), [0])

    assert len({one for one, _ in seen}) == 2
    assert seen[1][1] == 0
    assert sum(len(one.captured) for one in made) == 0  # the run is over


def test_running_out_of_memory_is_survived_in_two_groups_and_said(wanted, monkeypatch):
    of, asked = prepared.Prepared.of, []

    def small(recipe, numbers, *arguments, **options):
        asked.append(tuple(numbers))
        if len(numbers) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return of(recipe, numbers, *arguments, **options)

    monkeypatch.setattr(prepared.Prepared, "of", small)
    found = together(wanted(epochs=1), [0, 1, 2])

    assert asked == [(0, 1, 2), (0, 1), (2,)]
    assert [one.seed for one in found] == [0, 1, 2]
    assert [one.notes[-1] for one in found] == [
        "3 seeds side by side ran out of memory, so they were trained in two groups"
    ] * 3
    assert [one.provenance.side_by_side for one in found] == [(0, 1), (0, 1), (2,)]


def test_one_seed_that_runs_out_of_memory_is_an_error(wanted, monkeypatch):
    def full(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(prepared.Prepared, "of", full)

    with pytest.raises(torch.OutOfMemoryError):
        together(wanted(), [0])


def test_seeds_of_a_model_that_packing_does_not_serve_are_trained_alone_and_say_so(wanted, monkeypatch):
    monkeypatch.setattr(prepared, "pack", lambda model: None)
    found = together(wanted(epochs=1), [0, 1])

    assert [one.notes[-1] for one in found] == [
        "trained by the plain trainer: packed batches do not serve RobertaForSequenceClassification"
    ] * 2
    assert {one.provenance for one in found} == {Provenance(trainer="plain")}


def test_a_step_that_was_not_captured_is_said(wanted, monkeypatch):
    def refuse(self, function):
        raise RuntimeError("not while capturing")

    monkeypatch.setattr(StandIn, "capture", refuse)
    (found,) = together(wanted(epochs=1), [0])

    assert found.notes == ("steps were not captured as a graph: not while capturing",)


def test_bad_input_is_refused_before_the_first_step(wanted, monkeypatch):
    def broken(task, source):
        raise BadInput("dev.tsv:7: only two columns")

    monkeypatch.setattr(prepared.catalog, "load", broken)

    with pytest.raises(BadInput, match=r"dev\.tsv:7: only two"):
        together(wanted(), [0, 1])


def test_time_is_a_seeds_share(wanted, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    (first, *_, last) = together(wanted(epochs=1), [0, 1])

    assert first.seconds == last.seconds
    assert first.epochs[0].seconds == 0.5  # one tick of the clock for two seeds


@pytest.mark.parametrize("seeds", [[], [0, 0]])
def test_no_seeds_and_a_seed_twice_are_refused(wanted, seeds):
    with pytest.raises(ValueError, match="wanted are one or more, each once"):
        together(wanted(), seeds)
