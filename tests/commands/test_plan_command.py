"""progbench plan, as a person starts it."""

import re
from dataclasses import replace

import pytest
from made_up import MADE_ON, recipes, result

from progbench import cli, environment
from progbench.commands import plan as plans
from progbench.method.flops import step_flops
from progbench.runs import results
from progbench.runs.results import EpochResult, RunResult
from progbench.runs.run_result import Provenance
from progbench.session import measuring, probing
from progbench.session.planning import Plan

UNWRAPPED = re.compile(r"\n {4}(?=\S)")  # what stands before a line's rest; a table's rows are further to the right


@pytest.fixture
def plan(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(measuring, "here", lambda device, threads: "some CPU, 1 thread")

    def start(*arguments):
        ours = ("--suite", "smoke", "--runs", str(tmp_path), "-m", "ablation", "--untimed")
        code = cli.main(["plan", *ours, *arguments])
        said = capsys.readouterr()
        assert all(len(line) <= 80 or " " not in line.strip() for line in said.out.splitlines())
        return code, UNWRAPPED.sub(" ", said.out).splitlines(), said.err

    return start


@pytest.fixture
def save(answers, tmp_path):
    """File a run of 8 seconds."""

    def one(name, **values):
        run = result(recipes(answers)[name], 0, {name.rpartition("-")[2]: {"accuracy": 0.5}})
        results.save(tmp_path, replace(run, seconds=8.0, environment=MADE_ON, **values))

    return one


def test_without_a_run_it_says_how_much_is_missing_and_that_its_time_is_unknown(plan):
    code, lines, _ = plan()

    assert code == 0
    assert lines[0].endswith("; what they will take is unknown")
    assert "unknown: no run on file was made alone on this kind of machine" in lines[-2]
    assert lines[1].split() == ["recipe", "seeds", "takes", "time", "from"]


@pytest.mark.parametrize(("asked", "known"), [((), "unknown"), (("--device", "cpu"), "on one some CPU, 1 thread")])
def test_a_suite_for_a_gpu_is_planned_for_a_cpu_where_that_is_asked(asked, known, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(measuring, "here", lambda device, threads: "some CPU, 1 thread" if device == "cpu" else "")
    monkeypatch.setattr(environment, "gpu_count", lambda: 0)
    monkeypatch.setattr(probing.Probe, "time", lambda probe, shape: ((5.0, 0.0), (1.0, 0.0)))
    cli.main(["plan", "--suite", "base", "-m", "glue", "--runs", str(tmp_path), *asked])

    assert known in UNWRAPPED.sub(" ", capsys.readouterr().out).splitlines()[0]


def test_who_trains_what_now_is_said(plan, answers, tmp_path):
    with results.lock(tmp_path, recipes(answers)["tiny-bert-growing-rte"], 0):
        _, lines, _ = plan()

    assert "; 1 more is being trained now; " in lines[0]
    assert lines[-2] == "being trained now, by the locks of their results: tiny-bert-growing-rte (0)"


def test_errors_that_no_session_tries_again_are_said(plan, save):
    save("tiny-bert-growing-rte", error="the loss is nan", epochs=())
    _, lines, _ = plan()

    assert lines[1].startswith("error, not tried again: tiny-bert-growing-rte, seed 0: the loss is nan")


def test_a_budget_chooses_nothing_whose_time_is_unknown(plan):
    code, lines, _ = plan("--budget", "6h")

    assert code == 0
    assert lines[-2].startswith("nothing whose time is known fits 6h; ")


@pytest.fixture
def measured(answers, tmp_path):
    """A run of an hour on this kind of machine: three epochs of 20 minutes, on 400 rows of 20 tokens."""
    wanted = recipes(answers)["tiny-bert-constant-rte"]
    epochs = tuple(
        EpochResult({"rte": {"accuracy": 0.5}}, each, 0.5, 1200.0, 13,
                    step_flops("tiny-bert", stage.blocks, lengths=[20] * 400))
        for stage, each in zip(wanted.build_schedule(), wanted.planned_by_epoch(), strict=True)
    )  # fmt: skip
    made = {"environment": MADE_ON, "provenance": Provenance(others=0)}
    one = RunResult(wanted, 0, epochs, seconds=3600.0, examples={"train": 400}, **made)
    results.save(tmp_path, one)


def test_what_was_never_run_is_planned_by_flops_from_what_was(plan, measured):
    _, lines, _ = plan()
    number = next(i for i, line in enumerate(lines) if line.startswith("tiny-bert-growing-rte"))
    growing = lines[number]

    assert growing.endswith("by FLOPs from")
    assert lines[number + 1].strip() == "tiny-bert-constant-rte"
    live = [step_flops("tiny-bert", blocks, lengths=[20]) for blocks in (range(4), range(1, 4), range(2, 4))]
    assert f" {round(60 * (live[0] + live[1] + live[2]) / (3 * live[0]))} min " in growing


def test_a_budget_chooses_the_runs_that_fit_and_says_what_they_settle(plan, measured):
    _, lines, _ = plan("--budget", "110m")

    assert lines[-2].startswith("2 of ")
    assert "runs fit 110m: they take 1 h " in lines[-2]
    assert lines[-2].endswith("runs of unknown time were not considered")
    assert plan("--budget", "10m")[1][-2].startswith("nothing whose time is known fits 10m")


def test_of_runs_that_were_chosen_by_a_step_timed_here_it_says_at_least_too(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(probing.Probe, "time", lambda probe, shape: ((5.0, 0.0), (1.0, 0.0)))
    cli.main(["plan", "--suite", "smoke", "-m", "ablation", "--runs", str(tmp_path), "--budget", "2d"])

    assert " fit 2d: they take at least " in UNWRAPPED.sub(" ", capsys.readouterr().out).splitlines()[-1]


def test_where_times_are_unknown_it_names_one_recipe_a_task_that_would_tell(plan, measured):
    _, lines, _ = plan()
    _, names = lines[-1].split(" would tell the time of the rest: ")

    assert sorted(name.rpartition("-")[2] for name in names.split(", ")) == ["cola", "mrpc", "stsb"]  # and not rte


def test_an_inconclusive_or_failed_run_is_not_called_nothing_missing():
    failed, other = "a, seed 0: the loss is nan", "b, seed 0: made on other data"
    lines = plans.lines(Plan((), (failed,), "some CPU", (), 3, changed=(other,)))

    assert lines == [
        "no run is missing, but of those on file 1 failed and 1 inconclusive; see below",
        f"error, not tried again: {failed}",
        f"on file, and inconclusive: {other}",
    ]


def test_counts_have_nothing_missing(plan):
    assert plan("-m", "params")[1] == ["nothing is missing: no run is behind what was asked for"]


def test_checkpoints_of_a_recipe_as_it_once_was_are_named_with_their_size(plan, answers, tmp_path, reliability):
    wanted = recipes(answers)["tiny-bert-growing-rte"]
    own, other = (results.path_of(tmp_path, one, 0).parent for one in (wanted, replace(wanted, epochs=9)))
    for folder in (own, other):
        folder.mkdir(parents=True)
        with (folder / "seed0.checkpoint-1-000000000004-abc").open("wb") as file:
            file.truncate(1_500_000_000)  # a hole: it takes no room
    _, lines, _ = plan()

    assert lines[-1].endswith(f"delete them if nobody goes on from them: {other}")
    reliability(
        "Running, on one machine or on many",
        "checkpoints of a recipe that was edited since, as `progbench plan` sees them",
        happens=lines[-1],
        kept="they stay: another checkout may go on from them",
    )
