"""`progbench run --data-parallel 2` for real, on a CPU: it files, is ended, loses a process, and goes on."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RTE = "tiny-bert-shrinking-rte"
HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.usefixtures("clusters")


class Run:
    """The command, with its results in a folder."""

    def __init__(self, folder):
        self.folder, self.runs = folder, folder / "runs"
        self.command = [sys.executable, HERE / "small_run.py", "run", RTE, "--suite", "smoke", "--runs", self.runs]
        self.command += ["--data-parallel", "2"]
        self.variables = os.environ | {"PYTHONPATH": str(HERE.parents[1]), "TMPDIR": str(folder)}

    def whole(self):
        """Run it to its end: its exit code, what it said, and the result."""
        done = subprocess.run(
            self.command, env=self.variables, capture_output=True, text=True, timeout=240, check=False
        )
        return done.returncode, done.stdout, self.result()

    def result(self):
        (path,) = self.runs.rglob("seed0.json")
        return json.loads(path.read_text())

    def stopped(self, stop):
        """Run it until both its processes stand still, and stop it; its exit code, what it said, and its processes."""
        held = self.folder / "held"
        held.mkdir()
        variables = self.variables | {"HELD": str(held)}
        with subprocess.Popen(self.command, env=variables, stdout=subprocess.PIPE, text=True) as process:
            end = time.monotonic() + 240
            while len(names := sorted(held.iterdir(), key=lambda path: int(path.name))) < 2:
                assert time.monotonic() < end, "they did not come to their sixth step"
                time.sleep(0.05)
            ranks = [int(path.name) for path in names]
            stop(process, ranks)
            said, _ = process.communicate(timeout=240)
        return process.returncode, said, ranks


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("whole")).whole()


def test_a_run_of_two_processes_is_filed_and_says_so(whole):
    code, said, result = whole

    assert code == 0
    assert said.startswith(f"{RTE}, seed 0: trained: rte accuracy ")
    assert result["environment"]["data_parallel"] == 2


def learnt(result):
    return [(epoch["scores"], epoch["loss"], epoch["updated_parameters"]) for epoch in result["epochs"]]


def test_a_run_of_two_processes_that_is_told_to_end_goes_on_when_it_is_started_again(whole, tmp_path):
    run = Run(tmp_path)
    code, said, ranks = run.stopped(lambda process, ranks: process.terminate())
    gone = not any(map(runs, ranks))
    _, _, result = run.whole()

    assert (code, gone) == (130, True)
    assert "seed 0: missing: told to end (SIGTERM); start the same again for the rest" in said
    assert [note for note in result["notes"] if note.startswith("resumed after ")]
    assert learnt(result) == learnt(whole[2])


def test_a_run_of_which_a_process_is_killed_goes_on_by_itself(whole, tmp_path, reliability):
    run = Run(tmp_path)
    code, said, _ = run.stopped(lambda process, ranks: os.kill(ranks[1], signal.SIGKILL))
    result = run.result()

    assert code == 0
    assert said.startswith(f"{RTE}, seed 0: trained: ")
    assert learnt(result) == learnt(whole[2])
    reliability(
        "Disks, processes and networks",
        "one of the processes of `--data-parallel` is killed",
        happens=f"all are started again; the result says: {result['notes'][-1]}",
        kept="all up to the last checkpoint; the scores are those of a run that was not killed",
    )


def runs(process):
    with contextlib.suppress(OSError):
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    return False
