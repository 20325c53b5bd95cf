"""The benchmarks as a user starts them: a pytest of their own, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent


class Bench:
    """Sessions whose results and report go to one folder."""

    def __init__(self, folder, warm):
        self.folder, self.warm = folder, warm
        self.runs = folder / "runs"

    def __call__(self, *arguments, cold=False, **variables):
        """Run `pytest benchmarks` with these arguments and variables, without real data or weights.

        A process is `cold` where it must load its libraries itself.
        """
        # hypothesis has a plugin that every pytest loads: half of the time of a session, which has no use for it
        without = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
        command = ["pytest", "benchmarks", *without, "--runs", self.runs, "--report", self.folder / "report"]
        env = environment() | variables
        if not cold:
            return self.warm(*command, *arguments, cwd=ROOT, env=env)
        whole = [sys.executable, "-m", *command, *arguments]
        return subprocess.run(whole, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    def without_training(self, *arguments):
        """A session in which a stand-in gives each run its result, and notes it."""
        path = os.pathsep.join(map(str, (HERE, HERE.parent)))
        return self("-p", "stand_in", *arguments, PYTHONPATH=path, STAND_IN=str(self.folder / "noted"))

    def losing_its_report(self, *arguments):
        """A session whose folder of --report goes away after the last test."""
        return self("-p", "report_gone", *arguments, PYTHONPATH=str(HERE))

    def noted(self):
        """The process and the recipe of each run that a stand-in gave its result."""
        return [line.split() for line in (self.folder / "noted").read_text().splitlines()]

    def report(self):
        return json.loads((self.folder / "report" / "report.json").read_text())

    def outcomes(self):
        return {verdict["cell"]: verdict["outcome"] for verdict in self.report()["verdicts"]}


def environment():
    """This process's variables but those that name real data and weights, or make it one of several workers."""
    ours = ("GLUE_DIR", "SQUAD_DIR", "PROGBENCH_MODELS", "PYTEST_XDIST_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture
def bench(tmp_path, warm):
    return Bench(tmp_path, warm)


@pytest.fixture(scope="module")
def benches(tmp_path_factory, warm):
    """Make a place for sessions that several tests look at."""
    return lambda name: Bench(tmp_path_factory.mktemp(name), warm)


@pytest.fixture(scope="module")
def collecting():
    """What comes of a session that only collects: its exit code, its tests, its error, and the modules it has loaded.

    All of a module are in one process, in turn.
    """
    command = [sys.executable, HERE / "in_turn.py"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def collect(*arguments, **variables):
            print(json.dumps([arguments, variables]), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield collect
        process.stdin.close()
