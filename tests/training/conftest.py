"""What tests of training share."""

import dataclasses

import pytest

from progbench.tasks import catalog, toy, toy_squad


@pytest.fixture
def wanted(smoke_recipe):
    """A recipe of two epochs with weight decay and any of its fields replaced."""

    def make(tuning="full", **changes):
        return dataclasses.replace(smoke_recipe(epochs=2, weight_decay=0.1), tuning=tuning, **changes)

    return make


@pytest.fixture(scope="module")
def forty_rows(tmp_path_factory):
    """Generated data of 40 training rows and 30 to evaluate: some batches are whole, and the last is shorter."""
    folder = tmp_path_factory.mktemp("few")
    with pytest.MonkeyPatch.context() as patch:
        for part, rows in (("train", 40), ("evaluate", 30)):
            patch.setitem(toy.SIZES, part, rows)
        for variable, write in (("GLUE_DIR", toy.write), ("SQUAD_DIR", toy_squad.write)):
            write(folder / variable)
            patch.setitem(catalog._GENERATED, variable, lambda written=folder / variable: written)
        yield
