"""Algorithm 1, lines 1 to 3: what each tuning adds or selects, counted and computed by hand."""

import functools
import math

import peft
import pytest
import torch
import transformers

from progbench import Anatomy, apply_tuning, updated_parameters
from progbench.errors import BadInput
from progbench.method import schedule
from progbench.method.counting import sizes
from progbench.method.schedule import SCHEDULES, Stage
from progbench.method.tuning import Adapter
from progbench.models import loading
from progbench.models.spec import spec
from progbench.training import fitting

PEFT = ["adapter", "bitfit", "lora"]
TINY = ["tiny-bert", "tiny-roberta"]
BERT_BASE = spec("bert-base")


def tiny(name, tuning):
    torch.manual_seed(0)
    model = loading.build(spec(name), num_labels=2)
    apply_tuning(model, tuning)
    return model


@functools.cache
def on_meta(name, tuning):
    with torch.device("meta"):
        model = loading.build(spec(name), num_labels=2)
        apply_tuning(model, tuning)
    return model


def batches(steps=4):
    generator = torch.Generator().manual_seed(0)
    return [
        {"input_ids": torch.randint(5, 100, (4, 9), generator=generator), "labels": torch.tensor([0, 1, 0, 1])}
        for _ in range(steps)
    ]


def test_lora_adds_294_912_parameters_to_bert_base():
    """Rank 8 on query and value: 12 blocks, 2 matrices, each 8 * 768 down and 768 * 8 up."""
    added = sum(p.numel() for p in on_meta("bert-base", "lora").parameters()) - 109_483_778

    assert added == 12 * 2 * (8 * 768 + 768 * 8) == 294_912


def test_adapters_add_1_789_056_parameters_to_bert_base():
    """Two a block, 768 to 768 / 16 = 48 and back, with biases: 149,088 a block."""
    added = sum(p.numel() for p in on_meta("bert-base", "adapter").parameters()) - 109_483_778

    assert added == 12 * 2 * (768 * 48 + 48 + 48 * 768 + 768) == 12 * 149_088 == 1_789_056


def test_bitfit_trains_8_448_biases_a_block():
    """Query, key, value, attention output: 4 * 768; LayerNorm 768; feed-forward 3,072 and 768; LayerNorm 768."""
    anatomy = Anatomy.of(on_meta("bert-base", "bitfit"), "bitfit")

    assert [sum(p.numel() for p in block) for block in anatomy.blocks] == [4 * 768 + 768 + 3072 + 768 + 768] * 12
    assert 4 * 768 + 768 + 3072 + 768 + 768 == 8_448


@pytest.mark.parametrize(
    ("tuning", "embeddings", "bert_head", "roberta_head"),
    [
        ("adapter", 0, 768 * 2 + 2, 768 * 768 + 768 + 768 * 2 + 2),
        ("bitfit", 768, 768 + 768 * 2 + 2, 768 * 768 + 768 + 768 * 2 + 2),
        ("lora", 0, 768 * 2 + 2, 768 * 768 + 768 + 768 * 2 + 2),
    ],
)
def test_what_trains_in_embeddings_and_head_is_the_table_of_the_module(tuning, embeddings, bert_head, roberta_head):
    bert, roberta = (Anatomy.of(on_meta(name, tuning), tuning) for name in ("bert-base", "roberta-base"))

    assert [sum(p.numel() for p in part) for part in (bert.embeddings, bert.head)] == [embeddings, bert_head]
    assert [sum(p.numel() for p in part) for part in (roberta.embeddings, roberta.head)] == [embeddings, roberta_head]


@pytest.mark.parametrize("name", ["bert-base", "roberta-base", "mpnet", *TINY])  # others differ in their sizes alone
@pytest.mark.parametrize("tuning", PEFT)
def test_closed_form_equals_the_tuned_model_under_every_schedule(name, tuning):
    model = on_meta(name, tuning)
    for make in SCHEDULES.values():
        stages = make(spec(name).blocks, 3)
        assert updated_parameters(name, stages, tuning) == updated_parameters(model, stages, tuning)


