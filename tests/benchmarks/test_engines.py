"""engine-check, without its hours: what a comparison finds and what it leaves out, and who is killed, and when."""

import doctest
import json
import math
import os
import random
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import entry, result, run, verdict

from progbench.errors import BadInput
from progbench.judging import caveats
from progbench.report.report import Report
from progbench.runs import results
from progbench.runs.provenance import Provenance

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import engine_check
import engine_reports
import engine_runs
import engine_victims
from engine_victims import Hunter, Killed

RUN = ("runs", 0, "runs", 0)
VERDICT = ("verdicts", 0)


def report(warnings=(), **values):
    """Two cells, read from a run each, one of another schedule than constant; as JSON holds it."""
    ledger = [entry(f"m-{schedule}-rte", runs=[run(**values)]) for schedule in ("constant", "shrinking")]
    verdicts = [
        verdict(f"m-{schedule}-rte", recipes=(f"m-{schedule}-rte/d1",)) for schedule in ("constant", "shrinking")
    ]
    made = Report("smoke", verdicts, {"date": "1 May", "commit": "c" * 40}, list(warnings), ledger=ledger)
    return json.loads(json.dumps(made.as_json()))


def changed(path, value):
    """The report with another value at this place."""
    found = report()
    inner = found
    for name in path[:-1]:
        inner = inner[name]
    assert inner[path[-1]] != value
    inner[path[-1]] = value
    return found


def test_a_report_is_as_itself():
    assert engine_reports.differences(report(), report()) == []
    assert engine_reports.identical(report(), report()) == (2, 2)


def test_a_score_that_is_another_in_its_last_bit_is_found():
    found = changed((*RUN, "scores", "rte accuracy"), math.nextafter(66.5, 67))

    assert engine_reports.identical(report(), found) == (1, 2)
    assert engine_reports.differences(report(), found) == [
        "runs > m-constant-rte d1 > runs > 0 > scores > rte accuracy: 66.50000000000001 in the place of 66.5"
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*VERDICT, "outcome"), "deviates"),
        ((*VERDICT, "p"), 0.5),
        ((*VERDICT, "recipes", 0), "m-constant-rte/d2"),
        ((*RUN, "commit"), "d" * 40),
        ((*RUN, "error"), "the loss is nan"),
        ((*RUN, "updated"), 11),
        (("costs", 0, "flops"), 0.5),
        (("costs", 0, "unknown"), ["FLOPs not recorded"]),
        (("summary", "warnings"), ["m-constant-rte: its first part, up to epoch 1, was trained by commit 0123"]),
        (("environment", "commit"), "d" * 40),
    ],
)
def test_what_is_no_time_must_be_the_same(path, value):
    assert len(engine_reports.differences(report(), changed(path, value))) >= 1


def test_a_cell_that_is_missing_is_found():
    found = report()
    del found["verdicts"][0]

    assert "verdicts > Table 1 m-constant-rte > outcome: it is not there" in engine_reports.differences(report(), found)


def test_a_run_that_is_missing_is_found():
    found = report()
    found["runs"][0]["runs"] = []

    assert engine_reports.identical(report(), found) == (1, 2)
    assert engine_reports.differences(report(), found)


def test_a_cell_that_should_not_be_there_is_found():
    found = report()
    found["verdicts"].append(found["verdicts"][0])

    assert "verdicts > Table 1 m-constant-rte (2) > outcome: it should not be there" in engine_reports.differences(
        report(), found
    )


def test_another_order_is_found():
    found = report()
    found["verdicts"].reverse()

    assert engine_reports.differences(report(), found) == ["the same in another order"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*RUN, "seconds"), 4.0),
        ((*RUN, "step_seconds"), None),
        ((*RUN, "memory"), 2**21),
        ((*RUN, "others"), None),
        (("costs", 0, "step_seconds"), None),
        (("costs", 0, "memory"), 0.5),
        (("environment", "date"), "2 May"),
    ],
)
def test_times_and_memory_are_left_out(path, value):
    assert engine_reports.differences(report(), changed(path, value)) == []


def test_what_beside_a_run_was_running_is_left_out():
    assert engine_reports.differences(report(), report(others=3)) == []


def test_that_a_run_was_resumed_is_left_out(smoke_recipe):
    recipe = smoke_recipe()
    resumed = result(recipe, 0, {}, notes=("resumed after epoch 1",))
    words = caveats.caveats("m-constant-rte", {recipe: [resumed]})

    assert len(words) == 1
    assert engine_reports.differences(report(), report(words, others=None)) == []


