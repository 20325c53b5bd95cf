"""Units as jobs of a real Slurm, started here: jobs that end, fail, are killed or preempted, and lose their node."""

import itertools
import os
import re
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import slurm_here
from made_up import save_references

from progbench import cli
from progbench.recipes import reading
from progbench.runs import results
from progbench.session import engine_slurm
from progbench.session.submitting import RunCommand

pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")


@pytest.fixture(scope="module", autouse=True)
def installed(clusters):
    if lacking := slurm_here.lacking():
        pytest.skip(lacking)


RTE = "tiny-bert-constant-rte"
ON_ONE = {"slurm_partition": "low", "slurm_nodelist": "one"}
HELD = ("preempted", "preempted at once", "not requeued", "without its node")
ANSWERS = Path(__file__).resolve().parents[2] / "expected"
SECTION = "Running, on one machine or on many"


class Small(engine_slurm.Task):
    """A unit with few rows and a checkpoint after each step; a held one stands still at its fifth, at first."""

    def __call__(self, command):
        from progbench.tasks import toy
        from progbench.training import checkpoints, fitting

        toy.SIZES.update(train=40, evaluate=30)
        checkpoints.EVERY = 0.0
        (command.runs / "gpus").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
        step, numbers = fitting.Step.__call__, itertools.count(1)

        def stands_still(*arguments, **keywords):
            if next(numbers) == 5:
                (command.runs / "held").write_text(str(os.getpid()))
                time.sleep(600)
            return step(*arguments, **keywords)

        if command.runs.parent.name in HELD and "SLURM_RESTART_COUNT" not in os.environ:
            fitting.Step.__call__ = stands_still
        return super().__call__(command)


class Filed(engine_slurm.Task):
    """A unit whose run is one of our references, and is not trained."""

    def __call__(self, command):
        save_references(ANSWERS, command.runs, lambda recipe: recipe.id == command.recipe)
        return super().__call__(command)


class Asleep(engine_slurm.Task):
    """A unit that does nothing, and does not end."""

    def __call__(self, command):
        (command.runs / "held").write_text(str(os.getpid()))
        time.sleep(600)


class Late(engine_slurm.Task):
    """A unit that is told to leave while it is still being loaded."""

    def __reduce__(self):
        return told_to_leave, ()


def told_to_leave():
    os.kill(os.getpid(), signal.SIGUSR2)
    return engine_slurm.Task()


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        with slurm_here.started(tmp_path_factory.mktemp("slurm")) as started:
            yield started


