"""What each of several processes of one machine has for its own."""

import os

import pytest

from progbench import environment
from progbench.session import sharing
from progbench.session.sharing import GPU, THREADS, Shares


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for variable in (GPU, THREADS):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(("count", "variable", "gpus"), [
    pytest.param(3, None, ["0", "1", "2"], id="by their numbers"),
    pytest.param(2, "3,GPU-8a1f", ["3", "GPU-8a1f"], id="by the names of the variable"),
    pytest.param(1, "0,9,1", ["0"], id="CUDA stops at the first name that is wrong"),
    pytest.param(0, "", [], id="an empty variable is no GPU"),
])  # fmt: skip
def test_the_gpus_to_share_are_those_that_the_driver_shows(monkeypatch, count, variable, gpus):
    monkeypatch.setattr(environment, "gpu_count", lambda: count)
    if variable is not None:
        monkeypatch.setenv(GPU, variable)

    assert sharing.gpus() == gpus


@pytest.mark.parametrize(("cards", "workers", "taken"), [("012", "abc", "012"), ("01", "abcd", "0011")])
def test_workers_share_gpus_evenly(cards, workers, taken):
    shares = Shares(len(workers), [*cards], cores=6)

    assert sorted(shares.take(worker)[GPU] for worker in workers) == [*taken]


def test_who_takes_the_place_of_a_dead_worker_has_its_gpu():
    shares = Shares(3, ["0", "1", "2"], cores=6)
    for worker in "abc":
        shares.take(worker)
    shares.give_back("b")

    assert shares.take("d")[GPU] == "1"


@pytest.mark.parametrize(("workers", "cores", "threads"), [(3, 8, "2"), (5, 2, "1")])
def test_on_a_cpu_each_worker_has_its_share_of_the_cores_and_one_at_least(workers, cores, threads):
    assert Shares(workers, [], cores).take("a") == {THREADS: threads}


def test_a_number_of_threads_that_a_person_set_stays(monkeypatch):
    monkeypatch.setenv(THREADS, "4")

    assert Shares(2, [], cores=2).take("a") == {}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux says which cores a process may use")
def test_cores_that_a_scheduler_did_not_give_are_not_shared_out(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {4, 6, 7})

    assert sharing.cores() == 3
