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


def gpus(monkeypatch, count, named=None):
    monkeypatch.setattr(environment, "gpu_count", lambda: count)
    if named is not None:
        monkeypatch.setenv(GPU, named)
    return sharing.gpus()


def test_without_the_variable_gpus_are_named_by_their_numbers(monkeypatch):
    assert gpus(monkeypatch, 3) == ["0", "1", "2"]


def test_only_gpus_of_the_variable_are_shared_out_by_the_names_it_has(monkeypatch):
    assert gpus(monkeypatch, 2, "3,GPU-8a1f") == ["3", "GPU-8a1f"]


def test_names_behind_one_that_the_driver_does_not_know_are_no_gpus(monkeypatch):
    """CUDA stops at the first name that is wrong."""
    assert gpus(monkeypatch, 1, "0,9,1") == ["0"]


def test_an_empty_variable_is_no_gpu(monkeypatch):
    assert gpus(monkeypatch, 0, "") == []


def test_each_worker_has_a_gpu_of_its_own():
    shares = Shares(3, ["0", "1", "2"], cores=6)

    assert [shares.take(worker)[GPU] for worker in "abc"] == ["0", "1", "2"]


def test_more_workers_than_gpus_share_them_evenly():
    shares = Shares(4, ["0", "1"], cores=6)

    assert sorted(shares.take(worker)[GPU] for worker in "abcd") == ["0", "0", "1", "1"]


def test_who_takes_the_place_of_a_dead_worker_has_its_gpu():
    shares = Shares(3, ["0", "1", "2"], cores=6)
    for worker in "abc":
        shares.take(worker)
    shares.give_back("b")

    assert shares.take("d")[GPU] == "1"


def test_on_a_cpu_each_worker_has_its_part_of_the_cores_as_threads():
    assert Shares(3, [], cores=8).take("a") == {THREADS: "2"}


def test_more_workers_than_cores_have_a_thread_each():
    assert Shares(5, [], cores=2).take("a") == {THREADS: "1"}


def test_a_number_of_threads_that_a_person_set_stays(monkeypatch):
    monkeypatch.setenv(THREADS, "4")

    assert Shares(2, [], cores=2).take("a") == {}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux says which cores a process may use")
def test_cores_that_a_scheduler_did_not_give_are_not_shared_out(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {4, 6, 7})

    assert sharing.cores() == 3