def test_nothing_is_left_out_that_no_report_has():
    words = "m-constant-rte: resumed after epoch 1"
    paths = [path for path, _ in engine_reports._leaves(report([words], others=3))]
    unused = [
        pattern
        for pattern in engine_reports.LEFT_OUT
        if not any(engine_reports._fits(path, pattern.split(engine_reports.TO)) for path in paths)
    ]

    assert unused == []


HOLDS = """
import sys, time, filelock
with filelock.FileLock(sys.argv[1]):
    print("holds", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def lock(runs):
    """A place for a run's lock, with a checkpoint beside it or not."""

    def make(recipe="m-constant-rte", checkpoint=True):
        folder = runs / "smoke" / recipe / "d1"
        folder.mkdir(parents=True)
        if checkpoint:
            (folder / "seed0.checkpoint-abc-000000000010-def").touch()
        return folder / "seed0.lock"

    return make


@pytest.fixture
def holding():
    """Start a process that holds a lock; all are ended with the test."""
    started = []

    def hold(path):
        process = subprocess.Popen([sys.executable, "-c", HOLDS, path], stdout=subprocess.PIPE, text=True)
        started.append(process)
        process.stdout.readline()
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_the_process_that_holds_a_lock_is_found_and_killed(lock, holding):
    path = lock()
    process = holding(path)

    assert engine_victims.holder(path) == process.pid
    assert engine_victims.kill_holder(path, process.pid)
    assert process.wait() == -9
    assert engine_victims.holder(path) is None


def test_a_process_that_does_not_hold_the_lock_is_left_alone(lock, holding):
    path, other = lock(), lock("m-shrinking-rte")
    process = holding(other)

    assert not engine_victims.kill_holder(path, process.pid)
    assert process.poll() is None


def test_only_a_run_with_a_checkpoint_and_without_a_result_can_be_killed(lock, runs):
    lock("not-begun", checkpoint=False)
    lock("done").with_suffix(".json").touch()
    path = lock("under-way")

    assert engine_victims.training(runs) == [path]


class Killing:
    """In the place of a real process: the holder of every lock is process 7, and what is to be killed is noted."""

    def __init__(self, monkeypatch):
        self.killed, self.hits = [], True
        monkeypatch.setattr(engine_victims, "holder", lambda lock: 7)
        monkeypatch.setattr(engine_victims, "kill_holder", self.kill)

    def kill(self, lock, process):
        self.killed.append(lock)
        return self.hits


@pytest.fixture
def killing(monkeypatch):
    return Killing(monkeypatch)


def hunter(runs, total=2, number=0):
    return Hunter(runs, total, random.Random(number))


def test_a_run_is_killed_at_the_moment_that_was_drawn_and_not_before(runs, lock, killing):
    path, own = lock(), hunter(runs)
    chance = random.Random(0)
    chance.randrange(1)
    wait = chance.uniform(0, engine_victims.LATEST)
    own.look(100.0)
    own.look(100.0 + 0.99 * wait)

    assert killing.killed == []

    own.look(100.0 + wait)

    assert killing.killed == [path]
    assert own.killed == Killed(path.with_suffix(".json"), 7, own.killed.command, wait)


def test_nothing_more_is_killed_afterwards(runs, lock, killing):
    lock()
    own = hunter(runs)
    for now in range(10):
        own.look(float(now))

    assert len(killing.killed) == 1


def test_it_waits_until_as_many_results_are_there_as_were_drawn(runs, lock, killing):
    own = hunter(runs, total=8, number=1)
    assert own.after == 1
    lock()
    for now in range(4):
        own.look(float(now))

    assert killing.killed == []

    lock("done").with_suffix(".json").touch()
    for now in range(4):
        own.look(float(now))

    assert len(killing.killed) == 1


def test_a_kill_that_does_not_hit_is_tried_again(runs, lock, killing):
    path, own = lock(), hunter(runs)
    killing.hits = False
    own.look(0.0)
    own.look(2.0)

    assert (own.killed, own.missed) == (None, ["m-constant-rte, seed0: it was done before"])

    killing.hits = True
    own.look(3.0)
    own.look(5.0)

    assert own.killed.result == path.with_suffix(".json")


def test_a_kill_after_the_result_was_filed_does_not_count(runs, lock, killing):
    path, own = lock(), hunter(runs)
    own.look(0.0)
    path.with_suffix(".json").touch()
    own.look(2.0)

    assert own.killed is None
    assert len(own.missed) == 1


@pytest.fixture
def made(runs, smoke_recipe):
    """What an engine made, which killed the run of this result on the way."""

    def make(codes=(0,), filed=True, **values):
        recipe = smoke_recipe()
        path = results.path_of(runs, recipe, 0)
        if filed:
            resumed = {"notes": ("resumed after epoch 1",), "provenance": Provenance(resumed=1)}
            results.save(runs, result(recipe, 0, {"sst2": {"accuracy": 0.5}}, **resumed | values))
        own = hunter(runs)
        own.killed = Killed(path, 7, "python -m progbench run", 0.25)
        return engine_runs.Made("local", 2, codes, own, 12.0)

    return make


