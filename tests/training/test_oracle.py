"""The fast trainer is held to the plain one, from outside: by the losses, scores and counts of whole runs.

Without dropout both compute the same but for the order of sums. Every run has warm-up, decay, clipping that bites,
words that do not occur, and a last batch that is shorter. Of the 400 kinds of runs there are 25 here, in which every
two of the properties below meet; `--all-kinds` runs all of them.
"""

import functools
import itertools

import interrupted
import pytest
import torch
from plain_and_fast import KINDS, models, recipe

from progbench.method.options import TUNINGS
from progbench.training import graph, one_run, packed_seeds, plain, text_groups, train
from progbench.training.checkpoints import Checkpoints

SCHEDULES = ("constant", "shrinking", "without_low_blocks", "growing", "single_block_b2")
MODELS = ("tiny-bert", "tiny-roberta", "tiny-mpnet")
NEAR = {torch.float32: 1e-6, torch.float64: 1e-9}
# a correlation divides by the spread of predictions, here of hundredths
NEAR_CORRELATION = {torch.float32: 1e-4, torch.float64: 1e-9}
SEEDS = (3, 4)


pytestmark = pytest.mark.usefixtures("two_dozen_rows")


@functools.cache
def plainly(wanted, seed, dtype):
    with models(dtype, dropout=0.0):
        return plain.train(wanted, seed, threads=1)


def alone(wanted, folder, monkeypatch):
    return [train.train(wanted, SEEDS[0], threads=1)]


def side_by_side(wanted, folder, monkeypatch):
    """Each step as it is."""
    monkeypatch.setattr(graph, "WARM_UP", 10**6)
    return list(train.train_together(wanted, SEEDS, "cpu", 1))


def in_micro_batches(wanted, folder, monkeypatch):
    return one_run.perform(wanted, SEEDS[:1], "cpu", 1, None, micro_batches=2)


def resumed(wanted, folder, monkeypatch):
    """Stopped in the second epoch, after a checkpoint, and gone on with."""
    interrupted.often(monkeypatch)
    with monkeypatch.context() as patch:
        interrupted.stop_at(patch, 6)
        with pytest.raises(interrupted.Stopped):
            train.train(wanted, SEEDS[0], threads=1, kept=Checkpoints(folder))
    found = train.train(wanted, SEEDS[0], threads=1, kept=Checkpoints(folder))
    assert found.notes[0].startswith("resumed after step")
    return [found]


def replayed(wanted, folder, monkeypatch):
    """Captured and replayed from the second step of a stage on, by the GPU's stand-in."""
    made = []

    class Noted(graph.Replayed):
        def __init__(self, *given):
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(graph, "WARM_UP", 1)
    monkeypatch.setattr(graph, "Replayed", Noted)
    # one length of bins: with several, no form of batch comes again in so few steps
    monkeypatch.setattr(packed_seeds, "in_bins", lambda lengths, _: text_groups.in_bins(lengths, (128,)))
    found = list(train.train_together(wanted, SEEDS, "cpu", 1))
    assert sum(one.replays for one in made) > 0
    return found


WAYS = (alone, side_by_side, in_micro_batches, resumed, replayed)


def covering():
    """Of tuning, schedule, kind, way and model every two values meet: three Latin squares of order five.

    All in float64, and a fifth of them, with each schedule and way, in float32.
    """
    for i, j in itertools.product(range(5), repeat=2):
        tuning, kind, model = (
            names[(i + step * j) % 5 % len(names)] for step, names in ((1, [*TUNINGS]), (2, [*KINDS]), (3, MODELS))
        )
        for dtype in NEAR if i == j else [torch.float64]:
            yield tuning, SCHEDULES[i], kind, WAYS[j], model, dtype


def every():
    kinds = itertools.product(TUNINGS, SCHEDULES, KINDS, WAYS)
    return ((*kind, MODELS[number % 3], dtype) for number, kind in enumerate(kinds) for dtype in NEAR)


def pytest_generate_tests(metafunc):
    if "dtype" in metafunc.fixturenames:
        chosen = every() if metafunc.config.getoption("--all-kinds") else covering()
        names = ("tuning", "schedule", "kind", "way", "model", "dtype")
        metafunc.parametrize(names, [*chosen], ids=lambda value: getattr(value, "__name__", str(value)))


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


def test_the_fast_trainer_learns_what_the_plain_one_learns(
    tmp_path, monkeypatch, tuning, schedule, kind, way, model, dtype
):
    wanted = recipe(tuning, schedule, kind, model)
    with models(dtype, dropout=0.0):
        found = way(wanted, tmp_path, monkeypatch)
    for ours in found:
        theirs = plainly(wanted, ours.seed, dtype)
        losses, scores = differences(ours, theirs)
        print(f"largest differences: losses {losses:.1e}, scores {scores:.1e}")

        assert (ours.provenance.trainer, theirs.provenance.trainer) == ("fast", "plain")
        assert losses <= NEAR[dtype]
        assert scores <= (NEAR_CORRELATION[dtype] if kind == "regression" else 0)
        assert [(one.steps, one.updated_parameters) for one in ours.epochs] == [
            (one.steps, one.updated_parameters) for one in theirs.epochs
        ]
        assert (ours.examples, ours.left_out, ours.fingerprints) == (
            theirs.examples, theirs.left_out, theirs.fingerprints,
        )  # fmt: skip


def test_every_two_properties_of_a_run_meet():
    rows = [row[:5] for row in covering()]
    for a, b in itertools.combinations(range(5), 2):
        values = [len({row[place] for row in rows}) for place in (a, b)]

        assert len({(row[a], row[b]) for row in rows}) == values[0] * values[1]
