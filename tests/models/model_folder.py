"""A small model's folder: written, edited, loaded, refused."""

import functools
import json

import pytest
import torch

from progbench.errors import BadInput
from progbench.models import loading, toy_tokenizer
from progbench.models.spec import spec

WORDS = {name: len(toy_tokenizer.build(name)) for name in ("bert", "roberta")}


@functools.cache
def tiny(name="local"):
    torch.manual_seed(0)
    return loading.build(spec(name), num_labels=2)


def write(where, name="local"):
    tiny(name).base_model.save_pretrained(where)
    toy_tokenizer.build(spec(name).architecture).save_pretrained(where)


def loaded(name="local"):
    torch.manual_seed(0)
    return loading.load(spec(name), num_labels=2)


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(name="local"):
    with pytest.raises(BadInput) as problem:
        loading.load(spec(name), 2)
    return str(problem.value)
