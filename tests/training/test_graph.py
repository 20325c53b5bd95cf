"""Steps that are captured and replayed on fixed buffers do what steps do; a stand-in takes the place of the GPU."""

import pytest
import torch
from alone_and_stacked import batches, compare, model, rows
from gpu_stand_in import StandIn

from progbench import Anatomy
from progbench.method import schedule
from progbench.training import chains
from progbench.training.graph import WARM_UP, Replayed
from progbench.training.optimizer import build_optimizer
from progbench.training.packed import PackedCollator
from progbench.training.packed_seeds import SeedCollator
from progbench.training.packing import pack
from progbench.training.side_by_side import StackedSeeds, stack
from progbench.training.step import Step

ROW = {"input_ids": [5, 6, 7], "labels": 1}


def batch(texts):
    return SeedCollator(PackedCollator(), pad=0, longest=8)([[ROW] * texts])


def test_a_stage_of_three_epochs_trains_as_alone_though_its_later_epochs_begin_with_replays(wanted):
    compare(wanted(epochs=3), "tiny-bert", "classification", "full", lambda L, T: schedule.constant(L, 3))


def ready(wanted, rate):
    """A step on a stacked model with this learning rate, and batches for it."""
    models = [model("tiny-bert", "classification", "full", seed) for seed in (0, 1)]
    packed = pack(models[0])
    stacked = stack(models)
    anatomy, axis = Anatomy.of(stacked), StackedSeeds(2)
    optimizer = build_optimizer(anatomy, wanted(weight_decay=0.0), axis, rate)
    step = Step(stacked, wanted(), optimizer, anatomy.parameters(), axis)
    make = SeedCollator(packed, pad=0, longest=16)
    return stacked, step, next(batches([rows("classification", 0)] * 2, 3, make))


@pytest.mark.parametrize("in_a_tensor", [True, False])
def test_a_replay_takes_the_learning_rate_that_the_tensor_holds_now(wanted, in_a_tensor):
    rate = torch.zeros((), dtype=torch.float64) if in_a_tensor else None
    stacked, step, one = ready(wanted, rate)
    run = Replayed(step, StandIn())
    for _ in range(WARM_UP + 2):
        run(one)
    assert len(run.captured) == 1
    before = stacked.classifier.weight.detach().clone()
    for group in step.optimizer.param_groups:
        group["lr"] = group["lr"].fill_(0.0) if in_a_tensor else 0.0
    run(one)

    # a number is part of the recording: it goes on moving the weights, which is why a tensor holds the rate
    assert torch.equal(stacked.classifier.weight, before) is in_a_tensor


def test_a_replay_computes_on_the_batch_it_is_given(wanted):
    stacked, step, one = ready(wanted, torch.zeros((), dtype=torch.float64))
    run = Replayed(step, StandIn())
    for _ in range(WARM_UP + 2):
        run(one)
    other = SeedCollator(pack(stacked), pad=0, longest=16)(
        [rows("classification", 2)[:3], rows("classification", 4)[:3]]
    )
    with torch.no_grad():
        expected = StackedSeeds(2).losses(stacked, other.inputs())

    assert other.form in run.captured
    torch.testing.assert_close(run(other), expected, rtol=0, atol=1e-12)


def test_the_first_steps_and_the_first_of_each_form_are_not_captured():
    run = Replayed(lambda inputs: inputs["labels"].sum(1), StandIn())
    kept = []
    for texts in (1, 1, 1, 1, 2, 2):
        run(batch(texts))
        kept.append(len(run.captured))

    assert kept == [0, 0, 0, 1, 1, 2]


def test_a_step_that_reads_a_number_is_seen_before_it_is_captured_and_runs_as_it_is():
    class Counting(StandIn):
        captures = 0

        def capture(self, function):
            self.captures += 1
            return super().capture(function)

    device = Counting()
    run = Replayed(lambda inputs: inputs["labels"].sum(1) * inputs["labels"].max().item(), device)
    found = [run(batch(2)).tolist() for _ in range(WARM_UP + 3)]

    assert found == [[2]] * (WARM_UP + 3)
    assert device.captures == 0
    assert run.refused == "steps were not captured as a graph: TensorBase.item"


def test_what_torch_waits_for_while_it_compiles_is_no_reason_not_to_capture(monkeypatch):
    steps, compiled = [], [0]

    def step(inputs):
        steps.append(inputs)
        if len(steps) == WARM_UP:  # in the step that is watched
            compiled[0] += 1
            inputs["labels"].max().item()
        return inputs["labels"].sum(1)

    monkeypatch.setattr(chains, "compilations", lambda: compiled[0])
    run, kept = Replayed(step, StandIn()), []
    for _ in range(WARM_UP + 2):
        run(batch(1))
        kept.append(len(run.captured))

    assert kept == [0] * (WARM_UP + 1) + [1]
    assert run.refused == ""


class Refusing(StandIn):
    def __init__(self, problem):
        super().__init__()
        self.problem, self.tried = problem, 0

    def capture(self, function):
        self.tried += 1
        raise self.problem


def test_a_step_whose_capture_fails_all_the_same_runs_as_it_is_and_says_why():
    device = Refusing(RuntimeError("operation not permitted when stream is capturing\nmore"))
    run = Replayed(lambda inputs: inputs["labels"].sum(1), device)
    found = [run(batch(2)).tolist() for _ in range(WARM_UP + 3)]

    assert found == [[2]] * (WARM_UP + 3)
    assert device.tried == 1
    assert run.refused == "steps were not captured as a graph: operation not permitted when stream is capturing"


def test_running_out_of_memory_in_a_capture_is_no_refusal():
    run = Replayed(lambda inputs: inputs["labels"].sum(1), Refusing(torch.OutOfMemoryError("CUDA out of memory")))
    for _ in range(WARM_UP):
        run(batch(1))

    with pytest.raises(torch.OutOfMemoryError):
        run(batch(1))


def test_losses_outlive_the_next_replay(wanted):
    _, step, one = ready(wanted, torch.zeros((), dtype=torch.float64))
    run = Replayed(step, StandIn())
    found = [run(one) for _ in range(WARM_UP + 4)]

    assert len({tuple(losses.tolist()) for losses in found}) == len(found)
