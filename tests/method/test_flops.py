"""The closed form of a step's cost against what torch counts while it runs."""

import dataclasses
import itertools
import random
import tomllib
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from progbench import Anatomy, apply_tuning
from progbench.errors import BadInput
from progbench.method import schedule
from progbench.method.counting import HEADS
from progbench.method.flops import step_flops
from progbench.method.options import TUNINGS
from progbench.models import loading
from progbench.models.spec import spec
from progbench.training import packing
from progbench.training.packed import groups_of

LENGTH_QUANTILES = Path(__file__).resolve().parents[2] / "benchmarks" / "lengths.toml"
LENGTHS = [3, 12, 5, 3]


def executed(name, tuning, head, trained):
    """What a step executes where these blocks train, an attention call for each length, so that nothing is padded.

    Dropout is on, so that attention is products that torch counts.
    """
    torch.manual_seed(0)
    model = loading.build(spec(name), 2, head)
    apply_tuning(model, tuning)
    packed = dataclasses.replace(packing.pack(model), most_padded=0)
    targets = {"labels": 1} if head == "classification" else {"start_positions": 1, "end_positions": 2}
    batch = packed([{"input_ids": list(range(5, 5 + length)), **targets} for length in LENGTHS])
    anatomy = Anatomy.of(model, tuning)
    model.train()
    counted = []
    for blocks in trained:
        anatomy.freeze(schedule.Stage(blocks))
        with FlopCounterMode(display=False) as counter:
            model(**batch).loss.backward()
        counted.append(counter.get_total_flops())
    return counted


def every_stage(L):
    """The blocks that train in any stage of any schedule, each range once."""
    plans = [
        make(L, 3) for make in (schedule.constant, schedule.shrinking, schedule.without_low_blocks, schedule.growing)
    ]
    return list(dict.fromkeys(stage.blocks for plan in (*plans, schedule.single_block(L, 3, 2)) for stage in plan))


def every_two():
    """Every two of model, tuning and head: a cost is a sum over modules, and none of them depends on all three."""
    for number, (name, tuning) in enumerate(itertools.product(("tiny-bert", "tiny-roberta", "tiny-mpnet"), TUNINGS)):
        yield name, tuning, [*HEADS][(number + number // len(TUNINGS)) % len(HEADS)]


@pytest.mark.parametrize(("name", "tuning", "head"), [*every_two()])
def test_a_step_executes_exactly_what_its_modules_add_up_to_in_every_stage(name, tuning, head):
    trained = every_stage(spec(name).blocks)
    wanted = [step_flops(name, blocks, tuning, head, lengths=LENGTHS) for blocks in trained]

    assert executed(name, tuning, head, trained) == wanted


@pytest.mark.parametrize("task", ["cola", "sst2", "mrpc", "rte", "stsb", "mnli", "qnli", "qqp"])
@pytest.mark.parametrize("name", ["minilm", "bert-base", "bert-large"])
def test_what_attention_pads_to_take_texts_together_is_below_two_percent_of_a_step(name, task):
    quantiles = tomllib.loads(LENGTH_QUANTILES.read_text())[task]["quantiles"]
    hidden, blocks = spec(name).hidden, spec(name).blocks
    batch = sorted(random.Random(0).choices(quantiles, k=32))
    masks = [group.mask for group in groups_of(batch, packing.MOST_PADDED) if group.mask is not None]
    padded = sum(len(mask) * mask.shape[-1] ** 2 - int(mask.sum(dim=-1).square().sum()) for mask in masks)

    # two products forward and four backward, of 2 * hidden operations a score, in every block
    assert 0 < 12 * hidden * padded * blocks < 0.02 * step_flops(name, range(blocks), lengths=batch)


def test_a_frozen_block_of_full_fine_tuning_saves_a_third_of_what_it_costs():
    """Forward, gradient of the input, gradient of the weights: the last is saved. Of attention, nothing."""
    lengths = [10] * 4
    whole, frozen = (step_flops("bert-base", blocks, lengths=lengths) for blocks in (range(12), range(1, 12)))

    # 40 tokens, 12 * 768^2 weights in a block
    assert whole - frozen == 2 * 40 * 12 * 768 * 768


def test_with_frozen_embeddings_nothing_is_computed_backward_below_the_lowest_trained_block():
    lengths = [10] * 4
    top, top_two = (
        step_flops("bert-base", blocks, "lora", lengths=lengths) for blocks in (range(11, 12), range(10, 12))
    )
    forward_of_a_block = 2 * 40 * 12 * 768 * 768 + 4 * 400 * 768 + 4 * 2 * 40 * 8 * 768

    # one more block trains: backward through its layers, and no further
    assert forward_of_a_block * 0.8 < top_two - top < forward_of_a_block * 1.5


def test_a_training_sets_lengths_are_read_as_often_for_many_blocks_as_for_few():
    class Lengths(list):
        read = 0

        def __iter__(self):
            self.read += 1
            return super().__iter__()

    few, many = Lengths([3, 9]), Lengths([3, 9])
    step_flops("tiny-bert", range(4), lengths=few)
    step_flops("bert-base", range(12), lengths=many)

    assert few.read == many.read


def test_an_unknown_tuning_is_refused():
    with pytest.raises(BadInput, match="unknown tuning 'prefix'"):
        step_flops("bert-base", range(12), "prefix", lengths=[1])
