"""Epochs that two schedules share are trained once, and both end as they would have ended alone."""

import dataclasses
import functools
import weakref

import pytest
import torch
from interrupted import learnt

from progbench.method.schedule import shared_epochs
from progbench.recipes import reading
from progbench.runs import results
from progbench.training import checkpoints, fitting, one_run, train
from progbench.training.checkpoints import Checkpoints

pytestmark = pytest.mark.usefixtures("forty_rows")  # what two runs share does not depend on how much they learn


def pair(file="glue", task="sst2", model="tiny-bert", tuning="full"):
    read = functools.partial(reading.read, "smoke", file, model=model, tuning=tuning, task=task)
    return [dataclasses.replace(read(schedule=name), epochs=2) for name in ("constant", "shrinking")]


def kept(folder, first, second):
    """Where two runs keep their checkpoints, the first leaving what they share for the second."""
    one, other = (results.path_of(folder, recipe, 0).parent for recipe in (first, second))
    epochs = shared_epochs(recipe.build_schedule() for recipe in (first, second))
    return Checkpoints(one, epochs, (other,)), Checkpoints(other)


@pytest.mark.parametrize(
    ("file", "task", "model", "tuning"),
    [
        ("glue", "sst2", "tiny-roberta", "full"),
        ("peft", "rte", "tiny-bert-wide", "adapter"),
        ("squad", "squad1", "tiny-bert", "full"),
    ],
)
def test_a_run_that_goes_on_from_anothers_epochs_ends_as_alone_to_the_last_bit(tmp_path, file, task, model, tuning):
    first, second = pair(file, task, model, tuning)
    alone = train.train(second, 1, threads=1)
    leaving, taking = kept(tmp_path, first, second)
    left = train.train(first, 1, threads=1, kept=leaving)
    taken = train.train(second, 1, threads=1, kept=taking)

    assert 0 < leaving.shared < second.epochs
    assert learnt(left)[: leaving.shared] == learnt(taken)[: leaving.shared]
    assert learnt(taken) == learnt(alone)
    assert taken.notes == left.notes == alone.notes


def test_shared_epochs_are_not_trained_again(tmp_path, monkeypatch):
    both = pair()
    trained = []
    fit = fitting.fit

    def noted(*arguments, **keywords):
        for epoch in fit(*arguments, **keywords):
            trained.append(epoch.t)
            yield epoch

    monkeypatch.setattr(one_run, "fit", noted)
    for one, where in zip(both, kept(tmp_path, *both), strict=True):
        train.train(one, 0, threads=1, kept=where)

    assert trained == [0, 1, 1]


def test_a_run_that_goes_on_keeps_no_second_copy_of_what_it_took_over(tmp_path, monkeypatch):
    first, second = pair()
    leaving, taking = kept(tmp_path, first, second)
    train.train(first, 0, threads=1, kept=leaving)
    held, fit = [], fitting.fit

    def noted(model, *arguments, past, **keywords):
        taken = [weakref.ref(parameter) for parameter in past["parameters"]]
        moments = [weakref.ref(of["exp_avg"]) for of in past["optimizer"]["state"].values()]
        for epoch in fit(model, *arguments, past=past, **keywords):
            trains = sum(parameter.requires_grad for parameter in model.parameters())
            held.append((sum(one() is not None for one in taken), sum(one() is not None for one in moments) - trains))
            yield epoch

    monkeypatch.setattr(one_run, "fit", noted)
    train.train(second, 0, threads=1, kept=taking)

    assert held[0] == (0, 0)


def test_time_and_memory_of_shared_epochs_count_for_both_runs(tmp_path):
    first, second = (dataclasses.replace(one, model="tiny-roberta") for one in pair())
    leaving, taking = kept(tmp_path, first, second)
    prints = train.train(first, 0, threads=1, kept=leaving).fingerprints
    made = checkpoints.made_with((0,), "cpu", 1, prints, together=False)
    past, _ = taking.load(made)
    taking.save(dataclasses.replace(past, seconds=1000.0, peak_memory_bytes=10**15), made, 10**6)
    result = train.train(second, 0, threads=1, kept=taking)

    assert 1000.0 < result.seconds < 2000.0
    assert result.peak_memory_bytes == 10**15


@pytest.mark.parametrize(
    ("T", "tuning", "shared"),
    # of twelve blocks: 12 * 1 // 3 = 4 freeze after one epoch; 12 * t // 80 is 0 for t = 0 to 6
    [(3, "full", 1), (80, "lora", 7), (1, "full", 1)],
)
def test_schedules_share_the_epochs_before_the_first_block_freezes(T, tuning, shared):
    file, model = ("peft", "roberta-base") if tuning == "lora" else ("glue", "bert-base")
    both = [
        reading.read("paper", file, model=model, tuning=tuning, schedule=name, task="rte")
        for name in ("constant", "shrinking")
    ]

    assert shared_epochs(dataclasses.replace(one, epochs=T).build_schedule() for one in both) == shared


def test_a_disk_too_full_for_the_shared_epochs_costs_no_run(tmp_path, monkeypatch):
    def full(content, file):
        file.write(b"stump")
        raise RuntimeError("enforce fail at inline_container.cc")

    monkeypatch.setattr(torch, "save", full)
    first, second = pair()
    with pytest.warns(UserWarning, match="no checkpoint could be written .enforce fail") as said:
        train.train(first, 0, threads=1, kept=kept(tmp_path, first, second)[0])

    assert len(said) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
