"""The callback in Hugging Face's own Trainer, against the compact trainer, in float64 and without dropout."""

import math

import pytest
import torch
import trainers
from trainers import BATCH, EPOCHS, collate

from progbench import Anatomy, ProgressiveFreezing, apply_tuning
from progbench.errors import BadInput
from progbench.method.options import TUNINGS
from progbench.method.schedule import constant, growing, shrinking
from progbench.models import loading
from progbench.models.spec import spec
from progbench.training import fitting

ROWS = 20
STEPS = math.ceil(ROWS / BATCH)


def build():
    torch.manual_seed(0)
    model = loading.build(spec("tiny-bert"), num_labels=2).double()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.config.attention_probs_dropout_prob = 0.0
    return model


def rows():
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 100, (ROWS, 10), generator=generator)
    return [{"input_ids": ids[i], "labels": torch.tensor(i % 2)} for i in range(ROWS)]


def trainer(folder, model, callback, **changes):
    return trainers.trainer(folder, model, [callback], rows(), **changes)


@pytest.mark.parametrize(
    ("make", "tuning"), [(constant, "full"), (growing, "full"), *((shrinking, tuning) for tuning in TUNINGS)]
)
def test_trainer_with_the_callback_ends_where_the_compact_trainer_does(tmp_path, smoke_recipe, make, tuning):
    schedule = make(4, EPOCHS)
    theirs, ours = build(), build()
    for model in (theirs, ours):
        torch.manual_seed(2)
        apply_tuning(model, tuning)
    start = [parameter.detach().clone() for parameter in ours.parameters()]
    trainer(tmp_path, theirs, ProgressiveFreezing(schedule, tuning)).train()
    settings = {"learning_rate": 1e-3, "weight_decay": 0.01, "warmup": 2 / (STEPS * EPOCHS)}
    recipe = smoke_recipe(epochs=EPOCHS, tuning=tuning, **settings)

    def batches():
        return (collate(rows()[start : start + BATCH]) for start in range(0, ROWS, BATCH))

    list(fitting.fit(ours, recipe, schedule, batches, STEPS))
    moved = 0
    for (name, a), b, before in zip(theirs.named_parameters(), ours.parameters(), start, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")
        moved += not torch.equal(b, before)
    assert moved == len(Anatomy.of(ours, tuning).parameters())


@pytest.mark.parametrize(("accumulation", "steps"), [(2, 2), (4, 1)])
def test_with_gradient_accumulation_a_stage_still_lasts_an_epoch(tmp_path, accumulation, steps):
    run = trainer(
        tmp_path, build(), ProgressiveFreezing(shrinking(4, EPOCHS)), gradient_accumulation_steps=accumulation
    )

    assert recorded(run) == [0] * steps + [1] * steps + [2] * steps


def recorded(run):
    """How many blocks are frozen in each step of a Trainer's run."""
    recorder = trainers.Recorder(run.model.bert.encoder.layer)
    run.add_callback(recorder)
    run.train()
    return recorder.frozen


@pytest.mark.parametrize("epochs", [2, 4])
def test_epochs_that_are_not_the_schedules_stages_are_refused(tmp_path, epochs):
    with pytest.raises(BadInput, match=f"num_train_epochs={epochs}, but the schedule has 3 stages"):
        trainer(tmp_path, build(), ProgressiveFreezing(shrinking(4, 3)), num_train_epochs=epochs).train()


def test_max_steps_is_refused(tmp_path):
    words = r'max_steps=5 cuts epochs short.*num_train_epochs=3 instead, or .*by="fraction"'
    with pytest.raises(BadInput, match=words):
        trainer(tmp_path, build(), ProgressiveFreezing(shrinking(4, 3)), max_steps=5).train()


def test_a_schedule_for_another_depth_is_refused(tmp_path):
    with pytest.raises(BadInput, match="L=12 blocks, but BertForSequenceClassification has 4"):
        trainer(tmp_path, build(), ProgressiveFreezing(shrinking(12, 3))).train()


def test_blocks_frozen_before_the_optimizer_was_built_are_refused(tmp_path):
    model = build()
    Anatomy.of(model).freeze(growing(4, 3)[0])

    with pytest.raises(BadInput, match="everything in B1, B2 was frozen before training began"):
        trainer(tmp_path, model, ProgressiveFreezing(growing(4, 3))).train()


def test_an_own_architecture_trains_with_an_anatomy_taken_apart_by_hand(tmp_path):
    model = build()
    anatomy = Anatomy.split(
        model, embeddings=[model.bert.embeddings], blocks=list(model.bert.encoder.layer)[::-1],
        head=[model.bert.pooler, model.classifier],
    )  # fmt: skip
    run = trainer(tmp_path, model, ProgressiveFreezing(shrinking(4, EPOCHS), anatomy=anatomy))
    highest = trainers.Recorder(model.bert.encoder.layer[2:])
    run.add_callback(highest)

    assert (recorded(run)[-1], highest.frozen[-1]) == (2, 2)
