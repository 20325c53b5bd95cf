"""Runs made once each, by one process or several; two threads with a maker each stand for two processes."""

import contextlib
import errno
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace

import made_up
import pytest

from progbench import files
from progbench.errors import BadInput, Missing
from progbench.runs import results
from progbench.runs.results import RunResult
from progbench.runs.run_result import Provenance
from progbench.session import neighbours
from progbench.session.filing import Filing
from progbench.session.making import Maker
from progbench.training import train
from progbench.training.checkpoints import Checkpoints
from progbench.training.scoring import NonFinite


def result(recipe, seed):
    return made_up.result(recipe, seed, {"sst2": {"accuracy": 0.9}}, provenance=Provenance(), environment={})


class Trained(list):
    """The (schedule, seed) of every training; `during` is called at each, in the place of the trainer."""

    during = staticmethod(result)

    def __init__(self):
        self.kept = []

    def __call__(self, recipe, seed, device, threads, kept):
        self.append((recipe.schedule, seed))
        self.kept.append(kept)
        return self.during(recipe, seed)


@pytest.fixture
def trained(monkeypatch):
    calls = Trained()
    monkeypatch.setattr(train, "train", calls)
    return calls


@pytest.fixture
def recipes(smoke_recipe):
    return [smoke_recipe(schedule=schedule) for schedule in ("constant", "shrinking")]


def maker(folder, seeds=1, **options):
    return Maker(Filing(folder, range(seeds), **options), "cpu")


def test_each_run_is_said_with_how_many_there_are(tmp_path, recipes, trained):
    lines = []
    maker(tmp_path, 2).make(recipes, lines.append)

    assert [line for line in lines if line.startswith("run")] == [
        "run 1 of 4: tiny-bert-constant-sst2, seed 0", "run 2 of 4: tiny-bert-shrinking-sst2, seed 0",
        "run 3 of 4: tiny-bert-constant-sst2, seed 1", "run 4 of 4: tiny-bert-shrinking-sst2, seed 1",
    ]  # fmt: skip


def test_what_is_there_is_neither_made_nor_counted(tmp_path, recipes, trained):
    results.save(tmp_path, result(recipes[0], 0))
    lines = []
    maker(tmp_path).make(recipes, lines.append)

    assert lines[0] == "run 1 of 1: tiny-bert-shrinking-sst2, seed 0"
    assert trained == [("shrinking", 0)]


def test_what_was_looked_up_before_it_was_made_is_looked_up_anew(tmp_path, recipes, trained):
    own = maker(tmp_path)
    own.filing.runs(recipes[0])
    own.make(recipes)

    assert list(own.filing.runs(recipes[0]).results) == [0]


@pytest.mark.parametrize(
    ("problem", "failed"), [(BadInput("dev.tsv:7: 2 columns"), [0]), (NonFinite("nan"), [0, 1, 2])]
)
def test_where_one_recipe_fails_the_other_is_trained_all_the_same(tmp_path, recipes, trained, problem, failed):
    """Bad input is found once for all seeds, what happens in a run for each."""

    def fail(recipe, seed):
        if recipe.schedule == "constant":
            raise problem
        return result(recipe, seed)

    trained.during = fail
    own = maker(tmp_path, 3)
    own.make(recipes)
    errors = {seed: one.error.partition(";")[0] for seed, one in own.filing.runs(recipes[0]).results.items()}

    assert errors == dict.fromkeys(failed, str(problem))
    assert [one.error for one in own.filing.runs(recipes[1]).results.values()] == ["", "", ""]


def test_what_cannot_run_here_leaves_no_folder_behind(tmp_path, recipes, trained, monkeypatch):
    def no_data(recipe):
        raise Missing("no data")

    own = maker(tmp_path / "runs")
    monkeypatch.setattr(own, "require", no_data)
    own.make(recipes)

    assert own.filing.runs(recipes[0]).missing == "no data"
    assert not (tmp_path / "runs").exists()


