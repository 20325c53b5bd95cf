"""A model's tokenizer: whether it is the one of its weights, and what of it decides a text's numbers."""

import dataclasses
import json

import pytest
from model_folder import WORDS, edit, loaded, refused, write

from progbench.models import loading, toy_tokenizer
from progbench.models import spec as spec_module


def vocabulary(where):
    return json.loads((where / "tokenizer.json").read_text())


def test_a_cut_vocabulary_is_refused(written, reliability):
    content = vocabulary(written)
    words = content["model"]["vocab"]
    content["model"]["vocab"] = {word: number for word, number in words.items() if number < len(words) // 2}
    (written / "tokenizer.json").write_text(json.dumps(content))
    problem = refused()

    assert f"its tokenizer knows {len(words) // 2} tokens" in problem
    reliability("Naming a model", "a vocabulary cut to a half", happens=problem, kept="nothing is trained")


def test_a_vocabulary_in_another_order_has_another_fingerprint(written, reliability):
    before = loaded()[2]
    content = vocabulary(written)
    words = content["model"]["vocab"]
    fox, dog = words["fox"], words["dog"]
    content["model"]["vocab"] = words | {"fox": dog, "dog": fox}
    (written / "tokenizer.json").write_text(json.dumps(content))
    after = loaded()[2]

    assert before != after
    assert before.partition(":")[2] == after.partition(":")[2]
    reliability(
        "Naming a model",
        "a vocabulary in another order",
        happens="another fingerprint of the weights: the report warns that runs or references were made on unlike ones",
        kept="every result, with the fingerprint it was made with",
    )


def test_a_padding_token_with_another_number_is_refused(written, reliability):
    content = vocabulary(written)
    words = content["model"]["vocab"]
    pad, fox = words["[PAD]"], words["fox"]
    content["model"]["vocab"] = words | {"[PAD]": fox, "fox": pad}
    content["added_tokens"] = [
        one | {"id": fox} if one["content"] == "[PAD]" else one for one in content["added_tokens"]
    ]
    (written / "tokenizer.json").write_text(json.dumps(content))
    problem = refused()

    assert f"its tokenizer pads with token {fox}, and its config.json says {pad}" in problem
    reliability("Naming a model", "a shuffled vocabulary", happens=problem, kept="nothing is trained")


@pytest.mark.parametrize(
    ("fault", "changes", "words"),
    [
        ("a tokenizer_config.json that cuts on the left", {"truncation_side": "left"}, "truncation_side = 'left'"),
        ("a tokenizer_config.json that pads on the left", {"padding_side": "left"}, "padding_side = 'left'"),
        (
            "a tokenizer_config.json without token types",
            {"model_input_names": ["input_ids", "attention_mask"]},
            "lacks token_type_ids, and models.toml says token_types = 2",
        ),
        (
            "a tokenizer_config.json without an attention mask",
            {"model_input_names": ["input_ids", "token_type_ids"]},
            "lacks attention_mask",
        ),
    ],
)
def test_a_tokenizer_that_calls_differently_is_refused_by_field(written, reliability, fault, changes, words):
    edit(written / "tokenizer_config.json", **changes)
    problem = refused()

    assert words in problem
    assert str(written / "tokenizer_config.json") in problem
    if fault == "a tokenizer_config.json that cuts on the left":  # the others are alike
        reliability("Naming a model", fault, happens=problem, kept="nothing is trained; the folder is left as it is")


@pytest.mark.parametrize(
    ("fault", "field", "value", "words"),
    [
        (
            "a tokenizer.json that cuts on the left",
            "truncation",
            {"direction": "Left", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
            "the direction of 'truncation' in tokenizer.json",
        ),
        (
            "a tokenizer.json that pads on the left",
            "padding",
            {"strategy": "BatchLongest", "direction": "Left", "pad_to_multiple_of": None, "pad_id": 0}
            | {"pad_type_id": 0, "pad_token": "[PAD]"},
            "the direction of 'padding' in tokenizer.json",
        ),
    ],
)
def test_a_tokenizer_json_with_another_side_is_refused(written, fault, field, value, words):
    settings = json.loads((written / "tokenizer_config.json").read_text())
    sides = ("truncation_side", "padding_side")
    (written / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in settings.items() if k not in sides}))
    edit(written / "tokenizer.json", **{field: value})
    problem = refused()

    assert words in problem, fault
    assert str(written) in problem


