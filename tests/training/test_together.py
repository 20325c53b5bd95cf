"""Whole runs of several seeds side by side: results, failures, shared epochs, memory."""

import math
import time

import pytest
import torch
from gpu_stand_in import StandIn

from progbench.errors import BadInput
from progbench.runs.run_result import Provenance
from progbench.training import fitting, graph, packed_seeds, prepared, text_groups, train
from progbench.training.checkpoints import Checkpoints, made_with
from progbench.training.graph import Stages
from progbench.training.side_by_side import StackedSeeds

pytestmark = pytest.mark.usefixtures("two_dozen_rows")
SEEDS = (0, 2, 3)


@pytest.fixture(autouse=True)
def as_it_is(monkeypatch):
    """Steps run as they are: what their replays compute is in test_replayed_runs."""
    monkeypatch.setattr(graph, "WARM_UP", 10**6)


@pytest.fixture
def replayed(as_it_is, monkeypatch):
    """Steps are replayed from a stage's second one on: of one length of bins, so that each has the same form."""
    monkeypatch.setattr(graph, "WARM_UP", 1)
    monkeypatch.setattr(packed_seeds, "in_bins", lambda lengths, _: text_groups.in_bins(lengths, (128,)))


@pytest.fixture
def wanted(smoke_recipe):
    def make(**changes):
        return smoke_recipe(**{"model": "tiny-roberta", "epochs": 2, "task": "rte", "batch_size": 6} | changes)

    return make


whole = {}  # what a recipe's seeds learnt that nothing disturbed


def together(recipe, seeds, **options):
    return list(train.train_together(recipe, seeds, "cpu", 1, **options))


def undisturbed(recipe):
    if recipe not in whole:
        whole[recipe] = together(recipe, SEEDS)
    return whole[recipe]


def learnt(result):
    return [(one.scores, one.loss) for one in result.epochs]


def test_a_result_names_the_seeds_it_was_trained_with_and_what_each_updated_is_what_its_schedule_plans(wanted):
    found = undisturbed(wanted())

    assert [(one.seed, one.provenance.side_by_side) for one in found] == [(seed, SEEDS) for seed in SEEDS]
    assert [sum(epoch.updated_parameters for epoch in one.epochs) for one in found] == [wanted().planned()] * 3


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
    """And the same company gives the same scores."""
    monkeypatch.setattr(prepared, "StackedSeeds", Broken)
    first, second, third = together(wanted(), SEEDS)

    assert (second.error, second.final, second.epochs) == ("epoch 1, step 3: the loss is nan", True, ())
    assert [learnt(first), learnt(third)] == [learnt(undisturbed(wanted())[place]) for place in (0, 2)]


def test_where_no_seed_is_left_training_stops(wanted, monkeypatch):
    losses = StackedSeeds.losses
    monkeypatch.setattr(StackedSeeds, "losses", lambda self, model, batch: losses(self, model, batch) * math.nan)
    trained = []
    step = fitting.Step.__call__
    monkeypatch.setattr(fitting.Step, "__call__", lambda self, batch: trained.append(1) or step(self, batch))
    found = together(wanted(), [0, 1, 2])

    assert [one.error for one in found] == ["epoch 1, step 1: the loss is nan"] * 3
    assert len(trained) == 1


def test_epochs_that_two_schedules_share_are_taken_over_by_the_same_seeds_also_one_that_failed_there(
    wanted, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "StackedSeeds", Broken)
        first, *_ = together(
            wanted(schedule="constant"), SEEDS, kept=Checkpoints(tmp_path / "first", 1, (tmp_path / "second",))
        )
    kept = Checkpoints(tmp_path / "second")
    of_seeds = [
        kept.load(made_with(seeds, "cpu", 1, first.fingerprints, together=True))[0]
        for seeds in (SEEDS, (0, 2, 4), (0, 2))
    ]
    steps, step = [], fitting.Step.__call__
    monkeypatch.setattr(fitting.Step, "__call__", lambda self, batch: steps.append(1) or step(self, batch))
    taken = together(wanted(), SEEDS, kept=kept)

    assert len(steps) == 4  # of the second epoch
    assert [one.error for one in taken] == ["", "epoch 1, step 3: the loss is nan", ""]
    assert [learnt(taken[place]) for place in (0, 2)] == [learnt(undisturbed(wanted())[place]) for place in (0, 2)]
    assert of_seeds[0].seeds == SEEDS
    assert of_seeds[1:] == [None, None]


def test_a_stage_that_goes_on_keeps_its_graphs_and_another_lets_them_go(replayed, wanted, monkeypatch):
    seen, call = [], Stages.__call__

    def noted(self, step):
        run = call(self, step)
        seen.append((id(run), sum(len(one.captured) for one in made)))
        made.append(run) if run not in made else None
        return run

    made = []
    monkeypatch.setattr(Stages, "__call__", noted)
    together(wanted(schedule="constant"), [0])
    assert len({one for one, _ in seen}) == 1
    assert seen[1][1] > 0
    seen.clear(), made.clear()
    together(wanted(), [0])

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


def test_a_step_that_was_not_captured_is_said(replayed, wanted, monkeypatch):
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
