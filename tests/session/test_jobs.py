"""On a GPU the seeds that a recipe lacks are trained as one: each once, and none that is there already."""

import threading

import pytest
import torch
from made_up import result

from progbench import environment
from progbench.runs import results
from progbench.runs.results import RunResult
from progbench.session.filing import Filing
from progbench.session.making import Maker
from progbench.training import memory, train
from progbench.training.scoring import NonFinite

SCORES = {"sst2": {"accuracy": 0.9}}


@pytest.fixture
def recipes(smoke_recipe):
    return [smoke_recipe(schedule=schedule) for schedule in ("constant", "shrinking")]


class Together(list):
    """The (schedule, seeds) of every training on the GPU that is made up; `during` takes the trainer's place."""

    during = staticmethod(lambda recipe, seeds: [result(recipe, seed, SCORES) for seed in seeds])

    def __init__(self):
        self.kept = []

    def __call__(self, recipe, seeds, device, threads, kept):
        self.append((recipe.schedule, tuple(seeds)))
        self.kept.append(kept)
        return self.during(recipe, seeds)


@pytest.fixture
def together(monkeypatch):
    calls = Together()
    monkeypatch.setattr(train, "train_together", calls)
    monkeypatch.setattr(environment, "gpu_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(memory, "free", lambda: 80 << 30)
    monkeypatch.setattr(environment, "describe", lambda *_, **__: {"device": "cuda"})
    return calls


def maker(folder, seeds=3):
    return Maker(Filing(folder, range(seeds)), "cuda")


def test_the_seeds_of_a_recipe_are_one_job_with_a_result_each(tmp_path, recipes, together):
    own = maker(tmp_path)
    own.make(recipes[:1])

    assert together == [("constant", (0, 1, 2))]
    assert list(own.filing.runs(recipes[0]).results) == [0, 1, 2]


def test_a_seed_that_is_on_file_is_not_trained_again(tmp_path, recipes, together):
    results.save(tmp_path, result(recipes[0], 1, SCORES))
    maker(tmp_path).make(recipes[:1])

    assert together == [("constant", (0, 2))]


def test_schedules_of_one_recipe_share_epochs_for_all_seeds_at_once(tmp_path, recipes, together):
    maker(tmp_path).make(recipes)

    assert together == [("constant", (0, 1, 2)), ("shrinking", (0, 1, 2))]
    assert together.kept[0].others == (together.kept[1].folder,)
    assert together.kept[0].shared == 1


def test_schedules_that_lack_other_seeds_share_nothing(tmp_path, recipes, together):
    results.save(tmp_path, result(recipes[0], 1, SCORES))
    maker(tmp_path).make(recipes)

    assert [kept.others for kept in together.kept] == [(), ()]


def test_a_job_is_said_with_all_its_runs(tmp_path, recipes, together):
    lines = []
    maker(tmp_path).make(recipes, lines.append)

    assert [line for line in lines if line.startswith("runs")] == [
        "runs 1 to 3 of 6: tiny-bert-constant-sst2, seeds 0 1 2",
        "runs 4 to 6 of 6: tiny-bert-shrinking-sst2, seeds 0 1 2",
    ]


def test_seeds_too_many_for_the_memory_are_trained_in_parts(tmp_path, recipes, together, monkeypatch):
    monkeypatch.setattr(memory, "most_together", lambda recipe, free: 2)
    maker(tmp_path).make(recipes)

    assert together == [
        ("constant", (0, 1)), ("constant", (2,)), ("shrinking", (0, 1)), ("shrinking", (2,)),
    ]  # fmt: skip


def test_an_interrupt_loses_no_part_that_is_finished(tmp_path, recipes, together, monkeypatch):
    def interrupt(recipe, seeds):
        if 2 in seeds:
            raise KeyboardInterrupt
        return [result(recipe, seed, SCORES) for seed in seeds]

    monkeypatch.setattr(memory, "most_together", lambda recipe, free: 2)
    together.during = interrupt
    with pytest.raises(KeyboardInterrupt):
        maker(tmp_path).make(recipes[:1])

    assert results.seeds_on_file(tmp_path, recipes[0]) == [0, 1]


@pytest.mark.parametrize("done", [0, 1])
def test_what_goes_wrong_is_the_error_of_each_seed_that_is_not_done(tmp_path, recipes, together, done):
    def fail(recipe, seeds):
        yield from (result(recipe, seed, SCORES) for seed in seeds[:done])
        raise RuntimeError("CUDA out of memory")

    together.during = fail
    own = maker(tmp_path)
    own.make(recipes[:1])
    errors = [one.error for one in own.filing.runs(recipes[0]).results.values()]

    assert errors == [""] * done + ["RuntimeError: CUDA out of memory"] * (3 - done)


def test_one_seeds_error_is_filed_beside_the_others_scores(tmp_path, recipes, together):
    def mixed(recipe, seeds):
        broken = NonFinite("epoch 1, step 3: the loss is nan")
        return [RunResult(recipe, one, error=str(broken)) if one == 1 else result(recipe, one, SCORES) for one in seeds]

    together.during = mixed
    own = maker(tmp_path)
    own.make(recipes[:1])

    errors = [one.error.partition(";")[0] for one in own.filing.runs(recipes[0]).results.values()]
    assert errors == ["", "epoch 1, step 3: the loss is nan", ""]


def test_two_processes_train_each_seed_once(tmp_path, recipes, together):
    started, go_on = threading.Event(), threading.Event()

    def wait(recipe, seeds):
        started.set()
        assert go_on.wait(timeout=600)
        return [result(recipe, seed, SCORES) for seed in seeds]

    together.during = wait
    makers = [maker(tmp_path), maker(tmp_path, seeds=5)]
    threads = [threading.Thread(target=one.make, args=(recipes[:1],)) for one in makers]
    threads[0].start()
    assert started.wait(timeout=600)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join()

    assert sorted(seed for _, seeds in together for seed in seeds) == [0, 1, 2, 3, 4]


def test_a_gpu_that_torch_cannot_use_makes_the_runs_missing(tmp_path, recipes, together, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    own = maker(tmp_path)
    own.make(recipes[:1])

    assert together == []
    assert own.filing.runs(recipes[0]).missing.startswith("a GPU is here, but torch")
