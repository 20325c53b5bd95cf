"""progbench params, as a person starts it: what a schedule trains in a model, without weights."""

import json

import pytest

from progbench import cli
from progbench.models import loading


def test_params_prints_the_plan_of_a_known_model(capsys):
    assert cli.main(["params", "bert-base", "--epochs", "3"]) == 0
    assert "updated parameters: 243,396,870, which is 25.9% less than 328,451,334" in capsys.readouterr().out


def test_params_reads_a_config_json_and_needs_no_weights(tmp_path, capsys):
    configuration = {"model_type": "modernbert", "num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2}
    (tmp_path / "config.json").write_text(json.dumps(configuration | {"intermediate_size": 8, "vocab_size": 60000}))
    for place in (tmp_path, tmp_path / "config.json"):
        assert cli.main(["params", str(place), "--epochs", "2", "--labels", "5"]) == 0
        assert "ModernBertForSequenceClassification: 2 blocks" in capsys.readouterr().out


def test_params_with_a_tuning_counts_what_that_trains(capsys):
    assert cli.main(["params", "roberta-base", "--epochs", "80", "--tuning", "lora"]) == 0
    assert "updated parameters: 60,248,224," in capsys.readouterr().out  # Table 3: 60.2


@pytest.mark.parametrize(("arguments", "problem"), [
    (["no-such-model", "--epochs", "3"], "no-such-model: no folder, no file, and no known name: bert-base"),
    (["bert-base", "--epochs", "0"], "--epochs = 0: allowed is a whole number from 1 to 1,000"),
    (["bert-base", "--epochs", "1001"], "--epochs = 1001: allowed is a whole number from 1 to 1,000"),
    (["bert-base", "--epochs", "3", "--labels", "0"], "--labels = 0: allowed is a whole number from 1 to 10,000"),
    (["bert-base", "--epochs", "3", "--labels", "10001"], "--labels = 10001: allowed is a whole number from 1 to"),
    (["bert-base", "--epochs", "3", "--schedule=melting"], "_b12 (fine-tuning is constant, progtuning is shrinking)"),
])  # fmt: skip
def test_params_that_cannot_be_planned_are_a_usage_error(capsys, arguments, problem):
    assert cli.main(["params", *arguments]) == 2
    assert problem in capsys.readouterr().err


SMALL = {
    "model_type": "bert", "num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8,
    "vocab_size": 9,
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), [
    (None, "no configuration of a transformers model: "),
    (5, "no configuration of a transformers model: "),
    ({"hidden_size": "a"}, "hidden_size"),
    ({"num_attention_heads": 0}, "integer modulo by zero"),
    ({"num_attention_heads": 7}, "heads (7)"),  # which do not share out the width
    ({"hidden_act": "melt"}, "'melt'"),
    ({"vocab_size": 0}, "no configuration of a transformers"),
    ({"vocab_size": 0, "pad_token_id": None}, "has nothing in its bert.embeddings.word_embeddings.weight"),
    ({"model_type": ["bert"]}, "unhashable"),
    ({"num_hidden_layers": 10**6}, "num_hidden_layers = 1,000,000: at most 1,000"),
])  # fmt: skip
def test_params_of_an_unsound_config_json_names_the_file(tmp_path, capsys, reliability, content, words):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(SMALL | content if isinstance(content, dict) else content))

    assert cli.main(["params", str(tmp_path), "--epochs", "1"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(f"progbench params: {path}: ")
    assert words in said
    if "1,000,000" in words:  # the others are alike
        fault = "a config.json of a million blocks, for params"
        reliability("Naming a model", fault, happens=said, kept="nothing is counted; the file is left as it is")


def test_params_of_a_folder_without_a_config_json_names_the_file(tmp_path, capsys):
    assert cli.main(["params", str(tmp_path), "--epochs", "1"]) == 2
    assert f"{tmp_path / 'config.json'}: is not there; wanted is" in capsys.readouterr().err


def test_params_out_of_memory_is_not_said_to_be_a_configuration(tmp_path, monkeypatch):
    import transformers

    def full(*arguments, **options):
        raise MemoryError

    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", full)
    with pytest.raises(MemoryError):
        loading.outline(str(tmp_path), 2)