def test_lengths_in_a_tokenizer_json_change_no_fingerprint(written):
    """They are set anew by each call, and many folders on the hub carry those of another use."""
    before = loaded()[2]
    edit(
        written / "tokenizer.json",
        truncation={"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
    )

    assert loaded()[2] == before


@pytest.mark.parametrize("changes", [{"split_special_tokens": True}, {"cls_token": "[SEP]"}], ids=list)
def test_what_a_call_goes_by_is_in_the_fingerprint(written, changes):
    before = loaded()[2]
    edit(written / "tokenizer_config.json", **changes)

    assert loaded()[2] != before


def test_lower_case_is_in_the_fingerprint(known, monkeypatch, tmp_path):
    import transformers

    where = tmp_path / "models" / "local"
    write(where)
    words = toy_tokenizer.build("bert").get_vocab()
    transformers.BertTokenizer(vocab=words).save_pretrained(where)
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path / "models"))
    before = loaded()[2]
    edit(where / "tokenizer_config.json", do_lower_case=False)

    assert loaded()[1]("Fox")["input_ids"] != loaded()[1]("fox")["input_ids"]
    assert loaded()[2] != before


def test_an_unknown_token_outside_the_vocabulary_is_refused(written, reliability):
    content = vocabulary(written)
    content["model"]["unk_token"] = "[NONE]"
    (written / "tokenizer.json").write_text(json.dumps(content))
    problem = refused()

    assert "makes '[NONE]' of an unknown word, which its vocabulary does not hold" in problem
    reliability(
        "Naming a model", "an unknown token that is not in the vocabulary", happens=problem, kept="nothing is trained"
    )


def test_a_token_beyond_the_embeddings_is_refused(written, reliability):
    content = vocabulary(written)
    content["model"]["vocab"]["fox"] = 9999
    (written / "tokenizer.json").write_text(json.dumps(content))
    problem = refused()

    assert f"gives 'fox' the number 9,999, and local has embeddings for 0 to {WORDS['bert'] - 1}" in problem
    reliability("Naming a model", "a token numbered beyond the embeddings", happens=problem, kept="nothing is trained")


def byte_pairs(where, merges):
    """RoBERTa's kind of tokenizer: letters, and as many merges of them as are asked for."""
    import tokenizers
    import transformers

    letters = {chr(0x100 + i): i for i in range(4, 256)}
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    pairs = [(chr(0x100 + i), chr(0x101 + i)) for i in range(4, 4 + 60)]
    words = special | letters | {a + b: 256 + i for i, (a, b) in enumerate(pairs)}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(words, pairs[:merges], unk_token="<unk>"))
    names = {"pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **names).save_pretrained(where)
    return len(words)


@pytest.fixture
def in_byte_pairs(known, monkeypatch, tmp_path):
    def make(merges):
        words = byte_pairs(tmp_path / "models" / "localized", merges)
        known = spec_module.specs()
        known["localized"] = dataclasses.replace(known["localized"], vocabulary=words)
        monkeypatch.setattr(spec_module, "specs", lambda: known)
        made = loading.build(known["localized"], 2)
        made.base_model.save_pretrained(tmp_path / "models" / "localized")
        monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path / "models"))

    return make


def test_byte_pairs_with_all_their_merges_are_loaded(in_byte_pairs):
    in_byte_pairs(60)

    assert loaded("localized")[2]


def test_byte_pairs_whose_merges_are_cut_are_refused(in_byte_pairs, reliability):
    in_byte_pairs(20)
    problem = refused("localized")

    assert "its merges lead to 280 of its 316 tokens" in problem
    reliability("Naming a model", "merges cut to a third", happens=problem, kept="nothing is trained")
