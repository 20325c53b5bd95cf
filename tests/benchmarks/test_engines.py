"""engine-check, without its minutes: what a comparison finds and leaves out, who is killed, when, and the command."""

import json
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest
from made_up import entry, result, run, verdict

from progbench.errors import BadInput
from progbench.judging import caveats
from progbench.report.report import Report
from progbench.runs import results
from progbench.runs.run_result import Provenance

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import engine_check

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
    assert engine_check.differences(report(), report()) == []
    assert engine_check.scores_in(report()) == 2


def test_a_score_that_is_another_in_its_last_bit_is_found():
    found = changed((*RUN, "scores", "rte accuracy"), math.nextafter(66.5, 67))

    assert engine_check.differences(report(), found) == [
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
        (("runs", 0, "runs"), []),
    ],
)
def test_what_is_no_time_must_be_the_same(path, value):
    assert len(engine_check.differences(report(), changed(path, value))) >= 1


def test_a_cell_that_is_missing_or_there_twice_is_found():
    found = report()
    found["verdicts"].append(found["verdicts"][0])

    assert any("Table 1 m-constant-rte 1 > outcome" in one for one in engine_check.differences(report(), found))
    assert any("Table 1 m-constant-rte 1 > outcome" in one for one in engine_check.differences(found, report()))


def test_another_order_is_found():
    found = report()
    found["verdicts"].reverse()

    assert engine_check.differences(report(), found) == ["the same in another order"]


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
    assert engine_check.differences(report(), changed(path, value)) == []


def test_what_beside_a_run_was_running_and_that_it_was_resumed_is_left_out(smoke_recipe):
    resumed = result(smoke_recipe(), 0, {}, notes=("resumed after epoch 1",))
    (words,) = caveats.caveats("m-constant-rte", {smoke_recipe(): [resumed]})

    assert engine_check.differences(report(), report(others=3)) == []
    assert engine_check.differences(report(), report([words], others=None)) == []


@pytest.mark.parametrize("pattern", engine_check.LEFT_OUT)
def test_nothing_is_left_out_that_no_report_has(monkeypatch, pattern):
    found = report(["m-constant-rte: resumed after epoch 1"], others=3)
    monkeypatch.setattr(engine_check, "LEFT_OUT", {})
    whole = len([*engine_check._compared(found)])
    monkeypatch.setattr(engine_check, "LEFT_OUT", {pattern: "why"})

    assert len([*engine_check._compared(found)]) < whole


HOLDS = """
import sys, time, filelock
with filelock.FileLock(sys.argv[1]):
    print("holds", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def lock(tmp_path):
    """A place for a run's lock, with a checkpoint beside it or not."""

    def make(recipe="m-constant-rte", checkpoint=True):
        folder = tmp_path / "smoke" / recipe / "d1"
        folder.mkdir(parents=True)
        (folder / "seed0.lock").touch()
        if checkpoint:
            (folder / "seed0.checkpoint-abc-000000000010-def").touch()
        return folder / "seed0.lock"

    return make