def test_two_processes_share_the_runs_and_have_the_same_results(tmp_path, recipes, trained):
    met = threading.Barrier(2, timeout=600)
    firsts = []

    def wait_for_the_other(recipe, seed):
        if threading.get_ident() not in firsts:
            firsts.append(threading.get_ident())
            met.wait()  # passes only if both train at the same time
        return result(recipe, seed)

    trained.during = wait_for_the_other
    makers = [maker(tmp_path, 3), maker(tmp_path, 3)]
    threads = [threading.Thread(target=one.make, args=(recipes,)) for one in makers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(trained) == [(schedule, seed) for schedule in ("constant", "shrinking") for seed in range(3)]
    assert makers[0].filing.runs(recipes[0]) == makers[1].filing.runs(recipes[0])
    assert list(makers[0].filing.runs(recipes[1]).results) == [0, 1, 2]


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_that_another_holds_comes_last_and_is_made_if_the_other_did_not(
    tmp_path, recipes, smoke_recipe, trained, finished
):
    lock, other = results.lock(tmp_path, recipes[0], 0), smoke_recipe(task="cola")

    def release(recipe, seed):
        if recipe == other:
            if finished:
                results.save(tmp_path, result(recipes[0], 0))
            lock.release()
        return result(recipe, seed)

    trained.during = release
    lines = []
    own = maker(tmp_path)
    with lock:
        own.make([recipes[0], other], lines.append)

    assert trained == [("shrinking", 0)] + ([] if finished else [("constant", 0)])
    assert list(own.filing.runs(recipes[0]).results) == [0]
    assert "run 1 of 1 that another process had begun: tiny-bert-constant-sst2, seed 0" in lines


def test_runs_that_differ_in_their_schedules_alone_share_epochs_seed_by_seed(tmp_path, recipes, trained):
    maker(tmp_path, 2).make(recipes)

    assert trained == [("constant", 0), ("shrinking", 0), ("constant", 1), ("shrinking", 1)]
    first, second = (results.path_of(tmp_path, one, 0).parent for one in recipes)
    assert trained.kept == [Checkpoints(first, 1, (second,)), Checkpoints(second, 1)] * 2


@pytest.mark.parametrize("changes", [{"schedule": "growing"}, {"learning_rate": 1.0}, {"task": "cola"}])
def test_other_runs_share_nothing(tmp_path, smoke_recipe, trained, changes):
    maker(tmp_path).make([smoke_recipe(), smoke_recipe(**{"schedule": "constant"} | changes)])

    assert [one.others for one in trained.kept] == [(), ()]


def test_a_run_whose_siblings_are_there_already_shares_nothing(tmp_path, recipes, trained):
    results.save(tmp_path, result(recipes[0], 0))
    maker(tmp_path).make(recipes)

    assert [one.others for one in trained.kept] == [()]


@pytest.mark.parametrize(("problem", "tried"), [(RuntimeError("out of memory"), [0, 1]), (BadInput("dev.tsv:7"), [0])])
def test_a_failure_of_this_session_is_not_tried_again_by_its_other_processes(
    tmp_path, recipes, trained, problem, tried
):
    def fail(recipe, seed):
        raise problem

    trained.during = fail
    one, other = maker(tmp_path, 2, session="ours"), maker(tmp_path, 2, session="ours")
    one.make(recipes[:1])
    other.make(recipes[:1])

    assert [seed for _, seed in trained] == tried
    assert one.filing.runs(recipes[0]) == other.filing.runs(recipes[0])


def test_an_interrupt_leaves_the_run_free_for_the_next_session(tmp_path, recipes, trained):
    def interrupt(recipe, seed):
        raise KeyboardInterrupt

    trained.during = interrupt
    with pytest.raises(KeyboardInterrupt):
        maker(tmp_path).make(recipes)
    assert not list(tmp_path.rglob("*.json"))
    trained.during = result
    own = maker(tmp_path)
    own.make(recipes)

    assert list(own.filing.runs(recipes[0]).results) == [0]


def test_a_familys_locks_are_taken_in_one_order_whatever_the_sessions(tmp_path, recipes, trained, monkeypatch):
    taken, lock = [], results.lock
    monkeypatch.setattr(
        results, "lock", lambda folder, recipe, seed: taken.append(recipe.id) or lock(folder, recipe, seed)
    )
    for folder, wanted in (("a", recipes), ("b", recipes[::-1])):
        maker(tmp_path / folder).make(wanted)

    assert taken[:2] == taken[2:]


def test_an_error_of_another_session_is_tried_again_whatever_the_clock_says(tmp_path, recipes, trained, reliability):
    results.save(tmp_path, RunResult(recipes[0], 0, error="out of memory", final=False, session="another"))
    tomorrow = time.time() + 86400
    os.utime(results.path_of(tmp_path, recipes[0], 0), (tomorrow, tomorrow))
    own = maker(tmp_path)
    own.make(recipes[:1])

    assert trained == [("constant", 0)]
    assert own.filing.runs(recipes[0]).results[0].error == ""
    reliability(
        "Running, on one machine or on many",
        "the clock was set back after a run failed",
        happens="the next session trains that seed again: it goes by the session's name, not by the time",
        kept="all other results",
    )


def test_a_failure_of_another_session_while_this_one_waits_is_not_tried_again(tmp_path, recipes, smoke_recipe, trained):
    lock, other = results.lock(tmp_path, recipes[0], 0), smoke_recipe(task="cola")

    def fail_there(recipe, seed):
        results.save(tmp_path, RunResult(recipes[0], 0, error="out of memory", final=False, session="another"))
        lock.release()
        return result(recipe, seed)

    trained.during = fail_there
    own = maker(tmp_path)
    with lock:
        own.make([recipes[0], other])

    assert trained == [("shrinking", 0)]
    assert own.filing.runs(recipes[0]).results[0].error == "out of memory"


@pytest.mark.parametrize("others", [0, 2])
def test_a_result_says_which_session_filed_it_and_how_many_used_its_device(tmp_path, recipes, trained, others):
    def meet(recipe, seed):
        with contextlib.ExitStack() as there:
            for _ in range(others):
                there.enter_context(neighbours.at("cpu"))
            return result(recipe, seed)

    trained.during = meet
    maker(tmp_path, session="ours").make(recipes[:1])
    filed = results.load(tmp_path, recipes[0], 0)

    assert (filed.session, filed.provenance.others) == ("ours", others)
    assert maker(tmp_path).filing.session != maker(tmp_path).filing.session  # without a name, one of its own


@pytest.fixture
def leftovers(tmp_path, recipes, monkeypatch):
    """What a process that was killed has left: a temporary folder, a file written aside, and a lock."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    owner = f"{process.pid}@{files._machine()}"
    folder = tmp_path / f"progbench-{owner}-abcd"
    path = results.path_of(tmp_path / "runs", recipes[0], 0)
    hidden = [path.with_name(f".{name}.{owner}") for name in ("seed0.json", "seed0.checkpoint")]
    found = [folder, *hidden, path.with_suffix(".lock")]
    (folder / "prefix").mkdir(parents=True)
    path.parent.mkdir(parents=True)
    for file in found[1:]:
        file.touch()
    return found


def test_what_a_killed_session_left_is_removed_by_the_next(tmp_path, smoke_recipe, trained, leftovers, reliability):
    other = smoke_recipe(task="cola")
    maker(tmp_path / "runs").make([other])

    assert [path.exists() for path in leftovers] == [False] * 4
    reliability(
        "Running, on one machine or on many",
        "a session was killed while it trained, or while it wrote a result",
        happens="the next session removes its temporary folder, half-written file and lock, and resumes the run",
        kept="all results that were there; what other processes that run, here or on another machine, are working on",
    )


def test_who_only_looks_removes_nothing(tmp_path, recipes, leftovers):
    maker(tmp_path / "runs", train=False).make(recipes)

    assert [path.exists() for path in leftovers] == [True] * 4


@pytest.mark.parametrize(("error", "final", "stay"), [("", True, 0), ("nan", True, 0), ("out of memory", False, 1)])
def test_checkpoints_go_when_the_result_is_filed_unless_it_is_tried_again(
    tmp_path, recipes, trained, error, final, stay
):
    def leave(recipe, seed):
        (trained.kept[-1].folder / "seed0.checkpoint-ab-1-cd").touch()
        return RunResult(recipe, seed, error=error, final=final) if error else result(recipe, seed)

    trained.during = leave
    maker(tmp_path).make(recipes[:1])

    assert len(list(tmp_path.rglob("seed0.checkpoint-*"))) == stay


def test_checkpoints_stay_where_the_result_could_not_be_filed(tmp_path, recipes, trained, monkeypatch):
    def leave(recipe, seed):
        (trained.kept[-1].folder / "seed0.checkpoint-ab-1-cd").touch()
        monkeypatch.setattr(results, "save", full)
        return result(recipe, seed)

    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    trained.during = leave
    maker(tmp_path).make(recipes[:1])

    assert len(list(tmp_path.rglob("seed0.checkpoint-*"))) == 1


def test_what_else_used_the_device_of_a_run_that_went_on_is_not_known(tmp_path, recipes, trained):
    trained.during = lambda recipe, seed: replace(result(recipe, seed), provenance=Provenance(resumed=1))
    maker(tmp_path).make(recipes[:1])

    assert results.load(tmp_path, recipes[0], 0).provenance == Provenance(resumed=1)


def test_a_lock_that_is_held_stays(tmp_path, recipes, smoke_recipe, trained):
    with results.lock(tmp_path, recipes[0], 0):
        maker(tmp_path).make([smoke_recipe(task="cola")])

        assert results.path_of(tmp_path, recipes[0], 0).with_suffix(".lock").exists()
