"""Units as tasks of a real Ray cluster on this machine: two CPUs, which is little to start."""

import os
import signal
import tempfile

import pytest
from made_up import save_references

from progbench.errors import BadInput
from progbench.session import engine_ray
from progbench.session.submitting import LOST, TRIES, RunCommand

ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
# Ray leaves files and sockets of its processes to itself
pytestmark = pytest.mark.filterwarnings("ignore")
RTE = "tiny-bert-constant-rte"


@pytest.fixture(scope="module", autouse=True)
def cluster(clusters):
    """A cluster in a short folder: in the tests' own, names of its sockets would be longer than the kernel takes."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        ray.init(_temp_dir=folder, num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
        yield
        ray.shutdown()


def run(*units, device="cpu"):
    lines = []
    return engine_ray.run(units, device, 1, lines.append), lines


def unit(tmp_path, name=RTE):
    return RunCommand(name, (0,), "smoke", tmp_path / "runs")


def test_a_task_is_the_command_and_its_exit_code_is_the_units(answers, tmp_path):
    """Of the first the result is there; the second is no recipe at all."""
    save_references(answers, tmp_path / "runs", lambda recipe: recipe.id == RTE)
    codes, lines = run(unit(tmp_path), unit(tmp_path, "no-such-recipe"))

    assert codes == [0, 2]
    assert {f"{RTE}, seed 0: done", "no-such-recipe, seed 0: bad input"} <= set(lines)
    assert [line for line in lines if line.startswith(f"{RTE}, seed 0: there: ")]


def test_a_task_whose_process_is_killed_is_started_again(tmp_path, monkeypatch, reliability):
    def work(unit, given):
        began = unit.runs.with_name("began")
        if not began.exists():
            began.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 0, "went on"

    monkeypatch.setattr(engine_ray, "work", work)
    codes, lines = run(unit(tmp_path))

    assert (codes, lines) == ([0], ["went on", f"{RTE}, seed 0: done"])
    reliability(
        "Running, on one machine or on many",
        "a unit of `progbench submit --engine ray` whose worker dies",
        happens=f"Ray starts it again, {TRIES} times in all",
        kept="what it had filed, and its checkpoints: it does only the rest",
    )


def test_a_task_that_dies_each_time_is_given_up_and_the_others_are_made(tmp_path, monkeypatch):
    def work(unit, given):
        if unit.recipe == RTE:
            (unit.runs.parent / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 0, ""

    monkeypatch.setattr(engine_ray, "work", work)
    codes, lines = run(unit(tmp_path), unit(tmp_path, "other"))

    assert codes == [LOST, 0]
    assert len(list(tmp_path.iterdir())) == TRIES
    assert f"{RTE}, seed 0: its process died" in lines


def test_a_task_has_this_machines_folders_of_data(tmp_path, monkeypatch):
    monkeypatch.setenv("GLUE_DIR", str(tmp_path))
    monkeypatch.setattr(engine_ray, "work", lambda unit, given: (0, given["GLUE_DIR"]))

    assert run(unit(tmp_path))[1][0] == str(tmp_path)


@pytest.mark.parametrize(
    "problem",
    [
        OSError("AF_UNIX path length cannot exceed 107 bytes: /a/long/one"),
        ConnectionError("Could not find any cluster"),
    ],
)
def test_a_cluster_that_cannot_be_had_is_said(tmp_path, monkeypatch, reliability, problem):
    def fail(**_):
        raise problem

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(BadInput, match=str(problem)) as said:
        run(unit(tmp_path))
    if isinstance(problem, ConnectionError):
        reliability(
            "Running, on one machine or on many",
            "`progbench submit --engine ray` where no cluster answers",
            happens=str(said.value).replace(str(problem), "what Ray says of it"),
            kept="everything; nothing was started",
        )


def test_where_the_cluster_has_no_gpu_it_is_said_that_units_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_ray, "_waited", lambda asked, say: [ray.cancel(one) or 0 for one in asked])

    assert run(unit(tmp_path), device="cuda")[1] == ["the Ray cluster has no GPU now: the units wait until it has one"]
