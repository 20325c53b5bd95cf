"""The callback in the Trainer against a plain loop, in float64; accumulation, bf16, checkpointing, resuming."""

import pytest
import tiny
import torch
import trainers

from progbench import Anatomy, ProgressiveFreezing
from progbench.method.schedule import growing, shrinking

PLAIN = {
    "learning_rate": 1e-2, "weight_decay": 0.0, "warmup_steps": 0, "max_grad_norm": 0.0, "num_train_epochs": 2,
    "lr_scheduler_type": "constant", "per_device_train_batch_size": 2,
}  # fmt: skip


def build(name):
    """In float64 and without dropout."""
    configuration, make = tiny.MODELS[name]
    configuration = configuration()
    for key, value in vars(configuration).items():
        if "drop" in key and isinstance(value, float):
            setattr(configuration, key, 0.0)
    torch.manual_seed(0)
    return make(configuration).double()


def rows(name):
    doubled = {"pixel_values": torch.Tensor.double}
    return [{key: doubled.get(key, lambda x: x)(value) for key, value in row.items()} for row in tiny.rows(name)]


def loop(model, schedule, found, batch):
    """Two epochs, written out."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    with Anatomy.of(model).staged(schedule, optimizer) as stages:
        for _ in stages:
            for start in range(0, len(found), batch):
                model(**trainers.collate(found[start : start + batch])).loss.backward()
                optimizer.step()
                optimizer.zero_grad()


@pytest.mark.parametrize(
    ("name", "make", "changes", "batch"),
    [
        *((name, make, {}, 2) for name in ("ModernBERT", "MPNet", "ViT") for make in (shrinking, growing)),
        ("ViT", shrinking, {"gradient_accumulation_steps": 2}, 4),
        ("ModernBERT", shrinking, {"activation_checkpointing": True}, 2),
    ],
)
def test_the_trainer_ends_where_a_plain_loop_does(tmp_path, name, make, changes, batch):
    start, theirs, ours, data = build(name), build(name), build(name), rows(name)
    trainers.trainer(tmp_path, theirs, [ProgressiveFreezing(make(4, 2))], data, **PLAIN, **changes).train()
    loop(ours, make(4, 2), data, batch)

    for (path, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9, msg=lambda text, path=path: f"{path}: {text}")
    assert any(not torch.equal(a, b) for a, b in zip(ours.parameters(), start.parameters(), strict=True))


def test_in_bf16_exactly_the_stage_moves(tmp_path):
    model, schedule, found = tiny.model("ModernBERT"), shrinking(4, 2), tiny.rows("ModernBERT")
    anatomy, watch = Anatomy.of(model), trainers.Watch(model)
    names = anatomy.names()
    settings = PLAIN | {"bf16": True}
    trainers.trainer(tmp_path, model, [ProgressiveFreezing(schedule), watch], found, **settings).train()

    assert watch.moved == [{names[id(p)] for p in anatomy.trainable(stage)} for stage in schedule]
    assert watch.updated == [anatomy.count(stage) for stage in schedule]


@pytest.mark.parametrize("steps", [4, 6], ids=["between two stages", "within an epoch"])
def test_a_run_that_is_resumed_ends_where_a_whole_one_does(tmp_path, steps):
    whole, first, second = build("ModernBERT"), build("ModernBERT"), build("ModernBERT")
    found, saving = rows("ModernBERT"), {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 1}

    def run(model, *others, folder="run"):
        callbacks = [ProgressiveFreezing(shrinking(4, 2)), *others]
        return trainers.trainer(tmp_path / folder, model, callbacks, found, **PLAIN, **saving)

    run(whole, folder="whole").train()
    run(first, trainers.StopAfter(steps)).train()
    run(second).train(resume_from_checkpoint=True)

    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))
