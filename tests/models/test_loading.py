"""Model folders: what is loaded, and what is refused by its path."""

import pytest
import torch

from progbench.errors import BadInput, Missing
from progbench.models import loading, toy_tokenizer
from progbench.models.spec import spec
from progbench.training import train


def tiny():
    torch.manual_seed(0)
    return loading.build(spec("tiny-bert"), num_labels=2)


def test_missing_weights_are_reported_before_anything_is_trained(smoke_recipe, monkeypatch, tmp_path):
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))

    with pytest.raises(
        Missing, match=r"no weights of bert-base: PROGBENCH_MODELS is set, but .*bert-base-uncased has no"
    ):
        train.train(smoke_recipe(model="bert-base"), 0)


def test_a_model_folder_that_is_no_model_is_refused_by_its_path(smoke_recipe, monkeypatch, tmp_path):
    (tmp_path / "bert-base").mkdir()
    (tmp_path / "bert-base" / "config.json").write_text("{}")
    (tmp_path / "bert-base" / "vocab.txt").write_text("")
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))

    with pytest.raises(BadInput, match="bert-base: this is not a usable model folder"):
        train.train(smoke_recipe(model="bert-base"), 0)


def test_a_local_model_folder_is_trained_from_its_own_weights(smoke_recipe, monkeypatch, tmp_path):
    """The path the paper suite takes with PROGBENCH_MODELS, on weights small enough to write here."""
    folder = tmp_path / "bert-base-uncased"
    tiny().bert.save_pretrained(folder)
    toy_tokenizer.build("bert").save_pretrained(folder)
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))
    model, tokenizer, fingerprint = loading.load(spec("bert-base"), num_labels=3)

    assert torch.equal(model.bert.embeddings.word_embeddings.weight, tiny().bert.embeddings.word_embeddings.weight)
    assert model.classifier.out_features == 3
    assert tokenizer("fox")["input_ids"] == toy_tokenizer.build("bert")("fox")["input_ids"]
    assert len(fingerprint) == 64


@pytest.mark.parametrize("num_labels", [2, 3])
def test_a_model_folder_with_a_trained_classifier_is_refused(monkeypatch, tmp_path, num_labels):
    tiny().save_pretrained(tmp_path / "bert-base")
    toy_tokenizer.build("bert").save_pretrained(tmp_path / "bert-base")
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))

    with pytest.raises(BadInput, match=r"bert-base: (holds a trained head already|this is not a usable model folder)"):
        loading.load(spec("bert-base"), num_labels)


def test_a_model_folder_without_a_tokenizer_is_refused(monkeypatch, tmp_path):
    tiny().bert.save_pretrained(tmp_path / "bert-base")
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))

    with pytest.raises(BadInput, match=r"bert-base: holds no tokenizer: none of tokenizer\.json"):
        loading.load(spec("bert-base"), 2)


def test_a_model_folder_that_lacks_weights_of_the_body_is_refused_by_their_names(monkeypatch, tmp_path):
    model = tiny().bert
    model.pooler = None
    model.save_pretrained(tmp_path / "bert-base")
    toy_tokenizer.build("bert").save_pretrained(tmp_path / "bert-base")
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))

    with pytest.raises(BadInput, match=r"has no weights for bert\.pooler\.dense\.bias, bert\.pooler\.dense\.weight"):
        loading.load(spec("bert-base"), 2)
