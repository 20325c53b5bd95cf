"""What tests of training share."""

import contextlib
import dataclasses

import datasets
import gpu_stand_in  # noqa: F401 (a CPU captures, too)
import pytest

from progbench.tasks import catalog, toy


@pytest.fixture
def wanted(smoke_recipe):
    """A recipe of two epochs with weight decay and any of its fields replaced."""

    def make(tuning="full", **changes):
        return dataclasses.replace(smoke_recipe(epochs=2, weight_decay=0.1), tuning=tuning, **changes)

    return make


@pytest.fixture(scope="session", autouse=True)
def no_fingerprints():
    """Evaluate makes a data set of what it scores, whose fingerprint took half of the time; nobody reads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.arrow_dataset, "generate_fingerprint", lambda dataset: "")
        yield


@contextlib.contextmanager
def generated(folder, train, evaluate):
    """Generated data of so many rows."""
    with pytest.MonkeyPatch.context() as patch:
        for part, rows in (("train", train), ("evaluate", evaluate)):
            patch.setitem(toy.SIZES, part, rows)
        for variable, write in (("GLUE_DIR", toy.write), ("SQUAD_DIR", toy.write_squad)):
            write(folder / variable)
            patch.setitem(catalog._GENERATED, variable, lambda written=folder / variable: written)
        yield


@pytest.fixture(scope="module")
def forty_rows(tmp_path_factory):
    """40 training rows and 30 to evaluate: some batches are whole, and the last is shorter."""
    with generated(tmp_path_factory.mktemp("forty"), 40, 30):
        yield


@pytest.fixture(scope="module")
def two_dozen_rows(tmp_path_factory):
    """24 training rows and 20 to evaluate: two batches of eleven, whose halves are unlike, and one of two."""
    with generated(tmp_path_factory.mktemp("two-dozen"), 24, 20):
        yield
