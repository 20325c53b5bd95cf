"""Processes that work together: what goes wrong in one ends all, and is said where they were started."""

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
    with pytest.raises(RuntimeError) as died:
        several(failing.is_killed)
    reliability(
        SECTION,
        "one of the processes of `--data-parallel` is killed",
        happens=died.value,
        kept="the run's checkpoints: started again, it goes on; other cells go on now",
    )


def test_an_interrupt_ends_all_processes_and_leaves_nothing(temporary, tmp_path):
    def interrupt():
        _both_at_work(tmp_path)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        several(failing.waits, tmp_path)

    assert not any(map(_runs, _both_at_work(tmp_path)))
    assert list(temporary.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == before


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


@pytest.mark.parametrize("problem", [BadInput("no such file"), torch.OutOfMemoryError("CUDA out of memory")])
def test_an_exception_is_left_for_the_parent_as_it_is(tmp_path, monkeypatch, problem):
    monkeypatch.setenv("RANK", "1")
    launching._note(tmp_path, problem)
    found = launching._first(tmp_path, {1: 1})

    assert (type(found), str(found)) == (type(problem), str(problem))


def test_an_exception_that_cannot_be_made_again_is_left_as_words(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    launching._note(tmp_path, failing.Odd("this", "that"))

    assert str(launching._first(tmp_path, {1: 1})) == "Odd: this and that"


def test_what_went_wrong_first_is_what_is_raised(tmp_path, monkeypatch):
    for rank, (words, when) in enumerate([("connection closed", 2_000), ("no room", 1_000)]):
        monkeypatch.setenv("RANK", str(rank))
        launching._note(tmp_path, RuntimeError(words))
        os.utime(tmp_path / f"{rank}.problem", ns=(when, when))

    assert str(launching._first(tmp_path, {0: 1, 1: 1})) == "no room"


@pytest.mark.parametrize(
    ("codes", "words"),
    [({0: 1, 1: -9}, "process 2 .* died .signal 9."), ({0: 1, 1: -signal.SIGTERM}, "connection closed")],
)
def test_a_process_that_was_killed_is_why_its_partner_failed(tmp_path, monkeypatch, codes, words):
    """SIGTERM is how the launcher ends the others."""
    monkeypatch.setenv("RANK", "0")
    launching._note(tmp_path, RuntimeError("connection closed"))

    assert re.match(words, str(launching._first(tmp_path, codes)))


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
