"""The texts of the speed benchmark, and how batches of them are drawn: the lengths decide what a step costs."""

from __future__ import annotations

import functools
import itertools
import os
import random
import tomllib
from dataclasses import replace
from pathlib import Path

from progbench.errors import Missing
from progbench.models import loading
from progbench.models.spec import ModelSpec
from progbench.recipes import reading, recipe
from progbench.tasks import catalog

EXAMPLES = 6400  # the texts a task is known by, at most: four groups of the Trainer's
GLUE = ("cola", "sst2", "mrpc", "rte", "stsb", "mnli", "qnli", "qqp")


@functools.cache
def measured() -> dict[str, dict]:
    """What lengths.toml knows of the tasks' texts."""
    return tomllib.loads((Path(__file__).parent / "lengths.toml").read_text())


def different_words(model: ModelSpec, task: str) -> int:
    """How many different tokens a task's files have; where they are not whole, every one there is."""
    return min(measured()[task].get("words", model.vocabulary), model.vocabulary)


def words(model: ModelSpec, task: str) -> set[int]:
    """The token ids a run on a task meets: those of the texts drawn, and others, as many as the whole task has."""
    met = {token for row in rows(model, task)[0] for token in row["input_ids"]}
    others = (token for token in range(model.vocabulary) if token not in met)
    return met | set(itertools.islice(others, max(0, different_words(model, task) - len(met))))


@functools.cache
def rows(model: ModelSpec, task: str) -> tuple[list[dict], str]:
    """As many examples as are drawn from, and what their texts are."""
    if model.package and os.environ.get("GLUE_DIR") and task in GLUE:
        wanted = reading.read("mini", "glue", model=model.name, schedule="constant", task=task)
        try:
            return real_rows(model, wanted), "real"
        except Missing:
            pass
    quantiles = measured()[task]["quantiles"]
    rng = random.Random(1)
    lengths = [min(quantiles[i % len(quantiles)], width(model, task)) for i in range(EXAMPLES)]
    rng.shuffle(lengths)
    target = {"start_positions": 1, "end_positions": 2} if task == "squad1" else {"labels": 1}
    different = different_words(model, task)
    texts = [rng.choices(range(5, different), k=length) for length in lengths]
    return [{"input_ids": text, **target} for text in texts], "random"


def real_rows(model: ModelSpec, wanted: recipe.Recipe) -> list[dict]:
    """Training texts of a task, drawn from the whole file; two classes stand for three, and for a score."""
    from progbench.training import workload

    task = catalog.tasks()[wanted.task]
    train = catalog.load(task, wanted.data_source).train
    count = min(EXAMPLES, len(train))
    chosen = random.Random(1).sample(range(len(train)), count)
    drawn = replace(train, texts=tuple([column[i] for i in chosen] for column in train.texts), labels=[1] * count)
    return workload.encode(drawn, loading.load(model, 2)[1], wanted.max_length)


def width(model: ModelSpec, task: str) -> int:
    """What *default* pads to; a tiny model has fewer positions than a text has words."""
    return min(384 if task == "squad1" else 128, model.readable)


def spread(lengths: list[int], count: int) -> list[int]:
    """The places of `count` texts at even steps of the sorted lengths, the longest first: their mean is the task's.

    >>> spread([5, 1, 9, 3, 7, 11], 3)
    [2, 0, 1]
    """
    longest_first = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    return [longest_first[int((i + 0.5) * len(lengths) / count)] for i in range(count)]


def shuffled(lengths: list[int], batch: int, steps: int, seed: int = 2) -> list[list[int]]:
    """Batches as random order makes them."""
    chosen = spread(lengths, steps * batch)
    random.Random(seed).shuffle(chosen)
    return [chosen[start : start + batch] for start in range(0, len(chosen), batch)]


def grouped(lengths: list[int], batch: int, steps: int) -> list[list[int]]:
    """Batches as the Trainer groups them by length (transformers' `get_length_grouped_indices`)."""
    batches = max(min(len(lengths) // (4 * batch), 50), steps)
    group = spread(lengths, batches * batch)
    starts = [int((i + 0.5) * batches / steps) * batch for i in range(steps)]
    return [group[start : start + batch] for start in starts]


def head_of(task: str) -> str:
    return "question_answering" if task == "squad1" else "classification"
