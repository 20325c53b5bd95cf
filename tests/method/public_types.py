"""What a type checker sees of the public names: mypy reads this file in lint; nobody runs it."""

from typing import assert_type

from torch import nn
from transformers import Trainer

from progbench import (
    Anatomy,
    ProgressiveFreezing,
    Schedule,
    Stage,
    apply_tuning,
    constant,
    growing,
    load_tuning,
    save_tuning,
    shrinking,
    single_block,
    updated_parameters,
    without_low_blocks,
)


def schedules() -> None:
    for make in (constant, growing, shrinking, without_low_blocks):
        assert_type(make(12, 3), Schedule)
    assert_type(single_block(12, 3, 0), Schedule)
    assert_type(shrinking(L=12, T=3)[0], Stage)
    assert_type(shrinking(L=12, T=3).T, int)


def models(model: nn.Module, trainer: Trainer) -> None:
    apply_tuning(model, "lora", rank=8)
    anatomy = Anatomy.of(model, "lora")
    assert_type(anatomy, Anatomy)
    assert_type(Anatomy.of(model, blocks="encoder.layers"), Anatomy)
    assert_type(anatomy.count(shrinking(12, 3)[0]), int)
    with anatomy.staged(shrinking(12, 3)) as stages:
        assert_type([stage.blocks for stage in stages], list[range])
    save_tuning(model, "lora")
    load_tuning(model, "lora", merge=True)
    assert_type(updated_parameters(model, shrinking(12, 3)), int)
    assert_type(updated_parameters("bert-base", shrinking(12, 3), num_labels=3), int)
    trainer.add_callback(ProgressiveFreezing(shrinking(12, 3), tuning="lora", by="fraction"))
    ProgressiveFreezing(shrinking(12, 3)).plan(model)
