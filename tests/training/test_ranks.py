"""Several processes that train one run together take its steps; here two on a CPU, which talk by gloo."""

import contextlib
import dataclasses
import weakref

import pytest
import ranks_run
import torch

from progbench.errors import BadInput
from progbench.recipes import reading
from progbench.runs.results import RunResult
from progbench.tasks import toy, toy_squad
from progbench.training import launching, ranks, train
from progbench.training.checkpoints import Checkpoints
from progbench.training.prepared import Prepared
from progbench.training.ranks import Rank


def recipe(file="glue", task="rte", model="tiny-roberta", schedule="shrinking", tuning="full", **changes):
    read = reading.read("smoke", file, model=model, schedule=schedule, tuning=tuning, task=task)
    return dataclasses.replace(read, **{"epochs": 2, "batch_size": 13} | changes)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Forty rows to train on, in batches of 13: the last batch has one, which is a row for one of two processes."""
    folder = tmp_path_factory.mktemp("few")
    with pytest.MonkeyPatch.context() as patch:
        for part, rows in (("train", 40), ("evaluate", 31)):
            patch.setitem(toy.SIZES, part, rows)
        toy.write(folder / "GLUE_DIR")
        toy_squad.write(folder / "SQUAD_DIR")
    return folder


CASES = {
    "full, shrinking": (recipe(epochs=3), (1,), 1),
    "full, growing": (recipe(schedule="growing", epochs=3), (1,), 1),
    "full, constant": (recipe(schedule="constant"), (1,), 1),
    "regression": (recipe(task="stsb", model="tiny-bert"), (1,), 1),
    "adapter": (recipe(file="peft", tuning="adapter"), (1,), 1),
    "bitfit": (recipe(file="peft", tuning="bitfit"), (1,), 1),
    "lora": (recipe(file="peft", tuning="lora"), (1,), 1),
    "answers": (recipe(file="squad", task="squad2", model="tiny-bert"), (1,), 1),
    "seeds side by side": (recipe(), (0, 2), 1),
    "in parts": (recipe(batch_size=11), (1,), 2),
}


ANSWERS = recipe(file="squad", task="squad2", model="tiny-bert", epochs=1)
STOPS = [(6, 1), (7, 2), (5, 99)]  # a run stops at this step; processes agree on a checkpoint every so many steps


@pytest.fixture(scope="module")
def found(data, tmp_path_factory):
    """What two processes did."""
    folder = tmp_path_factory.mktemp("stopped")
    stops = [(Checkpoints(folder / str(step)), step, every) for step, every in STOPS]
    arguments = (data, list(CASES.values()), recipe(), ANSWERS, stops)
    return launching.several(ranks_run.everything, arguments, 2, "cpu") | {"folder": folder}


@pytest.fixture(scope="module")
def both(data, found):
    """What two processes learnt, and what one learns, by the name of the case."""
    alone = ranks_run.trained(data, list(CASES.values()))
    return dict(zip(CASES, zip(found["trained"], alone, strict=True), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_two_processes_take_the_steps_of_one(both, name):
    (_, ours, _), (_, theirs, _) = both[name]

    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_two_processes_learn_what_one_learns(both, name):
    """Scores and losses; and counts, of updated parameters, steps and floating-point operations, to the last one."""
    (ours, _, _), (theirs, _, _) = both[name]

    for seed, other in zip(ours, theirs, strict=True):
        for (scores, loss, *counts), (wanted, expected, *counted) in zip(seed, other, strict=True):
            assert scores == {part: pytest.approx(one, rel=0, abs=1e-9) for part, one in wanted.items()}
            assert loss == pytest.approx(expected, rel=0, abs=1e-9)
            assert counts == counted


@pytest.mark.parametrize("name", CASES)
def test_both_processes_have_the_same_weights_to_the_last_bit(both, name):
    first, second = both[name][0][2]

    assert first == second


def test_answers_that_two_processes_find_score_as_those_of_one(data, found):
    assert found["answered"] == ranks_run.answered(data, ANSWERS)


def test_each_process_draws_another_dropout_and_the_same_one_each_time(found):
    once, again = found["drawn"]

    assert once[0] != once[1]
    assert once == again


def test_all_processes_take_the_answer_of_the_first(found):
    assert found["asked"] == [[True, False], [True, False]]


@pytest.mark.parametrize(("place", "done"), [(0, 5), (1, 6), (2, 4)])
def test_a_run_of_two_processes_goes_on_as_one_that_went_through(found, place, done):
    """With dropout, bit for bit. By the last of STOPS a checkpoint is left at the end of an epoch alone."""
    (scores, weights, steps, notes, _), whole = found["resumed"][place], found["whole"]

    assert (scores, weights) == whole[:2]
    assert steps == whole[2] - done
    assert notes[-1].startswith("resumed after ")


def test_a_result_says_how_many_processes_trained_it_together(found):
    assert found["whole"][4]["data_parallel"] == 2


def test_what_two_processes_left_is_not_gone_on_with_by_one(data, found):
    kept = Checkpoints(found["folder"] / str(STOPS[0][0]))
    left = len(list(kept.folder.glob("seed0.checkpoint-*")))
    alone = ranks_run.resumed(data, recipe(), kept, 0)

    assert left > 0
    assert alone[2] == found["whole"][2]
    assert alone[3][0].startswith("it began anew: its checkpoint was of other versions, ")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"file": "peft", "tuning": "lora", "prefix_cache": True}, "prefix_cache is for one process alone"),
        ({"batch_size": 1}, "the batches of tiny-roberta-shrinking-rte have 1 rows"),
    ],
)
def test_what_processes_cannot_share_is_refused(tmp_path, changes, problem):
    with pytest.raises(BadInput, match=problem):
        Prepared.of(recipe(**changes), [0], "cpu", tmp_path, rank=Two())


class Two(Rank):
    count = 2


def test_a_run_that_one_process_has_no_room_for_is_tried_again_in_parts(monkeypatch):
    """Of new processes, since those that ran out of memory have ended; 'in parts' above is what they compute."""
    calls = []

    def several(work, arguments, processes, device):
        calls.append((work, arguments[-1], processes, device))
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [RunResult(recipe(), 0)]

    monkeypatch.setattr(launching, "several", several)
    train.train(recipe(), 0, threads=2, processes=2)

    assert calls == [(train._as_rank, 1, 2, "cpu"), (train._as_rank, 2, 2, "cpu")]


@pytest.mark.parametrize(("deaths", "starts"), [(2, 3), (3, 3)])
def test_a_run_of_which_a_process_dies_is_started_three_times_in_all(monkeypatch, deaths, starts):
    calls = []

    def several(*_):
        calls.append(1)
        if len(calls) <= deaths:
            raise launching.Died("process 2 of 2 died (SIGKILL)")
        return [RunResult(recipe(), 0)]

    monkeypatch.setattr(launching, "several", several)
    with pytest.raises(launching.Died) if deaths == starts else contextlib.nullcontext():
        train.train(recipe(), 0, threads=2, processes=2)

    assert len(calls) == starts


@pytest.fixture
def group(tmp_path):
    """This process as the only one of a group."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("group")
def test_a_single_process_of_a_group_goes_the_way_of_several(data, monkeypatch):
    """So a machine with one GPU can try it. A stage's wrapper is gone when the next is made."""
    wrappers, averaged = [], ranks._Averaged

    def noted(*arguments):
        assert [one() for one in wrappers] == [None] * len(wrappers)
        made = averaged(*arguments)
        wrappers.append(weakref.ref(made._step.model))
        return made

    monkeypatch.setattr(ranks, "_Averaged", noted)
    ranks_run.trained(data, [(recipe(), (1,), 1), (recipe(), (0, 2), 1)])

    assert len(wrappers) == 4
