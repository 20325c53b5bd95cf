"""Units as processes of this machine; a short script takes the place of the command."""

import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from progbench.session import engine_local
from progbench.session.sharing import GPU, THREADS, Shares
from progbench.session.submitting import LOST, TRIES, RunCommand

SECTION = "Running, on one machine or on many"


@dataclass(frozen=True)
class Script(RunCommand):
    """A unit whose process runs this text; it has `here`, the folder of results."""

    text: str = ""

    def argv(self):
        head = f"import os, pathlib, signal, sys, time\nhere = pathlib.Path({str(self.runs)!r})\n"
        return [sys.executable, "-c", head + self.text]


@pytest.fixture
def script(tmp_path):
    return lambda text, name="tiny": Script(name, (0,), "smoke", tmp_path, text=text)


def run(*commands, workers=1, cards=(), cores=2):
    lines = []
    return engine_local.run(commands, workers, Shares(workers, list(cards), cores), lines.append), lines


def test_a_unit_is_done_and_what_it_said_is_told(script):
    codes, lines = run(script("print('seed 0: trained')"))

    assert codes == [0]
    assert lines == ["seed 0: trained", "tiny, seed 0: done"]


def test_exit_codes_are_given_in_the_order_of_the_units(script):
    assert run(*(script(f"sys.exit({code})") for code in (3, 0, 1)), workers=2)[0] == [3, 0, 1]


DIES_ONCE = """
if not (here / "began").exists():
    (here / "began").touch()
    os.kill(os.getpid(), signal.SIGKILL)
print("went on")
"""


def test_a_unit_whose_process_is_killed_is_started_again(script, reliability):
    codes, lines = run(script(DIES_ONCE))

    assert codes == [0]
    assert lines == ["tiny, seed 0: its process died (signal 9); it is started again", "went on", "tiny, seed 0: done"]
    reliability(
        SECTION,
        "a unit of `progbench submit --engine local` that is killed",
        happens=lines[0],
        kept="what it had filed, and its checkpoints: it does only the rest",
    )


def test_a_unit_that_dies_each_time_is_given_up_and_the_others_are_made(script, reliability):
    dying = script("(here / str(os.getpid())).touch()\nos.kill(os.getpid(), signal.SIGKILL)")
    codes, lines = run(dying, script("", "other"))

    assert codes == [LOST, 0]
    assert len(list(dying.runs.iterdir())) == TRIES
    assert lines[-2:] == ["tiny, seed 0: its process died", "other, seed 0: done"]
    reliability(
        SECTION,
        "a unit of `progbench submit --engine local` that is killed as often as it is started",
        happens=f"{lines[-2]}: it was started {TRIES} times; the exit code is 1",
        kept="all other units",
    )


def test_a_unit_that_fails_by_itself_is_not_started_again(script):
    failing = script("(here / str(os.getpid())).touch()\nsys.exit(1)")
    run(failing)

    assert len(list(failing.runs.iterdir())) == 1


def test_units_at_the_same_time_have_a_gpu_each(script, tmp_path):
    """Each waits until the other has begun."""
    text = (
        f"(here / os.environ[{GPU!r}]).touch()\n"
        "end = time.monotonic() + 600\n"
        "while len(list(here.iterdir())) < 2 and time.monotonic() < end: time.sleep(0.01)"
    )
    run(script(text), script(text), workers=2, cards=["4", "7"])

    assert sorted(path.name for path in tmp_path.iterdir()) == ["4", "7"]


def test_a_unit_that_is_started_again_has_the_same_gpu(script, tmp_path):
    """The other holds the first one."""
    other = (
        "end = time.monotonic() + 600\nwhile not (here / 'again').exists() and time.monotonic() < end: time.sleep(0.01)"
    )
    killed = (
        f"gpu = os.environ[{GPU!r}]\n(here / ('again' if (here / 'first').exists() else 'first')).write_text(gpu)\n"
        "if not (here / 'again').exists(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    run(script(other), script(killed), workers=2, cards=["4", "7"])

    assert (tmp_path / "first").read_text() == (tmp_path / "again").read_text()


def test_units_on_a_cpu_have_their_part_of_the_threads(script, monkeypatch):
    monkeypatch.delenv(THREADS)

    assert run(script(f"print(os.environ[{THREADS!r}])"), workers=2, cores=6)[1][0] == "3"


WAITS = """
def end(*_):
    (here / "ended").touch()
    sys.exit(130)
signal.signal(signal.SIGTERM, end)
(here / "began").touch()
time.sleep(600)
"""


@pytest.fixture
def interruptible():
    """Ctrl-C as Python has it: a shell's background processes are started to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_units_and_starts_no_other(script, tmp_path):
    threading.Thread(target=_when, args=(tmp_path / "began", lambda: os.kill(os.getpid(), signal.SIGINT))).start()
    lines = []
    commands = [script(WAITS), script("(here / 'second').touch()")]
    with pytest.raises(KeyboardInterrupt):
        engine_local.run(commands, 1, Shares(1, [], 1), lines.append)

    assert lines == []
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == ["began", "ended"]


def _when(path, do):
    while not path.exists():
        threading.Event().wait(0.01)
    do()