def held(start, code=0, found=None):
    return engine_check.held(start, code, found or report(), (0, report()))


def test_an_engine_whose_report_is_the_same_is_fine(made):
    assert str(held(made())) == (
        "ok      local: 2 units; killed tiny-bert-shrinking-sst2, seed 0 (process 7, 0.25 s after a checkpoint was "
        "seen): started again by the engine, resumed after epoch 1; 12 s; 2 of 2 scores bit-identical; reports equal"
    )


def test_a_command_that_was_given_twice_is_said(made):
    assert "started again by the same command, given once more" in str(held(made(codes=(1, 0))))


def test_an_engine_without_a_kill_has_failed(made):
    start = made()
    start.hunter.killed = None

    assert held(start).wrong == ["no run was killed: 0 tries, each on a run that was done before"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"filed": False}, "was killed, and has no result"),
        ({"epochs": (), "error": "no room"}, "was killed, and failed then: no room"),
        ({"notes": (), "environment": {}}, "was killed, and did not go on from its checkpoint"),
        ({"codes": (1,)}, "progbench submit ended with 1"),
    ],
)
def test_what_is_wrong_with_the_run_that_was_killed_is_a_failure(made, values, words):
    (wrong,) = held(made(**values)).wrong

    assert wrong.endswith(words)


def test_another_exit_code_of_pytest_is_a_failure(made):
    assert held(made(), code=1).wrong == ["judging ended with 1, not 0"]


def test_another_score_is_a_failure_which_names_it(made):
    found = held(made(), found=changed((*RUN, "scores", "rte accuracy"), 60.0))

    assert found.scores == (1, 2)
    assert str(found).startswith("FAILED  local: ")
    assert "scores differ; runs > m-constant-rte d1 > runs > 0 > scores > rte accuracy: 60.0" in str(found)


def test_reports_without_a_score_are_no_proof(made):
    empty = report()
    empty["runs"] = []

    assert engine_check.held(made(), 0, empty, (0, empty)).wrong == ["there is no score to compare"]


@pytest.fixture
def stands_in(monkeypatch, made):
    """No command is started: pytest and each engine made the report that is given, or what pytest made."""

    def stand_in(**reports):
        monkeypatch.setattr(engine_runs, "is_here", lambda engine: engine != "slurm")
        monkeypatch.setattr(engine_runs, "baseline", lambda *_: 0)
        monkeypatch.setattr(engine_runs, "judged", lambda *_: 0)
        monkeypatch.setattr(engine_runs, "made", lambda engine, *_: replace(made(), engine=engine))
        monkeypatch.setattr(engine_runs, "report_of", lambda folder: reports.get(folder.name, report()))

    return stand_in


def test_the_command_ends_with_0_and_keeps_what_it_found(tmp_path, stands_in, capsys):
    stands_in()
    code = engine_check.main(["--out", str(tmp_path / "out")])
    content = json.loads((tmp_path / "out" / "engine_check.json").read_text())
    said = capsys.readouterr().out.splitlines()

    assert code == 0
    assert said[0] == "skipped slurm: no Slurm answers here (sinfo)"
    assert said[-1] == "3 engines: 0 failed"
    assert [one["engine"] for one in content["engines"]] == ["local", "slurm-local", "ray"]
    assert content["left_out"] == engine_reports.LEFT_OUT
    assert content["environment"]["python"]


