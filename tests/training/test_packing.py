"""A packed batch computes what a padded one does, for every model, tuning and head."""

import dataclasses
import math

import pytest
import torch
import transformers

from progbench import apply_tuning
from progbench.method.counting import HEADS
from progbench.models import loading, toy_tokenizer
from progbench.models.spec import spec
from progbench.training import packing

LENGTHS = (3, 9, 5, 5, 12, 3, 7)


def rows(head, vocabulary=200, seed=0):
    """Sequences of several lengths, some of them equal, two tokens of which are the answer, or which have a class."""
    generator = torch.Generator().manual_seed(seed)

    def target(length):
        if head == "classification":
            return {"labels": int(torch.randint(2, (1,), generator=generator))}
        first = int(torch.randint(length, (1,), generator=generator))
        return {"start_positions": first, "end_positions": length - 1}

    return [
        {"input_ids": torch.randint(5, vocabulary, (length,), generator=generator).tolist(), **target(length)}
        for length in LENGTHS
    ]


def pair(name="tiny-bert", head="classification", tuning="full"):
    """The same model twice, in float64 without dropout: as it is, and packed, with its collator."""
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        model = loading.build(spec(name), 2, head).double()
        apply_tuning(model, tuning)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        made.append(model)
    return made[0], made[1], packing.pack(made[1])


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-roberta", "tiny-mpnet"])
def test_pairs_of_texts_come_out_as_they_do_padded(name):
    theirs, ours, packed = pair(name)
    tokenizer = toy_tokenizer.build(name.removeprefix("tiny-"))
    encoded = tokenizer(["fox sees dog", "cat"], ["dog likes the river and boat", "a house"])
    examples = [{key: encoded[key][i] for key in encoded} for i in (1, 0)]
    ours.eval(), theirs.eval()

    torch.testing.assert_close(
        ours(**packed(examples)).logits,
        theirs(**transformers.DataCollatorWithPadding(tokenizer)(examples)).logits,
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["tiny-bert", "tiny-roberta", "tiny-mpnet"])
def test_a_padding_token_that_stands_in_a_text_has_the_position_hugging_face_gives_it(name, head):
    theirs, ours, packed = pair(name, head)
    ids = [5, theirs.config.pad_token_id, 7, 9]
    ours.eval(), theirs.eval()
    alone = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    a, b = ours(**packed([{"input_ids": ids}])), theirs(**alone)

    for key in b:
        torch.testing.assert_close(a[key], b[key], rtol=0, atol=1e-12)


@pytest.mark.parametrize("lengths", [(1,), (1, 1), (7,), (12, 1, 12)])
def test_short_and_single_sequences_come_out_as_they_do_padded(lengths):
    theirs, ours, packed = pair()
    ours.eval(), theirs.eval()
    examples = [{"input_ids": list(range(5, 5 + length))} for length in sorted(lengths)]
    padded = transformers.DataCollatorWithPadding(toy_tokenizer.build("bert"))(examples)

    torch.testing.assert_close(ours(**packed(examples)).logits, theirs(**padded).logits, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("most_padded", "groups"), [(0, 5), (50, 3), (math.inf, 1)])
@pytest.mark.parametrize("head", HEADS)
def test_however_texts_share_attention_calls_they_come_out_as_they_do_padded(head, most_padded, groups):
    theirs, ours, packed = pair(head=head)
    ours.eval(), theirs.eval()
    examples = [{"input_ids": row["input_ids"]} for row in sorted(rows(head), key=lambda row: len(row["input_ids"]))]
    padded = transformers.DataCollatorWithPadding(toy_tokenizer.build("bert"))(examples)
    batch = dataclasses.replace(packed, most_padded=most_padded)(examples)
    a, b = ours(**batch), theirs(**padded)

    assert len(batch["packing"].groups) == groups
    for key in b:
        real = padded["attention_mask"].bool() if head == "question_answering" else slice(None)
        torch.testing.assert_close(a[key][real], b[key][real], rtol=0, atol=1e-12)


