"""A model whose vocabulary was cut trains, scores and counts as the whole one."""

import copy

import pytest
import torch

from progbench.method import schedule
from progbench.models import loading
from progbench.models.spec import spec
from progbench.training import fitting, packing, train, vocabulary

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


def batches(steps=5):
    generator = torch.Generator().manual_seed(0)
    return [
        {"input_ids": torch.randint(20, 60, (4, 9), generator=generator), "labels": torch.tensor([0, 1, 0, 1])}
        for _ in range(steps)
    ]


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-roberta"])
def test_training_with_weight_decay_moves_the_words_that_are_kept_as_it_would_have(smoke_recipe, name):
    whole, cut = both(name)
    for model in (whole, cut):
        wanted = smoke_recipe(epochs=2, weight_decay=0.1, warmup=0.0)
        list(fitting.fit(model, wanted, schedule.shrinking(spec(name).blocks, 2), batches, 5))
    kept = whole.get_input_embeddings().weight[sorted(WORDS | {whole.config.pad_token_id})]

    torch.testing.assert_close(cut.get_input_embeddings().weight, kept, rtol=0, atol=1e-9)
    for mine, its in zip([*cut.parameters()][1:], [*whole.parameters()][1:], strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-9)


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


@pytest.mark.usefixtures("forty_rows")
@pytest.mark.parametrize("tuning", ["full", "bitfit"])
def test_a_run_counts_as_updated_what_the_whole_model_would_have(smoke_recipe, monkeypatch, tuning):
    left_out, cut = [], vocabulary.cut
    monkeypatch.setattr(vocabulary, "cut", lambda *given: left_out.append(cut(*given)) or left_out[-1])
    wanted = smoke_recipe(epochs=2, tuning=tuning)
    result = train.train(wanted, 0)

    assert left_out[0] > 0
    assert sum(epoch.updated_parameters for epoch in result.epochs) == wanted.planned()