@pytest.fixture(scope="module")
def jobs(slurm, tmp_path_factory):
    """Jobs with a unit each, by what was done to them; all were started together, and have come to their end."""
    begun = {}

    def begin(names, given, task=Small, recipe=RTE, device="cpu"):
        folder = tmp_path_factory.mktemp(names[0])
        runs = [folder / name / "runs" for name in names]
        for one in runs:
            one.mkdir(parents=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine_slurm, "Task", task)
            commands = [RunCommand(recipe, (0,), "smoke", one, "cpu") for one in runs]
            submitted = engine_slurm.submit(commands, device, folder / "logs", given)
        for name, job, one in zip(names, submitted, runs, strict=True):
            begun[name] = SimpleNamespace(job=job, runs=one)

    begin(["undisturbed", "preempted"], ON_ONE, device="cuda")
    begin(["preempted at once"], ON_ONE | {"slurm_partition": "lowest"})
    begin(["not requeued"], ON_ONE | {"slurm_additional_parameters": {}})
    begin(["without its node"], {"slurm_partition": "low"})  # on the other, which Slurm takes first
    begin(["killed"], ON_ONE, Asleep)
    begin(["no recipe"], ON_ONE, recipe="no-such-recipe")
    begin(["told too early"], ON_ONE, Late, recipe="no-such-recipe")
    for name, one in begun.items():
        if name in (*HELD, "killed"):
            slurm.wait(lambda one=one: held(one), lambda one=one: said(one))
        else:
            slurm.ended(one.job)

    os.kill(int(held(begun["killed"])), signal.SIGKILL)
    slurm.asked("scancel", "--signal=USR2", begun["not requeued"].job.job_id)
    slurm.ended(begun["killed"].job)
    slurm.ended(begun["not requeued"].job)
    slurm.end_node("two")
    slurm.asked("sbatch", "-p", "high", "-w", "one", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1")
    at_once = begun["preempted at once"].job
    slurm.wait(lambda: slurm.about(at_once)["Restarts"] == "1" and slurm.about(at_once)["JobState"] != "COMPLETING")
    slurm.asked("scancel", at_once.job_id)  # the rest of it shows nothing more
    lost = begun["without its node"].job  # between two starts it may be called failed for a moment
    slurm.wait(lambda: slurm.about(lost)["Restarts"] == "1", lambda: slurm.about(lost))
    for name in ("preempted", "without its node"):
        slurm.ended(begun[name].job)
    yield begun
    slurm.start_node("two")


def held(one):
    """The process of a unit that stands still; nothing before it does."""
    path = one.runs / "held"
    return path.read_text() if path.exists() else ""


def said(one):
    """A job's log, both files of it."""
    return "\n".join(path.read_text() for path in (one.job.paths.stdout, one.job.paths.stderr) if path.exists())


def learnt(one):
    """Scores, loss and updated parameters after each epoch of a job's run."""
    found = results.load(one.runs, recipe(), 0)
    return found and [(epoch.scores, epoch.loss, epoch.updated_parameters) for epoch in found.epochs]


def recipe():
    return reading.read("smoke", "glue", model="tiny-bert", schedule="constant", task="rte")


def notes(one):
    return results.load(one.runs, recipe(), 0).notes


def test_an_array_of_units_is_run_and_files_its_results(slurm, jobs, tmp_path, monkeypatch, capsys):
    runs = tmp_path / "runs"
    two = {RTE, "tiny-bert-shrinking-rte"}
    save_references(ANSWERS, runs, lambda recipe: recipe.id not in two)
    monkeypatch.setattr(engine_slurm, "Task", Filed)
    cli.main(["submit", "--engine", "slurm", "--suite", "smoke", "-m", "glue", "--runs", str(runs)])
    slurm.wait(lambda: not slurm.asked("squeue", "--noheader"))

    assert "2 units with 2 runs are missing" in capsys.readouterr().out
    assert {path.parents[1].name for path in runs.glob("smoke/*/*/seed0.json")} >= two
    told = "".join(path.read_text() for path in runs.glob("slurm/*_log.out"))
    assert {*re.findall(r"^(\S+), seed 0: there: ", told, re.MULTILINE)} == two


def test_a_job_for_a_gpu_has_one(jobs):
    assert (jobs["undisturbed"].runs / "gpus").read_text() in ("0", "1")


def test_a_unit_that_fails_is_a_failed_job_with_its_exit_code(slurm, jobs):
    about = slurm.about(jobs["no recipe"].job)

    assert (about["JobState"], about["ExitCode"]) == ("FAILED", "2:0")
    assert "no recipe 'no-such-recipe' in the suite smoke" in said(jobs["no recipe"])


def test_a_job_that_is_told_to_leave_before_it_can_hear_it_does_its_work(slurm, jobs):
    assert slurm.about(jobs["told too early"].job)["ExitCode"] == "2:0"


def test_a_job_whose_process_is_killed_fails_and_is_not_started_again(slurm, jobs):
    about = slurm.about(jobs["killed"].job)

    assert (about["JobState"], about["ExitCode"], about["Restarts"]) == ("FAILED", "137:0", "0")


def test_what_a_killed_job_did_not_file_is_named_as_missing(jobs, capsys, reliability):
    save_references(ANSWERS, jobs["killed"].runs, lambda recipe: recipe.id != RTE)
    cli.main(["plan", "--suite", "smoke", "--runs", str(jobs["killed"].runs)])
    told = capsys.readouterr().out

    assert RTE in told
    assert "tiny-bert-shrinking-rte" not in told
    reliability(
        SECTION,
        "a unit of `progbench submit --engine slurm` whose process is killed, as by the kernel when memory is short",
        happens="its job is FAILED, with the exit code 137; `progbench plan` names its run as missing",
        kept="what it had filed, and its checkpoints",
    )


def test_a_preempted_job_goes_on_from_its_checkpoint_to_the_same_scores(slurm, jobs, reliability):
    one = jobs["preempted"]

    assert slurm.about(one.job)["Restarts"] == "1"
    assert "Caught signal SIGUSR2" in said(one)
    assert notes(one) == ("resumed after step 1 of epoch 2",)
    assert learnt(one) == learnt(jobs["undisturbed"])
    reliability(
        SECTION,
        "a Slurm job that is preempted",
        happens="it is told, queues itself again, and ends with the scores of a run that was not preempted",
        kept="what it had filed, and its checkpoints: it does only the rest",
    )


def test_a_job_that_is_preempted_without_time_to_leave_is_no_error_of_its_run(slurm, jobs):
    one = jobs["preempted at once"]

    assert slurm.about(one.job)["Restarts"] == "1"
    assert "Caught signal SIGUSR2" in said(one)
    assert f"{RTE}, seed 0: error" not in said(one)


def test_a_job_that_loses_its_node_goes_on_at_another(slurm, jobs, reliability):
    one = jobs["without its node"]
    about = slurm.about(one.job)

    assert (about["Restarts"], about["BatchHost"]) == ("1", "one")
    assert notes(one) == ("resumed after step 1 of epoch 2",)
    assert learnt(one) == learnt(jobs["undisturbed"])
    reliability(
        SECTION,
        "a node of a Slurm cluster that dies",
        happens="Slurm starts its jobs at other nodes, and they end with the scores of runs that lost no node",
        kept="what they had filed, and their checkpoints: they do only the rest",
    )


def test_a_job_that_slurm_does_not_queue_again_ends_and_is_no_error_of_its_run(slurm, jobs, reliability):
    one = jobs["not requeued"]

    assert slurm.about(one.job)["ExitCode"] == "130:0"
    assert learnt(one) is None
    told = re.search(r"seed 0: (missing: .*)", said(one))[1]
    reliability(
        SECTION,
        "a Slurm job that has to leave, and that Slurm refuses to queue again",
        happens=re.sub(r"again: .*?\)", "again: what Slurm says of it)", told)
        + "; the job is FAILED, with the exit code 130",
        kept="what it had filed, and its checkpoints",
    )
