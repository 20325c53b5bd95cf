"""Anyone's model, as `progbench compare` takes it: of a known architecture, and of any other."""

import pytest
import torch
import transformers

from progbench import files, places
from progbench.errors import BadInput
from progbench.method.anatomy import Anatomy
from progbench.method.counting import updated_parameters
from progbench.method.schedule import constant, shrinking
from progbench.models import loading, toy_tokenizer
from progbench.models.spec import spec
from progbench.session import own_model, own_suite
from progbench.session.own_data import describe
from progbench.session.own_suite import Question
from progbench.session.suite import Suite

SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "num_hidden_layers": 3}


def bert(**changes):
    tokenizer = toy_tokenizer.build("bert")
    there = {"vocab_size": len(tokenizer), "max_position_embeddings": 64, **SIZES, **changes}
    return transformers.BertModel(transformers.BertConfig(**there)), tokenizer


def electra():
    tokenizer = toy_tokenizer.build("bert")
    there = {"vocab_size": len(tokenizer), "max_position_embeddings": 64, "embedding_size": 8, **SIZES}
    return transformers.ElectraModel(transformers.ElectraConfig(**there)), tokenizer


@pytest.fixture
def saved(tmp_path):
    """A folder with a model's files."""

    def write(made, name="own-model"):
        model, tokenizer = made
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The suite of a comparison on a few rows, written and included."""

    def write(guest, **options):
        for name in ("mine.tsv", "dev.tsv"):
            rows = "".join(f"the fox sees {word}\t{label}\n" for word, label in (("cat", 1), ("dog", 0), (name[:1], 1)))
            (tmp_path / name).write_text("text\tlabel\n" + rows, encoding="utf-8")
        data = describe(tmp_path / "mine.tsv", tmp_path / "dev.tsv", tmp_path)
        question = Question(guest, data, ("constant", "shrinking"), seeds=1, device="cpu", **options)
        own_suite.write(question, tmp_path / "suite")
        monkeypatch.setenv(places.VARIABLE, str(tmp_path / "suite"))
        return Suite(question.suite, tmp_path / "suite" / "expected", tmp_path / "runs", seeds=1)

    yield write
    files.read_toml.cache_clear()
    places.forget()


def test_a_folder_of_a_known_architecture_has_the_sizes_that_closed_forms_count_by(saved):
    found = own_model.describe(str(saved(bert())))

    assert (found.name, found.readable) == ("own-model", 64)
    assert {name: found.entry[name] for name in ("architecture", "blocks", "hidden")} == {
        "architecture": "bert", "blocks": 3, "hidden": 16,
    }  # fmt: skip


def test_a_folder_that_closed_forms_do_not_say_all_of_is_counted_by_building_it(saved):
    found = own_model.describe(str(saved(bert(is_decoder=True))))

    assert found.entry["blocks"] == 3
    assert "hidden" not in found.entry


@pytest.mark.parametrize(("name", "old", "new"), [
    ("config.json", '"hidden_dropout_prob": 0.1', '"hidden_dropout_prob": 0.2'),
    ("tokenizer_config.json", '"unk_token": ', '"other": 1, "unk_token": '),
])  # fmt: skip
def test_with_another_configuration_or_tokenizer_a_folder_is_another_revision(saved, name, old, new):
    folder = saved(bert())
    before = own_model.describe(str(folder)).entry["revision"]
    text = (folder / name).read_text(encoding="utf-8")
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")

    assert old in text
    assert own_model.describe(str(folder)).entry["revision"] != before


def test_with_other_weights_a_folder_is_another_revision(saved):
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(own_model.describe(str(saved(bert(), f"seed{seed}"))).entry["revision"])

    assert found[0] != found[1]


def test_a_name_that_a_known_model_has_is_not_taken(saved):
    assert own_model.describe(str(saved(bert(), "bert-base-uncased"))).name == "bert-base-uncased-own"


def test_a_folder_without_weights_is_refused(saved):
    folder = saved(bert())
    (folder / "model.safetensors").unlink()

    with pytest.raises(BadInput, match="holds no weights"):
        own_model.describe(str(folder))


@pytest.mark.parametrize("tuning", ["full", "bitfit"])
def test_the_counts_of_another_architecture_are_those_of_the_model_itself(saved, asked, tuning):
    folder = saved(electra())
    asked(own_model.describe(str(folder)), tuning=tuning)
    anatomy = Anatomy.of(loading.load(spec("own-model"), 2)[0])
    whole = anatomy.updated_parameters(constant(3, 3))

    if tuning == "full":
        assert updated_parameters("own-model", constant(L=3, T=3)) == whole
        assert updated_parameters("own-model", shrinking(L=3, T=3)) == anatomy.updated_parameters(shrinking(3, 3))
    else:
        assert 0 < updated_parameters("own-model", constant(L=3, T=3), tuning) < whole


def test_another_architecture_is_trained_scored_and_counted_as_planned(saved, asked):
    suite = asked(own_model.describe(str(saved(electra()))), values={"epochs": 2, "batch_size": 2})
    recipes = suite.every_recipe()
    suite.obtain(recipes.values())
    results = [suite.runs(one).results[0] for one in recipes.values()]

    assert [one.error for one in results] == ["", ""]
    assert [sum(epoch.updated_parameters for epoch in one.epochs) for one in results] == [
        one.planned() for one in recipes.values()
    ]
    assert results[0].provenance.trainer == "plain"  # for packed batches do not serve it


def test_a_model_that_writes_text_is_given_a_padding_token(tmp_path):
    tokenizer = toy_tokenizer.build("roberta")
    tokenizer.pad_token = None
    there = {"vocab_size": len(tokenizer), "n_positions": 64, "n_embd": 16, "n_layer": 2, "n_head": 2}
    model = transformers.GPT2Model(transformers.GPT2Config(**there))
    model.config.pad_token_id = None
    loading._give_padding(model, tokenizer)

    assert tokenizer.pad_token == tokenizer.eos_token
    assert model.config.pad_token_id == tokenizer.pad_token_id


def test_a_name_that_is_not_utf_8_is_refused_and_not_written():
    with pytest.raises(BadInput, match=r"is half of a character.*rename it"):
        own_suite.toml({"train": "mine\udc80.tsv"})