def test_rank_targets_and_reduction_change_the_count_as_arithmetic_says():
    assert sizes(BERT_BASE, 2, "lora", rank=4, targets=("query", "key", "value")).block == 3 * 4 * 2 * 768
    assert sizes(BERT_BASE, 2, "adapter", reduction=12).block == 2 * (768 * 64 + 64 + 64 * 768 + 768)


@pytest.mark.parametrize(
    ("name", "tuning", "make"),
    # every schedule, and for each tuning one that freezes low blocks and one that freezes high ones, on either model
    [("tiny-bert", PEFT[number % 3], make) for number, make in enumerate(SCHEDULES.values())]
    + [("tiny-roberta", tuning, make) for tuning in PEFT for make in (schedule.shrinking, schedule.growing)],
)
def test_in_each_epoch_the_stage_moves_and_nothing_else_by_a_bit(smoke_recipe, name, tuning, make):
    model, stages = tiny(name, tuning), make(spec(name).blocks, 3)
    anatomy = Anatomy.of(model, tuning)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for trained in fitting.fit(model, smoke_recipe(epochs=3, warmup=0.0, tuning=tuning), stages, lambda: batches(2), 2):
        live = {id(parameter) for parameter in anatomy.trainable(stages[trained.t])}
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter, before[name]) is (id(parameter) not in live), name
        assert trained.updated_parameters == anatomy.count(stages[trained.t]) > 0
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_an_adapter_on_paper():
    """Hidden 2, bottleneck 1, x = (1, 2): down 3 * 1 + 0 * 2 - 1 = 2, swish 2 / (1 + e^-2), up (1, -1), bias (0, 5)."""
    adapter = Adapter(hidden=2, bottleneck=1)
    with torch.no_grad():
        adapter.down.weight.copy_(torch.tensor([[3.0, 0.0]]))
        adapter.down.bias.copy_(torch.tensor([-1.0]))
        adapter.up.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        adapter.up.bias.copy_(torch.tensor([0.0, 5.0]))
    swish = 2 / (1 + math.exp(-2))

    torch.testing.assert_close(adapter(torch.tensor([1.0, 2.0])), torch.tensor([1 + swish, 2 - swish + 5]))


def test_adapted_logits_equal_those_of_the_sublayers_written_out():
    """Houlsby's Figure 2: LayerNorm(x + adapter(sublayer(x))), by hand for the first block's two sublayers."""
    model = tiny("tiny-bert", "adapter").eval()
    block = model.bert.encoder.layer[0]
    x = torch.randn(1, 3, 64, generator=torch.Generator().manual_seed(1))

    def adapted(y, adapter):
        middle = y @ adapter.down.weight.T + adapter.down.bias
        return y + (middle * torch.sigmoid(middle)) @ adapter.up.weight.T + adapter.up.bias

    attended = block.attention.self(x)[0]
    out = block.attention.output
    first = out.LayerNorm(x + adapted(out.dense(attended), out.dropout[1]))
    wide = torch.nn.functional.gelu(block.intermediate.dense(first))
    second = block.output.LayerNorm(first + adapted(block.output.dense(wide), block.output.dropout[1]))
    found = block(x)
    found = found[0] if isinstance(found, tuple) else found

    torch.testing.assert_close(found, second, rtol=0, atol=1e-5)


def test_lora_is_alpha_over_rank_times_the_product_of_its_matrices():
    model = loading.build(spec("tiny-bert"), num_labels=2)
    apply_tuning(model, "lora", rank=2, alpha=6)
    query = model.bert.encoder.layer[0].attention.self.query
    a, b = query.lora_A["default"].weight, query.lora_B["default"].weight
    torch.nn.init.normal_(b)
    x = torch.randn(3, 64)
    base = x @ query.base_layer.weight.T + query.base_layer.bias

    torch.testing.assert_close(query(x), base + 6 / 2 * (x @ a.T @ b.T))


