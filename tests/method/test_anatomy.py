import pytest
import torch
import transformers
from torch import nn

from progbench import Anatomy
from progbench.errors import BadInput
from progbench.method.schedule import Stage, constant, shrinking
from progbench.models import loading
from progbench.models.spec import spec

TINY = ["tiny-bert", "tiny-roberta"]


def build(name):
    return loading.build(spec(name), num_labels=2)


def names_of(model, parameters):
    wanted = {id(parameter) for parameter in parameters}
    return {name for name, parameter in model.named_parameters() if id(parameter) in wanted}


@pytest.mark.parametrize(
    ("name", "modules"),
    [("tiny-bert", ("bert.pooler.dense", "classifier")), ("tiny-roberta", ("classifier.dense", "classifier.out_proj"))],
)
def test_the_head_is_the_dense_and_the_output_layer(name, modules):
    model = build(name)

    assert names_of(model, Anatomy.of(model).head) == {
        f"{module}.{what}" for module in modules for what in ("weight", "bias")
    }


@pytest.mark.parametrize("name", TINY)
def test_block_number_follows_the_encoders_order(name):
    model = build(name)
    anatomy = Anatomy.of(model)

    assert spec(name).blocks == anatomy.L
    assert all(
        f".layer.{number}." in found for number in range(anatomy.L) for found in names_of(model, anatomy.blocks[number])
    )


def test_unfreeze_lets_all_that_a_stage_froze_train_again():
    model = build("tiny-bert")
    anatomy = Anatomy.of(model)
    anatomy.freeze(Stage(range(3, 4)))
    frozen = [parameter.requires_grad for parameter in model.parameters()]
    anatomy.unfreeze()

    assert not all(frozen)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_bare_encoder_without_classifier_is_taken_apart_too():
    model = build("tiny-bert").bert

    assert names_of(model, Anatomy.of(model).head) == {"pooler.dense.weight", "pooler.dense.bias"}


def test_weights_tied_between_embeddings_and_head_count_once():
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
    )
    model = transformers.BertForMaskedLM(config)
    anatomy = Anatomy.of(model)

    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    assert anatomy.count(Stage(range(2))) == sum(parameter.numel() for parameter in model.parameters())


def test_weights_shared_by_two_blocks_are_refused_by_name():
    block = nn.Linear(2, 2)
    net = nn.Sequential(nn.Embedding(3, 2), block, block, nn.Linear(2, 1))

    with pytest.raises(BadInput, match=r"1\.weight is shared by block 0 and block 1"):
        Anatomy.split(net, embeddings=[net[0]], blocks=[net[1], net[2]], head=[net[3]])


def test_a_parameter_in_no_part_is_refused_by_name():
    model = build("tiny-bert")
    model.bert.encoder.register_parameter("prompt", nn.Parameter(torch.zeros(3)))

    with pytest.raises(BadInput, match=r"in no component of Eq. 1 .*: bert\.encoder\.prompt; name its components"):
        Anatomy.of(model)


def test_freezing_leaves_exactly_the_stage_trainable():
    model = build("tiny-bert")
    Anatomy.of(model).freeze(Stage(range(2, 4)))
    live = {name for name, parameter in model.named_parameters() if parameter.requires_grad}

    assert {name.split("layer.")[1][0] for name in live if "layer." in name} == {"2", "3"}
    assert {name for name, _ in model.named_parameters() if "layer." not in name} <= live


def test_freezing_drops_the_gradient_of_what_it_freezes():
    model = build("tiny-bert")
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    anatomy = Anatomy.of(model)
    anatomy.freeze(Stage(range(3, 4)))

    assert all(parameter.grad is None for block in anatomy.blocks[:3] for parameter in block)
    assert all(parameter.grad is not None for parameter in anatomy.trainable(Stage(range(3, 4))))


def test_counting_sums_the_stages():
    anatomy = Anatomy.of(build("tiny-bert"))  # E 20,736, a block 33,472, H 4,290: see expected/smoke/figure4.toml

    assert anatomy.updated_parameters(shrinking(4, 2)) == 2 * (20_736 + 4_290) + (4 + 2) * 33_472


def test_counting_with_a_schedule_for_another_depth_is_refused():
    with pytest.raises(BadInput, match="cut for L=12 blocks, but BertForSequenceClassification has 4"):
        Anatomy.of(build("tiny-bert")).updated_parameters(constant(12, 3))


def test_a_stage_with_a_block_the_model_has_not_is_refused():
    with pytest.raises(BadInput, match=r"the stage trains blocks \[3, 4\], but BertForSequenceClassification has 4"):
        Anatomy.of(build("tiny-bert")).freeze(Stage(range(3, 5)))
