"""Units as submitit's jobs: by its local executor, which preempts jobs as Slurm does, and as the text for sbatch."""

import functools
import os
import re
import runpy
import signal
import stat
import sys
import threading
import time
from pathlib import Path

import pytest
from made_up import save_references

from progbench.errors import BadInput
from progbench.session import engine_slurm, stopping
from progbench.session.submitting import LOST, RunCommand

submitit = pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")
# submitit leaves its job's process to itself
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

LOCAL = {"cluster": "local"}
RTE = "tiny-bert-constant-rte"


@pytest.fixture
def commands(tmp_path):
    return [RunCommand(name, (0,), "smoke", tmp_path / "runs", "cpu") for name in (RTE, "tiny-bert-constant-cola")]


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """A Slurm that takes jobs and does nothing: the batch script that it was last given."""
    taken = tmp_path / "taken"
    for name, text in (("srun", ""), ("sbatch", f"cp $1 {taken}\necho Submitted batch job 77")):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return taken


def asked(script):
    return dict(re.findall(r"^#SBATCH --([a-z-]+)=(.*)$", script.read_text(), re.MULTILINE))


@pytest.mark.parametrize("line", [
    pytest.param("#SBATCH --array=0-1%2\n", id="units are an array"),
    pytest.param("#SBATCH --signal=USR2@90\n", id="a job is told before its time is up"),
    pytest.param("#SBATCH --open-mode=append\n", id="it adds to its log"),
    pytest.param("#SBATCH --requeue\n", id="it asks to be queued again"),
    pytest.param(
        f""" sh -c 'trap "" USR2; exec "$0" "$@"' {sys.executable} -u -m submitit.core._submit """,
        id="its process ignores the signal to leave until it has its handler",
    ),
])  # fmt: skip
def test_what_sbatch_is_asked_for(commands, tmp_path, sbatch, line):
    jobs = engine_slurm.submit(commands, "cpu", tmp_path / "logs", {})

    assert [job.job_id for job in jobs] == ["77_0", "77_1"]
    assert line in sbatch.read_text()


def test_parameters_are_handed_on(commands, tmp_path, sbatch):
    given = engine_slurm.parameters(["partition=gpu", "time=30", "gres=gpu:a100:1", "array_parallelism=1"])
    engine_slurm.submit(commands, "cuda", tmp_path / "logs", given)
    found = asked(sbatch)

    assert (found["partition"], found["time"], found["gres"]) == ("gpu", "30", "gpu:a100:1")
    assert found["array"] == "0-1%1"
    assert "gpus-per-node" not in found


def test_the_parameters_without_slurms_name_are_submitits():
    assert {*submitit.AutoExecutor._typed_parameters(), "cluster"} == {*engine_slurm.SHARED}


@pytest.mark.parametrize(("device", "gpus"), [("cuda", "1"), ("cpu", None)])
def test_a_unit_for_a_gpu_asks_for_one(commands, tmp_path, sbatch, device, gpus):
    engine_slurm.submit(commands, device, tmp_path / "logs", {})

    assert asked(sbatch).get("gpus-per-node") == gpus


@pytest.mark.parametrize(("text", "wanted"), [
    ("partition", "is key=value"), ("=gpu", "is key=value"), ("a b=c", "is key=value"),
    ("time=4:00:00", "are minutes"), ("slurm_time=1-0", "are minutes"),  # submitit reckons with them
])  # fmt: skip
def test_what_is_no_parameter_is_refused(text, wanted):
    with pytest.raises(BadInput, match=f"wanted {wanted}"):
        engine_slurm.parameters([text])


@pytest.mark.usefixtures("sbatch")
def test_a_parameter_that_submitit_does_not_know_is_refused_by_its_name(commands, tmp_path):
    with pytest.raises(BadInput, match="Unknown argument 'partitoin'"):
        engine_slurm.submit(commands, "cpu", tmp_path / "logs", engine_slurm.parameters(["partitoin=gpu"]))


def test_where_there_is_no_slurm_it_is_said(commands, tmp_path, monkeypatch, reliability):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BadInput) as problem:
        engine_slurm.submit(commands, "cpu", tmp_path / "logs", {})
    reliability(
        "Running, on one machine or on many",
        "`progbench submit --engine slurm` where there is no Slurm",
        happens=f"{str(problem.value).partition(': ')[0]}: what submitit says of it",
        kept="everything; nothing was started",
    )


def test_what_sbatch_refuses_is_said(commands, tmp_path, sbatch):
    program = tmp_path / "bin" / "sbatch"
    program.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpuu' >&2\nexit 1\n")

    with pytest.raises(BadInput, match="invalid partition specified: gpuu"):
        engine_slurm.submit(commands, "cpu", tmp_path / "logs", {})


