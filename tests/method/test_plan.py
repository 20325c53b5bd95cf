"""The plan before training, by hand: two blocks of 4 x 4 weights and 4 biases, E 9 x 4, H 4 x 2 + 2."""

import pytest
import tiny
import transformers
from torch import nn

from progbench import Anatomy, ProgressiveFreezing, updated_parameters
from progbench.errors import BadInput
from progbench.method import plan
from progbench.method.schedule import constant, growing, shrinking
from progbench.models.loading import build
from progbench.models.spec import spec


def net():
    return nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))


def anatomy(model):
    return Anatomy.split(model, embeddings=["0"], blocks=["1", "2"], head=["3"])


def test_elements_add_up_over_the_stages():
    found = plan.rows(anatomy(net()), shrinking(2, 2))

    assert [(row.trainable, row.updated) for row in found] == [(36 + 20 + 20 + 10, 86), (36 + 20 + 10, 86 + 66)]


def test_a_frozen_block_saves_the_third_of_its_operations_that_is_its_weights_gradient():
    found = plan.rows(anatomy(net()), shrinking(2, 2))

    assert [row.flops for row in found] == [(6 + 6) * 16, (4 + 6) * 16]


def test_with_frozen_embeddings_nothing_travels_back_through_the_frozen_blocks_below():
    model = net()
    model[0].requires_grad_(False)
    found = plan.rows(anatomy(model).without_frozen(shrinking(2, 2)), shrinking(2, 2))

    assert [row.flops for row in found] == [(6 + 6) * 16, (2 + 6) * 16]


def test_the_optimizer_holds_two_numbers_of_four_bytes_for_all_that_has_trained():
    assert [row.moments for row in plan.rows(anatomy(net()), growing(2, 2))] == [8 * 66, 8 * 86]
    assert [row.moments for row in plan.rows(anatomy(net()), shrinking(2, 2))] == [8 * 86, 8 * 86]


def test_the_plan_counts_what_the_closed_form_counts():
    model = build(spec("tiny-roberta"), num_labels=2)
    schedule = shrinking(spec("tiny-roberta").blocks, 3)

    assert plan.rows(Anatomy.of(model), schedule)[-1].updated == updated_parameters("tiny-roberta", schedule)


def test_the_callback_prints_its_plan_and_leaves_the_model_as_it_is(capsys):
    model = tiny.model("GPT-2")
    ProgressiveFreezing(shrinking(4, 2)).plan(model)
    lines = capsys.readouterr().out.splitlines()

    assert [line.split()[:2] for line in lines[2:4]] == [["1", "B1-B4"], ["2", "B3-B4"]]
    assert "nor the way back: E trains in every stage" in lines[-2]
    assert all(parameter.requires_grad for parameter in model.parameters())


def mixture():
    configuration = transformers.MixtralConfig(
        vocab_size=60, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=1,
    )  # fmt: skip
    return Anatomy.of(transformers.MixtralForCausalLM(configuration))


def test_of_a_mixture_the_experts_count_that_a_token_is_sent_to():
    """By hand: four 16 x 16 in attention, a router of 4 x 16, and one expert of three 16 x 32; three passes."""
    row, _ = plan.rows(mixture(), constant(2, 2))

    assert row.flops == 6 * 2 * (4 * 16 * 16 + 4 * 16 + 3 * 16 * 32)
    assert "with 1 of 4 experts a token" in plan.plan(mixture(), constant(2, 2))


def test_a_schedule_for_another_depth_has_no_plan():
    with pytest.raises(BadInput, match="cut for L=12 blocks"):
        plan.rows(anatomy(net()), shrinking(12, 3))