@pytest.mark.parametrize("tuning", ["adapter", "lora"])
def test_the_two_schedules_of_a_seed_start_from_the_same_new_weights(tuning):
    first, second = (tiny("tiny-bert", tuning) for _ in range(2))

    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_applying_a_tuning_freezes_the_rest():
    model = tiny("tiny-bert", "bitfit")

    assert {n.rpartition(".")[2] for n, p in model.named_parameters() if p.requires_grad} == {"bias", "weight"}
    assert [n for n, p in model.named_parameters() if p.requires_grad and n.endswith("weight")] == ["classifier.weight"]


def bloom():
    return transformers.BloomModel(transformers.BloomConfig(n_layer=1, hidden_size=8, n_head=1, vocab_size=9))


@pytest.mark.parametrize(
    ("make", "tuning", "options", "problem"),
    [
        (bloom, "adapter", {}, "where 'bloom' closes its sublayers, behind which adapters go, is not known"),
        (None, "lora", {"targets": ("q_proj",)}, "target 'q_proj' matches nothing in the attention, which has query"),
        (None, "lora", {"targets": ()}, r"targets = \(\): allowed is one or more"),
        (None, "lora", {"targets": 5}, "targets = 5: allowed is one or more names"),
        (None, "lora", {"targets": "query"}, "targets = 'query': allowed is one or more names"),
        (None, "lora", {"targets": (["query"],)}, "allowed is one or more names of projections"),
        (None, "lora", {"targets": ("query", "query")}, "allowed is one or more names of projections, each once"),
        (None, "lora", {"targets": ("dropout",)}, "'dropout' matches nothing in the attention, which has query"),
        (None, "lora", {"rank": 0}, "rank = 0: allowed is a whole number of at least 1"),
        (None, "lora", {"reduction": 8}, "the tuning lora has no option 'reduction'; it has rank, alpha, targets"),
        (None, "adapter", {"reduction": 65}, "reduction = 65 leaves nothing of the hidden size 64"),
        (None, "prefix", {}, "unknown tuning 'prefix': known are full, adapter, bitfit, lora"),
    ],
)  # fmt: skip
def test_a_wrong_combination_is_refused_by_name(make, tuning, options, problem):
    model = make() if make else loading.build(spec("tiny-bert"), num_labels=2)

    with pytest.raises(BadInput, match=problem):
        apply_tuning(model, tuning, **options)


@pytest.mark.parametrize("tuning", ["adapter", "lora"])
def test_a_model_is_not_tuned_twice(tuning):
    with pytest.raises(BadInput, match="has adapters or LoRA matrices already"):
        apply_tuning(tiny("tiny-bert", tuning), tuning)


@pytest.mark.parametrize("tuning", ["adapter", "lora"])
def test_anatomy_of_a_model_without_what_the_tuning_trains_says_how_to_add_it(tuning):
    with pytest.raises(BadInput, match=rf"apply_tuning\(model, '{tuning}'\) adds them"):
        Anatomy.of(loading.build(spec("tiny-bert"), num_labels=2), tuning)


def test_a_method_of_pefts_own_runs_through_a_restricted_anatomy():
    """What a user of another method does: set it up with peft, then schedule what requires a gradient."""
    model = loading.build(spec("tiny-bert"), num_labels=2)
    peft.inject_adapter_in_model(peft.IA3Config(target_modules=["key"], feedforward_modules=[]), model)
    live = [parameter for parameter in model.parameters() if parameter.requires_grad]
    anatomy = Anatomy.of(model).restrict(live)

    assert anatomy.count(Stage(range(3, 4))) == 64  # one scale for each of the key's outputs
    assert len(live) == 4


def test_a_parameter_outside_the_anatomy_cannot_be_one_to_train():
    with pytest.raises(BadInput, match="is in no component of this anatomy"):
        Anatomy.of(tiny("tiny-bert", "lora"), "lora").restrict([torch.nn.Parameter(torch.zeros(1))])