def test_the_command_ends_with_1_and_names_the_engine_that_failed(stands_in, capsys):
    stands_in(ray=changed((*VERDICT, "outcome"), "deviates"))

    assert engine_check.main(["--engines", "local,ray"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 engines: 1 failed: ray"


def test_an_engine_that_makes_no_report_has_failed_and_the_next_is_checked(stands_in, monkeypatch, capsys):
    def stuck(engine, *arguments):
        if engine == "local":
            raise engine_runs.Stuck("no new result for 15 minutes, 3 are there")
        return made(engine, *arguments)

    stands_in()
    made = engine_runs.made
    monkeypatch.setattr(engine_runs, "made", stuck)

    assert engine_check.main(["--engines", "local,ray"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 engines: 1 failed: local"


def test_told_to_end_it_says_so(stands_in, monkeypatch, capsys):
    def told(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    stands_in()
    monkeypatch.setattr(engine_runs, "made", told)

    assert engine_check.main(["--engines", "local"]) == 130
    assert capsys.readouterr().out.splitlines()[-1] == "told to end"


def test_without_a_judgement_of_pytest_there_is_nothing_to_compare_with(stands_in, monkeypatch, capsys):
    stands_in()
    monkeypatch.setattr(engine_runs, "baseline", lambda *_: 4)

    assert engine_check.main(["--engines", "local"]) == 1
    assert capsys.readouterr().out == "FAILED  pytest: pytest ended with 4\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--engines", "locale"], "--engines locale: there are local, slurm-local, slurm, ray"),
        (["--engines", "slurm"], "--engines slurm: no Slurm answers here (sinfo)"),
        (["-m", "params"], "invalid choice: 'params'"),
        (["--engines", "ray"], "ray is there from before: delete it, or name another folder"),
    ],
)
def test_what_cannot_be_checked_is_a_usage_error(tmp_path, stands_in, capsys, arguments, words):
    stands_in()
    (tmp_path / "ray").mkdir()
    with pytest.raises(SystemExit, match="2"):
        engine_check.main([*arguments, "--out", str(tmp_path)])

    assert words in capsys.readouterr().err


def test_where_processes_cannot_be_looked_at_it_is_a_usage_error(tmp_path, stands_in, monkeypatch, capsys):
    stands_in()
    monkeypatch.setattr(engine_check, "PROCESSES", tmp_path / "proc")
    with pytest.raises(SystemExit, match="2"):
        engine_check.main([])

    assert "which only Linux has" in capsys.readouterr().err


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a shell script of this name, and nothing else, before all programs."""

    def put(name, text):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")

    return put


@pytest.mark.parametrize(("text", "here"), [("exit 0", True), ("exit 1", False)])
def test_slurm_is_tried_where_it_answers(program, text, here):
    program("sinfo", text)

    assert engine_runs.is_here("slurm") is here
    assert engine_runs.is_here("ray")


@pytest.mark.parametrize(("text", "waits"), [("echo 77_0 R", True), ("", False), ("echo gone; exit 1", False)])
def test_slurms_jobs_are_waited_for_as_long_as_it_names_one(program, text, waits):
    program("squeue", text)

    assert engine_runs._queued("77") is waits


@pytest.mark.parametrize(
    ("engine", "filed", "starts"), [("slurm-local", False, 2), ("slurm-local", True, 1), ("local", False, 1)]
)
def test_the_command_is_given_once_more_where_the_engine_leaves_the_killed_run(
    runs, lock, monkeypatch, engine, filed, starts
):
    path = lock().with_suffix(".json")

    def submitted(engine, folder, mark, own, say):
        (folder / "submit.log").write_text("4 units with 4 runs are missing in runs\n")
        own.killed = Killed(path, 7, "", 0.25)
        if filed:
            path.touch()
        return 0

    monkeypatch.setattr(engine_runs, "_submitted", submitted)
    found = engine_runs.made(engine, runs.parent, "", 4, lambda line: None)

    assert (found.units, len(found.codes)) == (4, starts)


def test_a_folder_in_which_nothing_is_filed_for_too_long_is_stuck(runs, monkeypatch):
    monkeypatch.setattr(engine_runs, "STUCK", 0.0)
    watch = engine_runs._Watch(runs, lambda line: None)
    with pytest.raises(engine_runs.Stuck, match="no new result for 0 minutes, 0 are there"):
        watch.look()


def test_a_command_is_told_to_end_where_the_check_ends_before_it(runs):
    with engine_runs._started([sys.executable, "-c", "import time; time.sleep(60)"], runs.parent / "log", runs) as one:
        pass

    assert one.returncode == -15


def test_while_an_engine_works_its_runs_are_hunted_and_a_kill_is_said(runs, lock, killing, monkeypatch):
    monkeypatch.setattr(engine_victims, "LATEST", 0.0)
    lock()
    lines = []
    watch = engine_runs._Watch(runs, lines.append, hunter(runs))
    watch.look()
    watch.look()

    assert [line.partition(" (")[0] for line in lines] == ["killed m-constant-rte, seed 0"]


def test_it_is_said_how_far_an_engine_is(runs, lock, monkeypatch):
    monkeypatch.setattr(engine_runs, "SAY_EVERY", 0.0)
    lock().with_suffix(".json").touch()
    lines = []
    engine_runs._Watch(runs, lines.append).look()

    assert lines == ["1 results after 0 s"]


def test_a_session_that_left_no_report_is_said_with_its_last_words(tmp_path):
    (tmp_path / "pytest.log").write_text("ERROR: no such suite\n\n")
    with pytest.raises(BadInput, match="no report: ERROR: no such suite"):
        engine_runs.report_of(tmp_path)


@pytest.mark.parametrize("module", [engine_check, engine_reports, engine_runs, engine_victims])
def test_the_examples_in_the_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0