@pytest.mark.parametrize("head", HEADS)
def test_a_step_needs_no_value_from_the_device(head):
    """On a GPU a step that asks for one would wait for all before it; the meta device has none to give."""
    _, model, packed = pair(head=head)
    batch = dataclasses.replace(packed, most_padded=math.inf)(rows(head)).to("meta")
    model.to("meta").train()
    model(**batch).loss.backward()

    assert all(parameter.grad.is_meta for parameter in model.parameters())


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-mpnet"])
def test_no_linear_layer_sees_a_padding_token(name):
    _, ours, packed = pair(name)
    seen = []
    for module in ours.base_model.encoder.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda module, arguments, output: seen.append(arguments[0].shape[:-1].numel()))
    ours(**packed(rows("classification")))

    # past the attention of the top block only first tokens: its attention.output.dense, and both of its feed-forward
    assert seen == [sum(LENGTHS)] * ((spec(name).blocks - 1) * 6 + 3) + [len(LENGTHS)] * 3


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-mpnet"])
def test_a_packed_model_still_takes_padded_batches(name):
    theirs, ours, _ = pair(name)
    batch = transformers.DataCollatorWithPadding(toy_tokenizer.build(name.removeprefix("tiny-")))(
        rows("classification")
    )

    torch.testing.assert_close(ours(**batch).logits, theirs(**batch).logits, rtol=0, atol=1e-12)


def test_packing_a_packed_model_again_changes_nothing():
    theirs, ours, packed = pair()

    assert packing.pack(ours) == packed
    torch.testing.assert_close(
        ours(**packed(rows("classification"))).logits[0],
        theirs(input_ids=torch.tensor([rows("classification")[0]["input_ids"]])).logits[0],
    )


def test_attention_with_dropout_is_random_and_right_on_average():
    torch.manual_seed(0)
    _, ours, packed = pair()
    for module in ours.modules():
        if hasattr(module, "scaling"):
            module.dropout.p = 0.1
    ours.train()
    texts = sorted(rows("classification"), key=lambda row: len(row["input_ids"]))
    batch = packed([text for text in texts for _ in range(30)])
    logits = torch.cat([ours(**batch).logits.view(len(texts), 30, 2) for _ in range(10)], 1)
    ours.eval()

    assert logits.std(dim=1).min() > 0
    torch.testing.assert_close(logits.mean(dim=1), ours(**packed(texts)).logits, rtol=0, atol=0.02)


def test_a_model_whose_attention_looks_elsewhere_is_not_served():
    """A model that ignores the lengths it is given does not pass the proof, and is left as it was."""
    torch.manual_seed(0)
    model = loading.build(spec("tiny-bert"), 2)
    forward = model.bert.forward

    def deaf(*arguments, packing=None, **keywords):
        return forward(*arguments, **keywords)

    model.bert.forward = deaf

    assert packing.pack(model) is None
    assert model.config._attn_implementation == "sdpa"
    assert not model._forward_pre_hooks


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-mpnet"])
def test_a_model_that_breaks_while_it_is_proved_is_left_as_it_was(monkeypatch, name):
    """And an MPNet has its own classes again."""
    model = loading.build(spec(name), 2)
    classes = [type(module) for module in model.modules()]
    monkeypatch.setattr(model.base_model.embeddings, "forward", lambda **inputs: inputs["no such input"])
    with pytest.raises(KeyError, match="no such input"):
        packing.pack(model)

    assert model.config._attn_implementation != packing.ATTENTION
    assert [type(module) for module in model.modules()] == classes
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


def test_a_packed_mpnet_makes_no_bias_or_mask_over_a_whole_row(monkeypatch):
    _, ours, packed = pair("tiny-mpnet")
    made = []
    encode = ours.mpnet.encoder.layer[0].forward

    def looked_at(hidden, mask, bias, **rest):
        made.extend([mask.shape, bias.values.shape])
        return encode(hidden, mask, bias, **rest)

    monkeypatch.setattr(ours.mpnet.encoder.layer[0], "forward", looked_at)
    ours(**packed(rows("classification")))

    assert made == [(1, 1, 1, 1), (1, spec("tiny-mpnet").heads, max(LENGTHS), max(LENGTHS))]


def test_an_unknown_architecture_is_not_served():
    configuration = transformers.DistilBertConfig(vocab_size=99, dim=16, n_layers=1, n_heads=2, hidden_dim=32)

    assert packing.pack(transformers.DistilBertForSequenceClassification(configuration)) is None


@pytest.mark.parametrize(
    "kind", [transformers.BertModel, transformers.BertForPreTraining, transformers.BertForMaskedLM]
)
def test_a_model_whose_outputs_are_not_known_is_left_as_it_was(kind):
    model = kind(loading.build(spec("tiny-bert"), 2).config)

    assert packing.pack(model) is None
    assert model.config._attn_implementation != packing.ATTENTION
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


def test_a_model_without_a_padding_token_is_not_served():
    model = loading.build(spec("tiny-bert"), 2)
    model.config.pad_token_id = None

    assert packing.pack(model) is None


def test_models_that_share_a_configuration_are_each_packed():
    first = loading.build(spec("tiny-bert"), 2)
    second = type(first)(first.config)
    packing.pack(first)
    packed = packing.pack(second)

    assert second(**packed(rows("classification"))).logits.shape == (len(LENGTHS), 2)