def test_the_process_that_holds_a_lock_is_killed_and_one_that_does_not_is_left_alone(lock):
    path, other = lock(), lock("m-shrinking-rte")
    with subprocess.Popen([sys.executable, "-c", HOLDS, path], stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()

        assert not engine_check.kill_holder(other)
        assert process.poll() is None
        assert engine_check.kill_holder(path)
        assert process.wait() == -9


@pytest.fixture
def killed(monkeypatch):
    """The locks whose holders were to be killed; no process is. Each kill comes at once."""
    monkeypatch.setattr(engine_check, "LATEST", 0.0)
    found = []
    monkeypatch.setattr(engine_check, "kill_holder", lambda lock: found.append(lock) or True)
    return found


def hunted(runs, total=2, number=0, looks=5):
    """What a hunter gives, look by look."""
    hunter = engine_check.hunt(runs, total, random.Random(number))
    return [next(hunter, None) for _ in range(looks)]


def test_a_run_with_a_checkpoint_and_without_a_result_is_killed_once(tmp_path, lock, killed):
    lock("not-begun", checkpoint=False)
    lock("done").with_suffix(".json").touch()
    path = lock("under-way")

    assert [one for one in hunted(tmp_path) if one] == [path.with_suffix(".json")]
    assert killed == [path]


def test_it_waits_until_as_many_results_are_there_as_were_drawn(tmp_path, lock, killed):
    lock()

    assert random.Random(1).randrange(4) == 1
    assert not any(hunted(tmp_path, total=8, number=1))

    lock("done").with_suffix(".json").touch()

    assert any(hunted(tmp_path, total=8, number=1))


def test_it_waits_for_the_moment_that_was_drawn(tmp_path, lock, killed, monkeypatch):
    lock()
    monkeypatch.setattr(engine_check, "LATEST", 1e6)

    assert hunted(tmp_path) == [None] * 5
    assert killed == []


def test_a_kill_after_the_result_was_filed_does_not_count(tmp_path, lock, killed, monkeypatch):
    path = lock()
    monkeypatch.setattr(engine_check, "kill_holder", lambda lock: path.with_suffix(".json").touch() or True)

    assert not any(hunted(tmp_path))


@pytest.fixture
def check(tmp_path, monkeypatch, smoke_recipe):
    """Check an engine of which no command is started: it made this report, and this is what was killed."""

    def make(engine="local", codes=(0, 0), judged=0, found=None, filed=True, kill=True, **values):
        runs, recipe, codes = tmp_path / engine / "runs", smoke_recipe(), iter(codes)
        path = results.path_of(runs, recipe, 0)
        if filed:
            resumed = {"provenance": Provenance(resumed=1)}
            results.save(runs, result(recipe, 0, {"sst2": {"accuracy": 0.5}}, **resumed | values))
        monkeypatch.setattr(engine_check, "command", lambda *_: (next(codes), path if kill else None))
        monkeypatch.setattr(engine_check, "judged", lambda *_: (judged, found or report()))
        return engine_check.checked(engine, tmp_path / engine, [], (0, report())), len([*codes])

    return make


def test_an_engine_whose_report_is_the_same_is_fine(check):
    assert check() == ([], 1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kill": False}, "no run was killed"),
        ({"filed": False}, "was killed, and did not go on from its checkpoint"),
        ({"provenance": Provenance()}, "was killed, and did not go on from its checkpoint"),
        ({"codes": (1, 0)}, "progbench submit ended with 1"),
        ({"judged": 1}, "judging ended with 1, not 0"),
        ({"found": changed((*RUN, "scores", "rte accuracy"), 60.0)}, "rte accuracy: 60.0 in the place of 66.5"),
    ],
)
def test_what_is_wrong_with_an_engine_is_said(check, values, words):
    (wrong,) = check(**values)[0]

    assert wrong.endswith(words)


@pytest.mark.parametrize(
    ("engine", "filed", "left"), [("slurm-local", False, 0), ("slurm-local", True, 1), ("local", False, 1)]
)
def test_the_command_is_given_once_more_where_the_engine_leaves_the_killed_run(check, engine, filed, left):
    assert check(engine, filed=filed)[1] == left


def test_reports_without_a_score_are_no_proof(tmp_path, monkeypatch):
    empty = report()
    empty["runs"] = []
    monkeypatch.setattr(engine_check, "command", lambda *_: (0, None))
    monkeypatch.setattr(engine_check, "judged", lambda *_: (0, empty))

    assert "there is no score to compare" in engine_check.checked("local", tmp_path, [], (0, empty))


@pytest.mark.parametrize(("wrong", "code"), [([], 0), (["scores differ"], 1)])
def test_the_command_ends_with_1_where_an_engine_fails(monkeypatch, capsys, wrong, code):
    monkeypatch.setattr(engine_check, "judged", lambda *_: (0, report()))
    monkeypatch.setattr(engine_check, "checked", lambda engine, *_: wrong if engine == "ray" else [])

    assert engine_check.main(["--engines", "local", "ray"]) == code
    assert capsys.readouterr().out.splitlines()[1:] == [
        "ok      local: reports equal", "FAILED  ray: scores differ" if wrong else "ok      ray: reports equal",
    ]  # fmt: skip


def test_a_session_that_does_not_judge_is_said_with_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_check, "command", lambda *_: (4, None))
    with pytest.raises(BadInput, match=r"pytest ended with 4: .*pytest\.log"):
        engine_check.judged(tmp_path, [])


def test_a_command_that_takes_too_long_is_told_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_check, "LONGEST", 0.0)
    with pytest.raises(BadInput, match="not done after 0 minutes"):
        engine_check.command(["http.server", "0", "--bind", "127.0.0.1"], tmp_path / "log")


def test_slurms_jobs_are_waited_for_as_long_as_it_names_one(tmp_path, monkeypatch):
    log, squeue = tmp_path / "log", tmp_path / "squeue"
    log.write_text("submitted as 76\nsubmitted as 77\n")
    squeue.write_text('#!/bin/sh\necho "$@" > asked\ncat left 2>/dev/null\n')
    squeue.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "left").write_text("77_0 R\n")

    assert engine_check._queued(log)
    assert (tmp_path / "asked").read_text() == "--noheader --jobs 77\n"

    (tmp_path / "left").unlink()

    assert not engine_check._queued(log)
