"""The fast trainer is held to the plain one, from outside: by the losses, scores and counts of whole runs.

Without dropout both compute the same but for the order of sums. Every run has warm-up, decay, clipping that bites, words
that do not occur, and a last batch that is shorter. Of the 400 kinds of runs there are 25 here, in which every two of the
properties below meet; `--all-kinds` runs all of them.
"""

import contextlib
import dataclasses
import functools
import itertools
import statistics

import interrupted
import pytest
import scipy.stats
import torch
from statsmodels.stats.power import TTestPower

from progbench.method.options import TUNINGS
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.tasks import catalog, toy, toy_squad
from progbench.training import graph, one_run, plain, train
from progbench.training.checkpoints import Checkpoints

SCHEDULES = ("constant", "shrinking", "without_low_blocks", "growing", "single_block_b2")
KINDS = {"single text": "sst2", "pair": "rte", "regression": "stsb", "answers": "squad2"}
MODELS = ("tiny-bert", "tiny-roberta", "tiny-mpnet")
NEAR = {torch.float32: 1e-6, torch.float64: 1e-9}
SEEDS = (3, 4)


@pytest.fixture(autouse=True, scope="module")
def few_rows(tmp_path_factory):
    """Generated data of 24 rows: two batches of ten, and one of four."""
    folder = tmp_path_factory.mktemp("few")
    with pytest.MonkeyPatch.context() as patch:
        for part, rows in (("train", 24), ("evaluate", 20)):
            patch.setitem(toy.SIZES, part, rows)
        for variable, write in (("GLUE_DIR", toy.write), ("SQUAD_DIR", toy_squad.write)):
            write(folder / variable)
            patch.setitem(catalog._GENERATED, variable, lambda written=folder / variable: written)
        yield


def recipe(tuning="full", schedule="shrinking", kind="pair", model="tiny-bert", **changes):
    file = "squad" if kind == "answers" else "glue"
    read = reading.read("smoke", file, model=model, schedule="constant", task=KINDS[kind])
    options = {f"{tuning}_{name}": value for name, value in TUNINGS[tuning].items()}
    fields = {
        "tuning": tuning,
        "schedule": schedule,
        "epochs": 3,
        "batch_size": 10,
        "learning_rate": 1e-3,
        "warmup": 0.3,
    }
    return dataclasses.replace(read, **fields | {"weight_decay": 0.1, "clip_norm": 0.2} | options | changes)


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


@functools.cache
def plainly(wanted, seed, dtype, dropout=0.0):
    with models(dtype, dropout):
        return plain.train(wanted, seed, threads=1)


def alone(wanted, folder, monkeypatch):
    return [train.train(wanted, SEEDS[0], threads=1)]


def side_by_side(wanted, folder, monkeypatch):
    return list(train.train_together(wanted, SEEDS, "cpu", 1))


def in_parts(wanted, folder, monkeypatch):
    return one_run.make(wanted, SEEDS[:1], "cpu", 1, None, parts=2)


def resumed(wanted, folder, monkeypatch):
    """Stopped in the second epoch, after a checkpoint, and gone on with."""
    interrupted.often(monkeypatch)
    with monkeypatch.context() as patch:
        interrupted.stop_at(patch, 6)
        with pytest.raises(interrupted.Stopped):
            train.train(wanted, SEEDS[0], threads=1, kept=Checkpoints(folder))
    found = train.train(wanted, SEEDS[0], threads=1, kept=Checkpoints(folder))
    assert found.notes == ("resumed after step 2 of epoch 2",)
    return [found]


def replayed(wanted, folder, monkeypatch):
    """Recorded and replayed from the second batch of a form on, as a GPU does it."""
    made = []

    class Noted(graph.Replayed):
        def __init__(self, *given):
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(graph, "WARM_UP", 1)
    monkeypatch.setattr(graph, "Replayed", Noted)
    found = list(train.train_together(wanted, SEEDS, "cpu", 1))
    assert sum(one.replays for one in made) > 0
    return found


WAYS = (alone, side_by_side, in_parts, resumed, replayed)


def covering():
    """Of every two of tuning, schedule, kind, way and model each two values meet: two Latin squares of order five."""
    for i, j in itertools.product(range(5), repeat=2):
        tuning, kind = [*TUNINGS][(i + j) % 5 % 4], [*KINDS][(i + 2 * j) % 5 % 4]
        yield tuning, SCHEDULES[i], kind, WAYS[j], MODELS[(i + 3 * j) % 5 % 3]


def every():
    kinds = itertools.product(TUNINGS, SCHEDULES, KINDS, WAYS)
    return ((*kind, MODELS[number % 3]) for number, kind in enumerate(kinds))


def pytest_generate_tests(metafunc):
    if "way" in metafunc.fixturenames:
        chosen = every() if metafunc.config.getoption("--all-kinds") else covering()
        metafunc.parametrize(("tuning", "schedule", "kind", "way", "model"), [*chosen], ids=getattr_name)


def getattr_name(value):
    return getattr(value, "__name__", value)


def differences(ours, theirs):
    """Of two runs the largest difference of their losses, and of their scores."""
    losses = [abs(a.loss - b.loss) for a, b in zip(ours.epochs, theirs.epochs, strict=True)]
    scores = [
        abs(a.scores[part][metric] - score)
        for a, b in zip(ours.epochs, theirs.epochs, strict=True)
        for part, found in b.scores.items()
        for metric, score in found.items()
    ]
    return max(losses), max(scores)


@pytest.mark.parametrize("dtype", NEAR, ids=str)
def test_the_fast_trainer_learns_what_the_plain_one_learns(
    tmp_path, monkeypatch, record_property, tuning, schedule, kind, way, model, dtype
):
    wanted = recipe(tuning, schedule, kind, model)
    with models(dtype, dropout=0.0):
        found = way(wanted, tmp_path, monkeypatch)
    for ours in found:
        theirs = plainly(wanted, ours.seed, dtype)
        losses, scores = differences(ours, theirs)
        record_property("losses", losses)
        print("DIFF", losses, scores, [e.loss for e in theirs.epochs])

        assert losses <= NEAR[dtype]
        assert scores <= NEAR[dtype]
        assert [(one.steps, one.updated_parameters) for one in ours.epochs] == [
            (one.steps, one.updated_parameters) for one in theirs.epochs
        ]
        assert (ours.examples, ours.left_out, ours.fingerprints) == (
            theirs.examples, theirs.left_out, theirs.fingerprints,
        )  # fmt: skip


def test_every_two_properties_of_a_run_meet():
    rows = list(covering())
    for a, b in itertools.combinations(range(5), 2):
        values = [len({row[place] for row in rows}) for place in (a, b)]

        assert len({(row[a], row[b]) for row in rows}) == values[0] * values[1]