def test_freezing_to_a_stage_freezes_what_the_tuning_leaves_out_although_nobody_did_before():
    model = loading.build(spec("tiny-bert"), num_labels=2)
    anatomy = Anatomy.of(model, "bitfit")
    anatomy.freeze(Stage(range(4)))

    assert {id(p) for p in model.parameters() if p.requires_grad} == {id(p) for p in anatomy.parameters()}
    assert len(anatomy.parameters()) < len(list(model.parameters()))


# --- what is called otherwise, or is not of transformers

SMALL = {"vocab_size": 50, "num_attention_heads": 2}


def test_bitfit_finds_debertas_biases_of_query_and_value():
    """By hand: a block 16 + 16 of query and value, 4 * 16 and 32 as BERT; LayerNorm 16; pooler 272, classifier 34."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 4, "intermediate_size": 32}
    model = transformers.DebertaForSequenceClassification(transformers.DebertaConfig(**SMALL, **sizes))
    apply_tuning(model, "bitfit")

    assert Anatomy.of(model, "bitfit").count(Stage(range(4))) == 4 * (32 + 4 * 16 + 32) + 16 + 272 + 34
    assert model.deberta.encoder.layer[0].attention.self.q_bias.requires_grad


def test_bitfit_finds_xlnets_biases_which_are_matrices():
    configuration = transformers.XLNetConfig(vocab_size=50, d_model=16, n_layer=2, n_head=2, d_inner=32)
    model = transformers.XLNetForSequenceClassification(configuration)
    apply_tuning(model, "bitfit")
    first = model.transformer.layer[0].rel_attn

    assert all(one.requires_grad for one in (first.r_w_bias, first.r_r_bias, first.r_s_bias))
    assert not first.q.requires_grad


class Own(torch.nn.Module):
    """A transformer of one's own around torch's attention, without a configuration."""

    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(9, 8)
        self.layers = torch.nn.ModuleList(OwnBlock() for _ in range(2))
        self.out = torch.nn.Linear(8, 2)


class OwnBlock(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(8, 2)


def test_bitfit_finds_the_one_bias_of_torchs_projections():
    model = Own()
    apply_tuning(model, "bitfit")

    assert model.layers[0].attention.in_proj_bias.requires_grad
    assert not model.layers[0].attention.in_proj_weight.requires_grad


@pytest.mark.parametrize(
    ("tuning", "problem"),
    [
        ("adapter", "Own: it has no configuration of transformers, so where it closes its sublayers, .* is not known"),
        ("lora", "'query' matches nothing in the attention, in which no linear layer was found"),
    ],
)
def test_a_model_of_ones_own_that_a_tuning_does_not_fit_is_refused_in_words(tuning, problem):
    with pytest.raises(BadInput, match=problem):
        apply_tuning(Own(), tuning)


# peft 0.21 asks transformers 5.23 for a name that it deprecates
OLD_NAME = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.mark.parametrize(("given", "asked"), [("adapter", "bitfit"), ("adapter", "lora"), ("lora", "bitfit")])
def test_a_model_with_one_tunings_parameters_is_not_taken_for_another(given, asked):
    with pytest.raises(BadInput, match=f"given {given} parameters by apply_tuning, so its tuning is not '{asked}'"):
        Anatomy.of(tiny("tiny-bert", given), asked)


def wrapped_by_peft():
    torch.manual_seed(0)
    model = loading.build(spec("tiny-bert"), num_labels=2)
    return peft.get_peft_model(model, peft.LoraConfig(task_type="SEQ_CLS", r=8, target_modules=["query", "value"]))


@OLD_NAME
def test_pefts_wrapper_counts_what_trains_there_and_its_second_copy_of_the_head_once():
    anatomy = Anatomy.of(wrapped_by_peft())

    assert anatomy.updated_parameters(schedule.shrinking(4, 2)) == updated_parameters(
        "tiny-bert", schedule.shrinking(4, 2), "lora"
    )


def test_a_decoder_that_is_the_embeddings_stays_frozen_with_them():
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
    )
    model = transformers.BertForMaskedLM(config)
    apply_tuning(model, "lora")

    assert not model.bert.embeddings.word_embeddings.weight.requires_grad
