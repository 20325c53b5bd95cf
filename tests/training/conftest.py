"""What tests of training share."""

import dataclasses

import pytest


@pytest.fixture
def wanted(smoke_recipe):
    """A recipe of two epochs with weight decay and any of its fields replaced."""

    def make(tuning="full", **changes):
        return dataclasses.replace(smoke_recipe(epochs=2, weight_decay=0.1), tuning=tuning, **changes)

    return make
