"""Model folders: what is loaded, and what is refused by its path."""

import dataclasses
import shutil

import pytest
import safetensors.torch
import torch
from model_folder import edit, loaded, refused, tiny

from progbench.errors import BadInput, Missing
from progbench.models import folder, loading, toy_tokenizer
from progbench.models.spec import spec
from progbench.training import train


def test_missing_weights_are_reported_before_anything_is_trained(smoke_recipe, monkeypatch, tmp_path):
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))

    with pytest.raises(
        Missing, match=r"no weights of bert-base: PROGBENCH_MODELS is set, but .*bert-base-uncased has no"
    ):
        train.train(smoke_recipe(model="bert-base"), 0)


def test_a_local_model_folder_is_loaded_with_its_own_weights_and_tokenizer(written):
    """The path the paper suite takes with PROGBENCH_MODELS, on weights small enough to write here."""
    model, tokenizer, fingerprint = loading.load(spec("local"), num_labels=3)

    assert torch.equal(model.bert.embeddings.word_embeddings.weight, tiny().bert.embeddings.word_embeddings.weight)
    assert model.classifier.out_features == 3
    assert tokenizer("fox")["input_ids"] == toy_tokenizer.build("bert")("fox")["input_ids"]
    assert fingerprint.partition(":")[2] == folder.fingerprint(written)


@pytest.mark.parametrize(
    ("fault", "changes", "words"),
    [
        ("a config.json of another architecture", {"model_type": "roberta"}, "model_type = 'roberta', but"),
        ("a config.json with another number of heads", {"num_attention_heads": 2}, "says heads = 4"),
        ("a config.json with another activation", {"hidden_act": "relu"}, "says activation = 'gelu'"),
        ("a config.json that makes a decoder of the model", {"is_decoder": True}, "is_decoder = True, but local has"),
        ("a config.json with another dropout", {"hidden_dropout_prob": 0.0}, "says dropout = 0.1"),
        ("a config.json with another normalisation", {"layer_norm_eps": 1e-5}, "says layer_norm_eps = 1e-12"),
        ("a config.json with another kind of loss", {"problem_type": "multi_label_classification"}, "local has None"),
    ],
)
def test_a_configuration_of_another_model_is_refused_by_field(written, reliability, fault, changes, words):
    edit(written / "config.json", **changes)
    problem = refused()

    assert words in problem
    assert str(written) in problem
    if fault == "a config.json with another number of heads":  # the others are alike
        reliability("Naming a model", fault, happens=problem, kept="nothing is trained; the folder is left as it is")


def test_what_changes_no_score_in_a_configuration_is_let_pass(written):
    edit(written / "config.json", architectures=["BertForMaskedLM"], transformers_version="4.0", use_cache=False)

    assert loaded()[2]


