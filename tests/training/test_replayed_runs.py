"""Whole runs of seeds side by side whose steps are replayed, by the GPU's stand-in, from the second step of a stage on.

Each ends as the run whose steps run as they are, to the last bit, dropout and all.
"""

import dataclasses

import interrupted
import pytest
import torch
from interrupted import Stopped, learnt

from progbench.recipes import reading
from progbench.training import graph, prepared, train
from progbench.training.checkpoints import Checkpoints
from progbench.training.side_by_side import StackedSeeds

pytestmark = pytest.mark.usefixtures("forty_rows")


def recipe(file="glue", task="rte", model="tiny-roberta", tuning="full", schedule="shrinking", **changes):
    read = reading.read("smoke", file, model=model, tuning=tuning, schedule=schedule, task=task)
    return dataclasses.replace(read, **{"epochs": 2, "batch_size": 8} | changes)


made = {}  # what replayed runs learnt that several tests look at


class Trained:
    """Runs of two seeds: what each learnt, all weights after each epoch, and the steps that were replayed."""

    def __init__(self, monkeypatch):
        self.monkeypatch, self.weights, self.runs = monkeypatch, interrupted.watch(monkeypatch), []
        call = graph.Stages.__call__
        monkeypatch.setattr(graph.Stages, "__call__", lambda *given: self.runs.append(call(*given)) or self.runs[-1])

    def __call__(self, wanted, *, warm_up=1, kept=None):
        self.weights.clear(), self.runs.clear()
        self.monkeypatch.setattr(graph, "WARM_UP", warm_up)
        found = list(train.train_together(wanted, (0, 2), "cpu", 1, kept))
        assert [one.refused for one in self.runs if one.refused] == []
        return [learnt(one) if not one.error else one.error for one in found], list(self.weights)

    def once(self, wanted):
        """What a replayed run learnt, without another where one was made."""
        if wanted not in made:
            made[wanted] = self(wanted)
        return made[wanted]

    @property
    def replays(self):
        return sum({id(one): one.replays for one in self.runs}.values())


@pytest.fixture
def trained(monkeypatch):
    return Trained(monkeypatch)


NEVER = 10**6  # steps of a warm-up that does not end
CONSTANT = recipe(schedule="constant")


@pytest.mark.parametrize(
    "wanted",
    [
        CONSTANT,
        recipe(file="peft", tuning="lora"),
        recipe(file="peft", tuning="adapter", precision="bf16"),
        recipe(model="tiny-mpnet"),
        recipe(file="squad", task="squad2", model="tiny-bert", schedule="constant"),
    ],
    ids=lambda one: f"{one.id} {one.precision}",
)
def test_a_replayed_run_is_the_run_whose_steps_run_as_they_are(trained, wanted):
    """Every tuning's replays, without dropout, are in test_oracle."""
    through = trained(wanted, warm_up=NEVER)
    assert trained.replays == 0
    replayed = trained.once(wanted)

    assert trained.replays > wanted.epochs
    assert replayed == through


def test_a_run_that_stopped_within_an_epoch_goes_on_with_replays_and_ends_as_one_that_went_through(
    trained, tmp_path, monkeypatch
):
    through = trained.once(CONSTANT)
    interrupted.often(monkeypatch)
    kept, save = Checkpoints(tmp_path / "digest"), Checkpoints.save

    def stop(self, past, made, steps):
        save(self, past, made, steps)
        if steps == 6:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", stop)
        with pytest.raises(Stopped):
            trained(CONSTANT, kept=kept)
    found, weights = trained(CONSTANT, kept=kept)

    assert trained.replays
    assert found == through[0]
    assert weights[-1] == through[1][-1]


class Broken(StackedSeeds):
    """In the seventh step the second seed's loss is not a number: by what lies in memory, as a replay needs it."""

    def losses(self, model, batch):
        self.steps = getattr(self, "steps", torch.zeros(()))
        self.steps.add_(1)
        found = super().losses(model, batch)
        return found.where((torch.arange(len(found)) != 1) | (self.steps != 7), torch.nan)


def test_a_seed_that_fails_in_a_replay_is_its_own_error_and_the_others_go_on(trained, monkeypatch):
    whole, _ = trained.once(CONSTANT)
    monkeypatch.setattr(prepared, "StackedSeeds", Broken)
    found, _ = trained(CONSTANT)

    assert trained.replays > 10 - 7  # of ten steps: not the last alone
    assert found == [whole[0], "epoch 2, step 2: the loss is nan"]
