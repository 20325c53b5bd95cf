"""Runs of the callback that break off, and runs that go on from a checkpoint."""

import gc
import weakref

import pytest
import tiny
import transformers
from trainers import Do, build, halves, run, stop

from progbench import ProgressiveFreezing
from progbench.errors import BadInput
from progbench.method.schedule import growing


def interrupt(control):
    raise KeyboardInterrupt


def interrupted(folder, model):
    callback = ProgressiveFreezing(growing(4, 2))
    trainer, _ = build(folder, callback, Do(2, interrupt), model=model)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    return callback


def test_ctrl_c_while_attached_gives_the_model_back(tmp_path):
    model, callback = tiny.model("BERT"), ProgressiveFreezing(growing(4, 2))
    trainer, _ = build(tmp_path, callback, Do(2, interrupt), model=model)
    with pytest.raises(KeyboardInterrupt), callback.attached(trainer):
        trainer.train()

    assert all(parameter.requires_grad for parameter in model.parameters())


def test_after_ctrl_c_the_next_trainer_with_a_schedule_trains_all_of_the_model(tmp_path):
    model = tiny.model("BERT")
    interrupted(tmp_path, model)

    assert run(tmp_path, halves(), model=model) == [0] * 4 + [2] * 4
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_after_ctrl_c_the_next_trainer_without_a_schedule_is_given_all_of_the_model(tmp_path):
    model = tiny.model("BERT")
    interrupted(tmp_path, model)
    trainer, recorder = build(tmp_path, Do(0, stop), model=model)
    trainer.train()

    assert recorder.frozen == [0] * 8
    assert sum(len(group["params"]) for group in trainer.optimizer.param_groups) == len([*model.parameters()])


def test_after_ctrl_c_flags_that_somebody_changed_since_stay_and_are_said(tmp_path, caplog):
    model = tiny.model("BERT")
    interrupted(tmp_path, model)
    model.requires_grad_(False)
    model.classifier.requires_grad_(True)
    build(tmp_path, Do(0, stop), model=model)

    live = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert live == ["classifier.weight", "classifier.bias"]
    assert "were changed since: they stay as they are now" in caplog.text


def test_a_model_whose_run_broke_off_can_be_forgotten(tmp_path):
    model = tiny.model("BERT")
    interrupted(tmp_path, model)
    left = weakref.ref(model)
    del model
    gc.collect()

    assert left() is None


class Evaluates(transformers.TrainerCallback):
    """Makes a Trainer of its own of the model, after each step of a run."""

    def __init__(self, folder):
        self.folder = folder

    def on_step_end(self, args, state, control, model=None, **kwargs):
        build(self.folder, Do(0, stop), model=model)


def test_a_trainer_that_is_made_of_the_model_while_a_run_lasts_does_not_disturb_its_stages(tmp_path):
    model = tiny.model("BERT")

    assert run(tmp_path, halves(), Evaluates(tmp_path), model=model) == [0] * 4 + [2] * 4
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_after_ctrl_c_the_same_trainer_begins_anew_with_everything(tmp_path):
    callback, model, first = ProgressiveFreezing(growing(4, 2)), tiny.model("BERT"), Do(2, interrupt)
    trainer, recorder = build(tmp_path, callback, first, model=model)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    first.step = 0
    recorder.frozen.clear()
    trainer.train()

    assert recorder.frozen == [2] * 4 + [0] * 4


def test_after_ctrl_c_restore_gives_the_model_back(tmp_path):
    model = tiny.model("BERT")
    callback = interrupted(tmp_path, model)
    assert not all(parameter.requires_grad for parameter in model.parameters())
    callback.restore()

    assert all(parameter.requires_grad for parameter in model.parameters())


class NoRoom(transformers.TrainerCallback):
    """Runs out of memory once, in a stage that freezes."""

    def __init__(self):
        self.tries = 0

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 5 and not self.tries:
            self.tries += 1
            raise RuntimeError("CUDA out of memory.")


def test_a_smaller_batch_that_the_trainer_finds_begins_anew_with_everything(tmp_path):
    frozen = run(tmp_path, halves(), NoRoom(), auto_find_batch_size=True)

    assert frozen == [0] * 4 + [2] + [0] * 4 + [2] * 4  # this Trainer of the tests does not make its batches smaller


SAVING = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 1}


def stopped(folder, callback, after=3, **changes):
    run(folder, callback, Do(after, stop), **SAVING, **changes)


def resumed(folder, callback, **changes):
    trainer, recorder = build(folder, callback, **SAVING, **changes)
    trainer.train(resume_from_checkpoint=True)
    return recorder.frozen


def test_a_resumed_run_goes_on_in_its_fraction(tmp_path):
    stopped(tmp_path, halves(by="fraction"), after=2, max_steps=6)

    assert resumed(tmp_path, halves(by="fraction"), max_steps=6) == [0] + [2] * 3


@pytest.mark.parametrize("other", [ProgressiveFreezing(growing(4, 2)), halves(by=4)], ids=["schedule", "by"])
def test_resuming_with_another_schedule_is_refused(tmp_path, other):
    stopped(tmp_path, halves())

    with pytest.raises(BadInput, match=r"the checkpoint was made with another schedule: .*shrinking|'by': 'epoch'"):
        resumed(tmp_path, other)


@pytest.mark.parametrize(
    ("options", "before", "now", "lasts"),
    [
        # step 4 would be in the first half again, and in the first epoch
        ({"by": "fraction"}, {"max_steps": 6}, {"max_steps": 16}, "a share of them"),
        ({}, {}, {"per_device_train_batch_size": 1}, "an epoch, and an epoch has another number of steps now"),
    ],
)
def test_resuming_with_another_length_is_refused_where_it_moves_the_stages(tmp_path, options, before, now, lasts):
    stopped(tmp_path, halves(**options), after=4, **before)

    with pytest.raises(BadInput, match=f"run had [68] steps, and this one has 16.* a stage lasts {lasts}, so a block"):
        resumed(tmp_path, halves(**options), **now)


def test_a_run_in_stages_of_so_many_steps_may_go_on_longer(tmp_path):
    stopped(tmp_path, halves(by=2), after=3, max_steps=4)

    assert resumed(tmp_path, halves(by=2), max_steps=8) == [2] * 5


@pytest.mark.parametrize("after", [1, 3])
def test_resuming_a_run_that_had_no_schedule_is_refused(tmp_path, after):
    trainer, _ = build(tmp_path, Do(after, stop), **SAVING)
    trainer.train()

    with pytest.raises(BadInput, match="the checkpoint was made without ProgressiveFreezing"):
        resumed(tmp_path, halves())
