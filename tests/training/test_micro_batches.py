"""Out of memory: one retry with each batch in two micro-batches, whose step is that of the whole batch."""

import dataclasses

import interrupted
import pytest
import torch
from interrupted import learnt
from plain_and_fast import models

from progbench.recipes import reading
from progbench.session.filing import Filing
from progbench.session.making import Maker
from progbench.training import fitting, memory, one_run, prepared, scoring, side_by_side, train
from progbench.training.checkpoints import Checkpoints
from progbench.training.prepared import Prepared
from progbench.training.scoring import Batch
from progbench.training.step import SeedAxis

EXHAUSTED = "CUDA out of memory. Tried to allocate 2.00 GiB"
SECTION = "Running, on one machine or on many"
SAID = "it ran out of memory, so each batch was trained in 2 micro-batches"

pytestmark = pytest.mark.usefixtures("forty_rows")


def recipe(file="glue", task="rte", model="tiny-roberta", **changes):
    read = reading.read("smoke", file, model=model, schedule="shrinking", task=task)
    return dataclasses.replace(read, **{"epochs": 2, "batch_size": 11} | changes)


@pytest.fixture
def exact():
    """Float64 without dropout: then only the order of sums differs."""
    with models(torch.float64, dropout=0.0):
        yield


def exhaust(monkeypatch, most):
    """A memory that holds so many rows of a step and no more, in the step's number 3 and later; gives those it saw."""
    seen = []

    def limit(losses):
        def limited(self, model, batch: Batch):
            rows = batch.get("labels", batch.get("start_positions")).shape[-1]
            seen.append(rows)
            if len(seen) >= 3 and rows > most:
                raise torch.OutOfMemoryError(EXHAUSTED)
            return losses(self, model, batch)

        return limited

    for axis in (SeedAxis, side_by_side.StackedSeeds):
        monkeypatch.setattr(axis, "losses", limit(axis.losses))
    return seen


@pytest.fixture
def weights(monkeypatch):
    """All weights after each epoch."""
    found, fit = [], fitting.fit

    def noted(model, *arguments, **keywords):
        for epoch in fit(model, *arguments, **keywords):
            found.append([parameter.detach().clone() for parameter in model.parameters()])
            yield epoch

    monkeypatch.setattr(one_run, "fit", noted)
    return found


def test_a_seed_of_a_stacked_model_in_micro_batches_is_trained_as_in_whole_batches(exact, weights, monkeypatch):
    wanted = recipe()
    (whole,) = train.train_together(wanted, [1], "cpu", 1)
    exhaust(monkeypatch, most=6)
    (split,) = train.train_together(wanted, [1], "cpu", 1)
    ours, theirs = weights[-1], weights[wanted.epochs - 1]

    assert split.notes[-1] == SAID
    assert [one.loss for one in split.epochs] == pytest.approx([one.loss for one in whole.epochs], rel=0, abs=1e-9)
    for one, other in zip(split.epochs, whole.epochs, strict=True):
        assert one.scores == {part: pytest.approx(found, rel=0, abs=1e-9) for part, found in other.scores.items()}
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    assert [(one.steps, one.updated_parameters, one.flops) for one in split.epochs] == [
        (one.steps, one.updated_parameters, one.flops) for one in whole.epochs
    ]


def test_micro_batches_hold_half_the_rows_a_short_batch_what_it_has_and_the_result_says_so(monkeypatch, reliability):
    seen = exhaust(monkeypatch, most=6)
    found = train.train(recipe(epochs=1), 0, threads=1)

    assert seen == [11, 11, 11] + [6, 5] * 3 + [6, 1]
    assert found.provenance.batch_parts == 2
    reliability(
        SECTION,
        "a GPU that runs out of memory with one seed",
        happens=f"the seed is tried once more: {found.notes[-1]}",
        kept="all up to the last checkpoint; a step still is the mean over the same rows",
    )


def test_a_retry_goes_on_from_the_last_checkpoint_and_says_from_where(tmp_path, monkeypatch):
    interrupted.often(monkeypatch)
    seen = exhaust(monkeypatch, most=6)
    found = train.train(recipe(), 0, threads=1, kept=Checkpoints(tmp_path))

    assert seen == [11, 11, 11] + [6, 5] + [6, 1] + ([6, 5] * 3 + [6, 1])
    assert found.notes == (
        "resumed after step 2 of epoch 1",
        "it ran out of memory, so from step 2 of epoch 1 on each batch was trained in 2 micro-batches",
    )


