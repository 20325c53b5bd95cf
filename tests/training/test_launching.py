"""Processes that work together: what goes wrong in one ends all, and is said where they were started."""

import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import failing
import pytest
import torch

from progbench.errors import BadInput
from progbench.session import stopping
from progbench.training import launching

SECTION = "Disks, processes and networks"


def several(work, *arguments):
    return launching.several(work, arguments, 2, "cpu")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files; the tests' own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_what_goes_wrong_in_one_process_is_raised_where_they_were_started(temporary):
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        several(failing.raises, torch.OutOfMemoryError("CUDA out of memory"))

    assert list(temporary.iterdir()) == []


def test_a_process_that_dies_ends_the_others_and_is_named(reliability):
    with pytest.raises(launching.Died) as died:
        several(failing.is_killed)
    reliability(
        SECTION,
        "one of the processes of `--data-parallel` is killed, three times in a row",
        happens=died.value,
        kept="the run's checkpoints, from which it is started again after the first and the second time",
    )


def test_an_interrupt_ends_all_processes_and_leaves_nothing(temporary, tmp_path):
    def interrupt():
        _both_at_work(tmp_path)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt).start()
    with stopping.interrupted_when_told():
        with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
            several(failing.waits, tmp_path)
        second = signal.getsignal(signal.SIGTERM)

    assert not any(map(_runs, _both_at_work(tmp_path)))
    assert list(temporary.iterdir()) == []
    assert second == signal.SIG_IGN  # it does not disturb the report


PARENT = """
import sys
from pathlib import Path
import failing
from progbench.training import launching

if __name__ == "__main__":
    launching.several(failing.waits, (Path(sys.argv[1]),), 2, "cpu")
"""


def test_processes_end_when_the_one_that_started_them_is_killed(tmp_path):
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, program, tmp_path], env=os.environ | {"PYTHONPATH": _paths()})
    at_work = _both_at_work(tmp_path)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 60
    while any(map(_runs, at_work)) and time.monotonic() < end:
        time.sleep(0.05)

    assert not any(map(_runs, at_work))


@pytest.fixture
def notes(tmp_path):
    """The notes of two ranks, as they are before anything has failed."""
    for rank in range(2):
        launching._note_of(tmp_path, rank).write_bytes(bytes(launching.NOTE))

    def leave(rank, problem):
        launching._leave(launching._note_of(tmp_path, rank), problem)

    return leave


@pytest.mark.parametrize("problem", [BadInput("no such file"), torch.OutOfMemoryError("CUDA out of memory")])
def test_an_exception_is_left_for_the_parent_as_it_is(tmp_path, notes, problem):
    notes(1, problem)
    found = launching._first(tmp_path, {0: -15, 1: 1}, 2)

    assert (type(found), str(found)) == (type(problem), str(problem))


@pytest.mark.parametrize(
    ("problem", "words"),
    [(failing.Odd("this", "that"), "Odd: this and that"), (ValueError("x" * 10**6), "ValueError: x")],
)
def test_an_exception_that_cannot_be_handed_over_is_left_as_words(tmp_path, notes, problem, words):
    notes(1, problem)

    assert str(launching._first(tmp_path, {0: -15, 1: 1}, 2)).startswith(words)


def test_a_note_takes_no_more_room_than_was_taken_before_the_disk_was_full(tmp_path, notes):
    notes(1, OSError(errno.ENOSPC, "No space left on device"))

    assert [path.stat().st_size for path in tmp_path.glob("*.problem*")] == [launching.NOTE] * 2
    assert launching._first(tmp_path, {1: 1}, 2).errno == errno.ENOSPC


def test_what_went_wrong_first_is_what_is_raised(tmp_path, notes):
    for rank, (words, when) in enumerate([("connection closed", 2_000), ("no room", 1_000)]):
        notes(rank, RuntimeError(words))
        os.utime(launching._note_of(tmp_path, rank), ns=(when, when))

    assert str(launching._first(tmp_path, {0: 1, 1: 1}, 2)) == "no room"


@pytest.mark.parametrize(
    ("codes", "words"),
    [({1: -9}, "process 2 of 2 died .SIGKILL, "), ({0: 1, 1: -signal.SIGTERM}, "connection closed")],
)
def test_a_process_that_was_killed_is_why_its_partner_failed(tmp_path, notes, codes, words):
    """SIGTERM is how the launcher ends the others."""
    notes(0, RuntimeError("connection closed"))

    assert re.match(words, str(launching._first(tmp_path, codes, 2)))


def test_a_signal_that_somebody_else_handles_stays_theirs(tmp_path):
    """As submitit does, which notes SIGTERM and lets its job go on. Slurm sends it to all processes of a job."""
    heard = []

    def say():
        all_of_them = map(str, (os.getpid(), *_both_at_work(tmp_path)))
        subprocess.run(["kill", "-TERM", *all_of_them], check=True)  # somebody else: a cluster
        time.sleep(0.5)
        (tmp_path / "go on").touch()

    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        threading.Thread(target=say).start()
        found = several(failing.waits_to_go_on, tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert (found, heard) == ("went on", [signal.SIGTERM])


def _paths():
    here = Path(__file__).resolve().parent
    return os.pathsep.join([str(here), str(here.parents[1])])


def _both_at_work(folder):
    """The numbers of the two processes, once both wait."""
    end = time.monotonic() + 120
    while len(found := [path.name for path in folder.iterdir() if path.name.isdecimal()]) < 2:
        assert time.monotonic() < end, "they did not begin"
        time.sleep(0.05)
    return list(map(int, found))


def _runs(process):
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