def test_a_job_is_the_command_and_its_exit_code_is_the_units(answers, commands, tmp_path):
    """Of the first the result is there; the second is no recipe at all."""
    save_references(answers, tmp_path / "runs", lambda recipe: recipe.id == RTE)
    lines = []
    wrong = RunCommand("no-such-recipe", (0,), "smoke", tmp_path / "runs")
    codes = engine_slurm.on_this_machine([commands[0], wrong], "cpu", tmp_path / "logs", LOCAL, lines.append)

    assert codes == [0, 2]
    assert lines == [f"{RTE}, seed 0: done", "no-such-recipe, seed 0: bad input"]


class Slow(engine_slurm.Task):
    """A unit whose command is at work when it is preempted, and done at once when it is started again."""

    def __call__(self, command):
        runpy.run_module = functools.partial(work, command.runs / "began")
        return super().__call__(command)


def work(began, *_, **__):
    if not began.exists():
        began.touch()
        time.sleep(600)


def test_a_job_that_is_preempted_is_started_again_with_the_same_unit(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.setattr(engine_slurm, "Task", Slow)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    (job,) = engine_slurm.submit([RunCommand(RTE, (0,), "smoke", tmp_path / "runs")], "cpu", tmp_path / "logs", LOCAL)
    _preempt(job, tmp_path / "runs" / "began")

    assert job.result() == 0
    assert "Requeued job" in job.paths.stdout.read_text()


class Full(Slow):
    """A unit that cannot be stored once more."""

    def checkpoint(self, command):
        raise OSError("No space left on device")


def test_a_job_that_cannot_be_queued_again_interrupts_its_unit(tmp_path, monkeypatch):
    """As by Ctrl-C: what else is raised in the middle of a run is filed as its error."""
    (tmp_path / "runs").mkdir()
    monkeypatch.setattr(engine_slurm, "Task", Full)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    (job,) = engine_slurm.submit([RunCommand(RTE, (0,), "smoke", tmp_path / "runs")], "cpu", tmp_path / "logs", LOCAL)
    _preempt(job, tmp_path / "runs" / "began")
    job._process.wait()

    why = "KeyboardInterrupt: SIGUSR2, and it could not queue its job again: No space left on device"
    assert job.paths.stderr.read_text().splitlines()[-1] == why


def test_a_job_whose_process_is_killed_is_said(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.setattr(engine_slurm, "Task", Killed)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    lines = []
    commands = [RunCommand(RTE, (0,), "smoke", tmp_path / "runs")]

    assert engine_slurm.on_this_machine(commands, "cpu", tmp_path / "logs", LOCAL, lines.append) == [LOST]
    assert lines[-1] == f"{RTE}, seed 0: its process died"


class Killed(engine_slurm.Task):
    """A unit that the kernel ends."""

    def __call__(self, command):
        os.kill(os.getpid(), signal.SIGKILL)


class Sleeps(engine_slurm.Task):
    """A unit that is at work for ten minutes, and says in which process, and whether it came to its end."""

    def __call__(self, command):
        (command.runs / "at").write_text(str(os.getpid()))
        (command.runs / "at").rename(command.runs / "process")
        time.sleep(600)
        (command.runs / "came to its end").touch()


@pytest.mark.parametrize("ctrl_c", [signal.default_int_handler, signal.SIG_IGN], ids=["by hand", "by a script"])
def test_a_process_that_is_told_to_end_ends_its_unit_and_starts_no_other(tmp_path, monkeypatch, ctrl_c):
    """A script starts its processes in the background so that they ignore Ctrl-C."""
    (tmp_path / "runs").mkdir()
    monkeypatch.setattr(engine_slurm, "Task", Sleeps)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    process, commands = tmp_path / "runs" / "process", [RunCommand(RTE, (0,), "smoke", tmp_path / "runs")] * 2
    threading.Thread(target=_when, args=(process, lambda: os.kill(os.getpid(), signal.SIGTERM))).start()
    before = signal.signal(signal.SIGINT, ctrl_c)
    try:
        with stopping.interrupted_when_told(), pytest.raises(KeyboardInterrupt):
            engine_slurm.on_this_machine(commands, "cpu", tmp_path / "logs", LOCAL, lambda line: None)
    finally:
        signal.signal(signal.SIGINT, before)

    assert not _runs(int(process.read_text()))
    assert not (tmp_path / "runs" / "came to its end").exists()
    assert len(list((tmp_path / "logs").glob("*_submitted.pkl"))) == 1


def _when(path, do):
    while not path.exists():
        threading.Event().wait(0.01)
    do()


def _runs(process):
    """Whether a process is there, and has not ended: one that nobody has waited for yet is a Z."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _preempt(job, began):
    """Tell a job that it has to leave, as soon as it is at work: the signal of submitit, to the job's own process."""
    end = time.monotonic() + 600
    while not began.exists() and time.monotonic() < end:
        time.sleep(0.02)
    (started,) = Path(f"/proc/{job.job_id}/task/{job.job_id}/children").read_text().split()
    os.kill(int(started), signal.SIGUSR2)
