"""What a result depends on, changed one at a time, is noticed: by another file, another digest or another fingerprint.

Another digest is another folder of results, so the run is trained anew. A fingerprint goes into the result: what was
read is said beside its scores, and a report warns where results of one column read different things.
"""

import dataclasses
import shutil

import pytest
from made_up import result

from progbench.models import loading, toy_tokenizer
from progbench.models.spec import spec
from progbench.recipes import recipe as recipes
from progbench.runs import results
from progbench.session.filing import Filing
from progbench.session.making import Maker
from progbench.tasks import catalog, toy
from progbench.tasks.source import Source


@pytest.fixture
def filed(smoke_recipe, tmp_path):
    """A LoRA recipe with its result of seed 0 on file."""
    read = smoke_recipe(tuning="lora", task="rte", lora_rank=4, lora_alpha=8.0, lora_targets=("query", "value"))
    results.save(tmp_path, result(read, 0, {"rte": {"accuracy": 0.5}}))
    return read


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 1.0000001e-3),
        ("epochs", 4),
        ("schedule", "growing"),
        ("task", "mrpc"),
        ("batch_size", 17),
        ("precision", "bf16"),
        ("lora_rank", 5),  # an option of its tuning
    ],
)
def test_a_changed_field_is_another_digest_and_is_trained_anew(filed, tmp_path, trained, field, value):
    other = dataclasses.replace(filed, **{field: value})
    Maker(Filing(tmp_path, (0,)), "cpu").make([other])

    assert getattr(filed, field) != value
    assert trained == [(other.id, 0)]
    assert other.digest != filed.digest


def test_a_changed_version_of_the_code_is_another_digest(filed, tmp_path, monkeypatch):
    before = filed.digest
    monkeypatch.setattr(recipes, "SCORES_VERSION", recipes.SCORES_VERSION + 1)

    assert dataclasses.replace(filed).digest != before


@pytest.mark.parametrize(("field", "value"), [("hidden", 128), ("revision", "1" * 40), ("dropout", 0.2)])
def test_a_changed_entry_of_the_model_is_another_digest(filed, tmp_path, monkeypatch, field, value):
    entry = dataclasses.replace(spec("tiny-bert"), **{field: value})
    before = filed.digest
    monkeypatch.setattr(recipes, "spec", lambda name: entry)

    assert dataclasses.replace(filed).digest != before


def flipped(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_changed_byte_of_data_is_another_fingerprint(tmp_path, monkeypatch):
    folder = tmp_path / "glue"
    shutil.copytree(toy.folder(toy.write), folder)
    monkeypatch.setenv("GLUE_DIR", str(folder))
    task = catalog.tasks()["rte"]
    before, again = (catalog.load(task, Source("GLUE_DIR")).fingerprint for _ in range(2))
    content = (folder / "RTE" / "train.tsv").read_bytes()
    flipped(folder / "RTE" / "train.tsv", content.index(b"\t", content.index(b"\n")) + 1)  # a letter of a text

    assert again == before
    assert catalog.load(task, Source("GLUE_DIR")).fingerprint != before


def test_a_changed_byte_of_weights_is_another_fingerprint(tmp_path, monkeypatch):
    known = dataclasses.replace(spec("tiny-bert"), random=False, vocabulary=len(toy_tokenizer.build("bert")))
    loading.build(known, 2).base_model.save_pretrained(tmp_path / "tiny-bert")
    toy_tokenizer.build("bert").save_pretrained(tmp_path / "tiny-bert")
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))
    before, again = (loading.load(known, 2)[2] for _ in range(2))
    flipped(tmp_path / "tiny-bert" / "model.safetensors", -1)

    assert again == before
    assert loading.load(known, 2)[2] != before
