"""What the tests of the method share."""

import gc

import pytest


@pytest.fixture(autouse=True, scope="module")
def no_garbage_in_what_was_imported():
    """Trainer.train() collects garbage: to look through all that was imported took half of a tiny run."""
    gc.freeze()
    yield
    gc.unfreeze()
