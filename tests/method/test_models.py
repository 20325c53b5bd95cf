"""Every architecture of `tiny`, trained in the Trainer: exactly the stage moves, and what moves is what is counted."""

import pytest
import tiny
import trainers

from progbench import Anatomy, ProgressiveFreezing, updated_parameters
from progbench.method.schedule import constant, growing, shrinking

SETTINGS = {"per_device_train_batch_size": 2, "learning_rate": 1e-2, "warmup_steps": 0}


@pytest.mark.parametrize("make", [constant, shrinking, growing])
@pytest.mark.parametrize("name", tiny.MODELS)
def test_in_each_epoch_the_stage_moves_and_nothing_else_by_a_bit(tmp_path, name, make):
    model, schedule = tiny.model(name), make(tiny.BLOCKS, trainers.EPOCHS)
    anatomy, watch = Anatomy.of(model), trainers.Watch(model)
    names = anatomy.names()
    trainers.trainer(tmp_path, model, [ProgressiveFreezing(schedule), watch], tiny.rows(name, 6), **SETTINGS).train()

    assert watch.moved == [{names[id(p)] for p in anatomy.trainable(stage)} for stage in schedule]
    assert sum(watch.updated) == updated_parameters(model, schedule)