@pytest.mark.parametrize(
    ("fault", "name", "content", "words"),
    [
        ("a tokenizer.json that says nothing", "tokenizer.json", b"{}", "tokenizer.json: holds no vocabulary"),
        ("a tokenizer.json cut off", "tokenizer.json", b'{"model": {"vo', "tokenizer.json: cannot be read as JSON"),
        ("a config.json that says nothing", "config.json", b"{}", "this is not a usable model folder"),
        ("a config.json nested too deep", "config.json", b"[" * 200_000, "config.json: cannot be read as JSON"),
        (
            "weights that are a pointer of Git LFS",
            "model.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "model.safetensors: is a pointer of Git LFS and not the file itself",
        ),
        ("weights that are empty", "model.safetensors", b"", "model.safetensors: is not there, or empty"),
        ("weights that are no tensors", "model.safetensors", b"x" * 99, "its header is not one of safetensors"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_by_the_file(written, reliability, fault, name, content, words):
    (written / name).write_bytes(content)
    problem = refused()

    assert words in problem
    assert str(written) in problem
    if fault.startswith("weights"):  # the others are alike, or in the words of a library
        reliability("Naming a model", fault, happens=problem, kept="nothing is trained; the folder is left as it is")


def test_weights_cut_off_are_refused_with_the_bytes_that_are_missing(written, reliability):
    path = written / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    problem = refused()

    assert f"has {path.stat().st_size:,} bytes, and its header says {path.stat().st_size + 1000:,}" in problem
    reliability("Naming a model", "weights cut off", happens=problem, kept="nothing is trained")


@pytest.mark.parametrize("fault", ["vocab.txt empty, without a tokenizer.json", "merges.txt without a merge"])
def test_an_empty_vocabulary_is_refused(written, fault):
    (written / "tokenizer.json").unlink()
    if fault.startswith("vocab"):
        path = written / "vocab.txt"
        path.write_text("")
    else:
        (written / "vocab.json").write_text('{"a": 0}')
        path = written / "merges.txt"
        path.write_text("#version: 0.2\n")
    problem = refused()

    assert f"{path}: is not there, or holds nothing" in problem


def test_a_folder_is_looked_at_before_a_session_trains(written):
    (written / "model.safetensors").unlink()

    with pytest.raises(BadInput, match=r"holds no weights: none of model\.safetensors, pytorch_model\.bin"):
        loading.require(spec("local"))


def test_a_download_without_a_vocabulary_is_not_whole(written):
    assert folder.is_whole(written)
    (written / "tokenizer.json").unlink()

    assert not folder.is_whole(written)


def test_weights_in_pytorchs_own_format_have_a_fingerprint(written, reliability):
    weights = safetensors.torch.load_file(written / "model.safetensors")
    (written / "model.safetensors").unlink()
    torch.save(weights, written / "pytorch_model.bin")
    first = loaded()[2]
    torch.save({name: value + 1 for name, value in weights.items()}, written / "pytorch_model.bin")
    second = loaded()[2]

    assert first != second
    assert all(len(one.partition(":")[2]) == 64 for one in (first, second))
    reliability(
        "Naming a model",
        "weights as pytorch_model.bin",
        happens="they are loaded without running code from the file, and the file's sha256 is the fingerprint",
        kept="every result, with the fingerprint it was made with",
    )


def test_weights_in_several_files_are_one_fingerprint(written):
    tiny().bert.save_pretrained(written, max_shard_size="100KB")
    (written / "model.safetensors").unlink()
    before = loaded()[2]
    shard = sorted(written.glob("model-*.safetensors"))[0]
    weights = safetensors.torch.load_file(shard)
    safetensors.torch.save_file({name: value + 1 for name, value in weights.items()}, shard, metadata={"format": "pt"})

    assert len(list(written.glob("model-*.safetensors"))) > 1
    assert before != loaded()[2]


@pytest.mark.parametrize("num_labels", [2, 3])
def test_a_model_folder_with_a_trained_classifier_is_refused(written, num_labels):
    tiny().save_pretrained(written)

    with pytest.raises(BadInput, match=r"local: (holds a trained head already|this is not a usable model folder)"):
        loading.load(spec("local"), num_labels)


def test_a_model_folder_without_a_tokenizer_is_refused(written, reliability):
    (written / "tokenizer.json").unlink()
    problem = refused()

    assert "local: holds no tokenizer: none of tokenizer.json" in problem
    reliability("Naming a model", "a folder without a vocabulary", happens=problem, kept="nothing is trained")


def test_a_model_folder_that_lacks_weights_of_the_body_is_refused_by_their_names(written):
    weights = safetensors.torch.load_file(written / "model.safetensors")
    rest = {name: value for name, value in weights.items() if not name.startswith("pooler")}
    safetensors.torch.save_file(rest, written / "model.safetensors", metadata={"format": "pt"})

    assert "has no weights for bert.pooler.dense.bias, bert.pooler.dense.weight" in refused()


def test_an_entry_that_names_no_weights_trains_no_random_ones(known, monkeypatch, tmp_path, reliability):
    monkeypatch.delenv("PROGBENCH_MODELS", raising=False)
    with pytest.raises(Missing) as problem:
        loading.require(spec("local"))

    assert "models.toml names neither hub nor package; set PROGBENCH_MODELS" in str(problem.value)
    reliability(
        "Naming a model",
        "an entry of models.toml without hub, package or random",
        happens=str(problem.value),
        kept="its cells are missing; the others go on",
    )


def test_an_entry_that_names_no_weights_takes_those_of_its_folder(written):
    assert loading.fetch(spec("local")) == written
    shutil.rmtree(written)

    with pytest.raises(Missing, match=r"PROGBENCH_MODELS is set, but .*local has no config\.json"):
        loading.fetch(spec("local"))


@pytest.mark.parametrize(
    ("fault", "package"),
    [
        ("a package inside one that is not installed", "no_such.model"),
        ("a package inside a module that holds none", "json.decoder.model"),
        ("a package by a relative name", ".model"),
        ("a package that Python has built in", "sys"),
    ],
)
def test_a_package_that_is_none_is_missing_by_its_entry(known, monkeypatch, fault, package):
    monkeypatch.delenv("PROGBENCH_MODELS", raising=False)
    model = dataclasses.replace(spec("local"), package=package, folder="model")
    with pytest.raises(Missing) as problem:
        loading.require(model)

    assert f"no weights of local: package {package.replace('_', '-')} is not installed" in str(problem.value)