def test_a_run_in_micro_batches_that_is_killed_goes_on_so(tmp_path, monkeypatch):
    interrupted.often(monkeypatch)
    runs = []
    for name, stop in (("through", 0), ("stopped", 7)):
        with monkeypatch.context() as patch:
            exhaust(patch, most=6)
            interrupted.stop_at(patch, stop)
            try:
                runs.append(train.train(recipe(), 0, threads=1, kept=Checkpoints(tmp_path / name)))
            except interrupted.Stopped:
                runs.append(train.train(recipe(), 0, threads=1, kept=Checkpoints(tmp_path / name)))

    assert learnt(runs[0]) == learnt(runs[1])
    assert (
        runs[1].notes[0]
        == "it ran out of memory, so from step 2 of epoch 1 on each batch was trained in 2 micro-batches"
    )
    assert runs[1].provenance.batch_parts == 2


def test_a_second_time_is_an_error_and_other_recipes_go_on(tmp_path, monkeypatch, reliability):
    of = Prepared.of

    def small(wanted, *arguments, **options):
        if wanted.task == "rte":
            raise torch.OutOfMemoryError(EXHAUSTED)
        return of(wanted, *arguments, **options)

    monkeypatch.setattr(Prepared, "of", small)
    own = Maker(Filing(tmp_path, range(1)), "cpu", 1)
    own.make([recipe(), recipe(task="sst2", epochs=1)])
    failed, good = (own.filing.runs(one).results[0] for one in (recipe(), recipe(task="sst2", epochs=1)))

    assert good.error == ""
    assert not failed.final
    reliability(
        SECTION,
        "one seed that runs out of memory twice",
        happens=f"seed 0: {failed.error.replace(EXHAUSTED, 'what torch says of it')}",
        kept="every other run; its checkpoints, from which the next session tries it again",
    )


def test_seeds_side_by_side_are_halved_before_batches_are(monkeypatch):
    of, asked = Prepared.of, []

    def small(wanted, numbers, *arguments, **options):
        asked.append(tuple(numbers))
        if len(numbers) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return of(wanted, numbers, *arguments, **options)

    monkeypatch.setattr(Prepared, "of", small)
    exhaust(monkeypatch, most=6)
    found = list(train.train_together(recipe(epochs=1), [0, 1], "cpu", 1))

    assert asked == [(0, 1), (0,), (0,), (1,), (1,)]
    assert [one.notes for one in found] == [
        (SAID, "2 seeds side by side ran out of memory, so they were trained in two groups")
    ] * 2


def test_a_batch_of_one_row_cannot_be_split(monkeypatch):
    seen = exhaust(monkeypatch, most=0)
    with pytest.raises(torch.OutOfMemoryError):
        train.train(recipe(batch_size=1), 0, threads=1)

    assert seen == [1, 1, 1]


def test_what_is_no_lack_of_memory_is_not_tried_again(monkeypatch):
    steps = interrupted.stop_at(monkeypatch, 2, lambda: RuntimeError("CUDA error: unspecified launch failure"))
    with pytest.raises(RuntimeError, match="launch failure"):
        train.train(recipe(), 0, threads=1)

    assert len(steps) == 2


def test_an_allocator_that_says_so_in_words_alone_is_understood():
    with pytest.raises((RuntimeError, MemoryError)) as problem:
        torch.empty(2**60)

    assert memory.ran_out(problem.value)


@pytest.mark.parametrize(("task", "together"), [("rte", False), ("squad2", True)])
def test_a_model_that_runs_out_of_memory_while_it_is_scored_is_asked_for_fewer_rows_at_a_time(
    monkeypatch, reliability, task, together
):
    """A memory that holds nine rows gives the scores of one that holds all; here no prediction is a near thing."""
    wanted = recipe(file="squad" if task == "squad2" else "glue", task=task, epochs=1)

    def run():
        return list(train.train_together(wanted, [1], "cpu", 1)) if together else [train.train(wanted, 1, threads=1)]

    (whole,) = run()
    seen, name = [], "infer_together" if together else "alone"
    module = side_by_side if together else scoring
    make = getattr(module, name)

    def limited(*arguments):
        infer = make(*arguments)

        def ask(model, rows):
            seen.append(len(rows))
            if len(rows) > 9:
                raise torch.OutOfMemoryError(EXHAUSTED)
            return infer(model, rows)

        return ask

    monkeypatch.setattr(prepared if together else module, name, limited)
    (halved,) = run()

    assert max(seen) > 9
    assert halved.epochs[0].scores == whole.epochs[0].scores
    reliability(
        SECTION,
        "out of memory while a model is scored",
        happens="its texts are halved until they fit; one text alone that does not fit is the run's error",
        kept="the same scores, and all other runs",
    )


def test_a_single_row_that_does_not_fit_is_an_error():
    def ask(model, rows):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        scoring.within_memory(ask)(torch.nn.Linear(1, 1), [1, 2, 3])
