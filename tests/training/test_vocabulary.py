"""A model whose vocabulary was cut trains, scores and counts as the whole one."""

import copy

import pytest
import torch

from progbench.models import loading
from progbench.models.spec import spec
from progbench.training import packing, vocabulary

WORDS = {0, 2, 3, *range(20, 60)}


def both(name="tiny-bert"):
    """A model whole and cut, without dropout, whose draws a batch of another order would change."""
    torch.manual_seed(0)
    whole = loading.build(spec(name), num_labels=2).double().eval()
    for module in whole.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    whole.config.attention_probs_dropout_prob = 0.0
    cut = copy.deepcopy(whole)
    vocabulary.cut(cut, WORDS)
    return whole, cut


@pytest.mark.parametrize(("name", "padding"), [("tiny-bert", 0), ("tiny-roberta", 1)])
def test_the_padding_word_never_learns_and_the_next_one_does(name, padding):
    model = loading.build(spec(name), num_labels=2)
    vocabulary.cut(model, {20, 21})
    model(input_ids=torch.tensor([[20, 21, padding]]), labels=torch.tensor([1])).loss.backward()

    assert [bool(row.any()) for row in model.get_input_embeddings().weight.grad] == [False, True, True]


def test_a_word_that_was_not_kept_is_an_error_and_not_another_word():
    _, cut = both()

    with pytest.raises(IndexError):
        cut(input_ids=torch.tensor([[20, 61]]))


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-roberta"])
def test_a_packed_model_that_is_cut_gives_the_same_outputs(name):
    model = loading.build(spec(name), num_labels=2).eval()
    batch = packing.pack(model)([{"input_ids": [20, 21, 22], "labels": 1}, {"input_ids": [30], "labels": 0}])
    before = model(**batch).logits
    vocabulary.cut(model, WORDS)

    assert torch.equal(model(**batch).logits, before)


def test_what_is_left_out_is_what_the_model_counts_less():
    model = loading.build(spec("tiny-bert"), num_labels=2)
    whole, hidden = model.num_parameters(), model.config.hidden_size
    left_out = vocabulary.cut(model, WORDS)

    assert left_out == (model.config.vocab_size - len(WORDS)) * hidden
    assert model.num_parameters() == whole - left_out
