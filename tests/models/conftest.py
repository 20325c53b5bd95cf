"""Model folders to look at and to damage."""

import dataclasses

import pytest
from model_folder import WORDS, write

from progbench.models import spec as spec_module


@pytest.fixture
def known(monkeypatch):
    """Entries of models.toml for folders small enough to write here, "local" of BERT's and "localized" of RoBERTa's."""
    specs = spec_module.specs()
    made = {
        name: dataclasses.replace(specs[like], name=name, random=False, vocabulary=WORDS[like.removeprefix("tiny-")])
        for name, like in (("local", "tiny-bert"), ("localized", "tiny-roberta"))
    }
    monkeypatch.setattr(spec_module, "specs", lambda: specs | made)


@pytest.fixture
def written(known, monkeypatch, tmp_path):
    """A folder with the weights and tokenizer of "local", where PROGBENCH_MODELS finds it."""
    models = tmp_path / "models"
    write(models / "local")
    monkeypatch.setenv("PROGBENCH_MODELS", str(models))
    return models / "local"
