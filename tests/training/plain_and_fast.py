"""Recipes and models of runs that the plain trainer and the fast one both make."""

import contextlib
import dataclasses

import pytest

from progbench.method.options import TUNINGS
from progbench.models import loading
from progbench.recipes import reading

KINDS = {"single text": "sst2", "pair": "rte", "regression": "stsb", "answers": "squad2"}


def recipe(tuning="full", schedule="shrinking", kind="pair", model="tiny-bert", **changes):
    file = "squad" if kind == "answers" else "glue"
    read = reading.read("smoke", file, model=model, schedule="constant", task=KINDS[kind])
    options = {f"{tuning}_{name}": value for name, value in TUNINGS[tuning].items()}
    fields = {"tuning": tuning, "schedule": schedule, "epochs": 2, "batch_size": 11, "learning_rate": 1e-3}
    fields |= {"warmup": 0.3, "weight_decay": 0.1, "clip_norm": 0.2}
    return dataclasses.replace(read, **fields | options | changes)


@contextlib.contextmanager
def models(dtype, dropout):
    """Models in this precision and with this share of dropout."""
    load = loading.load

    def made(known, *rest):
        model, *others = load(dataclasses.replace(known, dropout=dropout), *rest)
        return model.to(dtype), *others

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "load", made)
        yield
