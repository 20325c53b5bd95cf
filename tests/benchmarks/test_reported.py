"""What a session that trains nothing judges and reports."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import recipes

from progbench.runs import results
from progbench.runs.results import RunResult

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def counted(benches):
    """A session of the paper's Tables 1, 2 and 5, its counts and its claims; a GPU, which it asks for, is not there.

    With a JUnit file where warnings are errors, and without folders of tests in sys.path: neither may break a cell.
    """
    bench = benches("counted")
    marks, others = "glue or params or squad or claims or ablation", ("-W", "error", "--import-mode=importlib")
    # cold: a fork has loaded pytest's plugins before, of which it warns
    bench.done = bench("-m", marks, "--junitxml", bench.folder / "junit.xml", *others, cold=True)
    return bench


def test_without_a_gpu_the_papers_scored_cells_are_missing_and_its_counted_ones_judged(counted):
    report = counted.report()

    assert counted.done.returncode == 0
    assert (
        "60 of 144 judged: 51 reproduced (45 of them counts by a setting that the paper's totals determined), "
        "9 disputed; 4 not printed, 80 missing"
    ) in " ".join(counted.done.stdout.split())
    assert counted.outcomes()["bert-large-shrinking-updated"] == "reproduced"
    assert {v["outcome"] for v in report["verdicts"] if v["kind"] != "counted"} == {"missing"}
    assert all(v["sentence"] for v in report["verdicts"])
    assert report["suite"] == "paper"


def test_report_writes_every_view(counted):
    assert {path.name for path in (counted.folder / "report").iterdir()} == {
        "report.html", "report.json", "report.md", "report.tex", "figure4.svg", "answer.svg", "report.schema.json",
        "report.csv", "contrasts.csv", "runs.csv",
    }  # fmt: skip


def test_a_junit_file_has_each_cells_sentence_and_numbers_as_properties(counted):
    cases = {case.get("name"): case for case in ElementTree.parse(counted.folder / "junit.xml").iter("testcase")}
    case = cases["test_figure4[bert-large-shrinking-updated]"]
    properties = {one.get("name"): one.get("value") for one in case.iter("property")}

    assert properties["verdict.sentence"] == "counted 703,122,438, which is the printed 703.1 M"
    assert properties["verdict.outcome"] == "reproduced"
    assert float(properties["verdict.observed"]) == 703.122438
    assert json.loads(properties["progbench"])["observed"] == 703.122438


def test_of_table_2_the_counted_cells_are_judged_and_the_scored_ones_missing_for_their_reason(counted):
    verdicts = [v for v in counted.report()["verdicts"] if v["table"] == "Table 2"]

    assert {v["cell"]: round(v["observed"], 6) for v in verdicts if v["kind"] == "counted"} == {
        "bert-base-constant-squad1-updated": 326.679558,
        "bert-base-constant-squad2-updated": 217.786372,
        "bert-base-shrinking-squad1-updated": 241.625094,
        "bert-base-shrinking-squad2-updated": 175.25914,
    }
    assert {v["sentence"].partition(",")[0] for v in verdicts if v["kind"] == "scored"} == {"no GPU here"}


def test_a_cell_in_two_tables_is_in_the_report_for_both(counted):
    tables = [v["table"] for v in counted.report()["verdicts"] if v["cell"] == "bert-base-shrinking-cola"]

    assert tables == ["Table 1", "Table 5"]


def test_claims_are_judged_without_a_gpu_as_far_as_print_and_counting_go(counted):
    claims = {claim["claim"]: claim["outcome"] for claim in counted.report()["claims"]}

    assert (
        "24 claims: on the print 11 hold, 5 within noise, 2 do not hold, 6 undecided; by counting 5 hold, 3 disputed; "
        "16 without runs"
    ) in " ".join(counted.done.stdout.split())
    assert claims["reduction-bert-large"] == "holds"
    assert claims["adapter-67-percent"] == "disputed"


def test_without_network_the_paper_suite_ends_at_once_and_says_what_it_cannot_get(bench):
    """A guard against waiting on the hub's retries, which take minutes; nothing is asked of the network here."""
    done = bench(
        "--device", "cpu", "-m", "glue",
        cold=True, HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(bench.folder),
    )  # fmt: skip

    assert done.returncode == 0
    assert "0 of 60 judged: nothing; 60 missing" in done.stdout
    assert "nyu-mll/glue is not on this machine, and the hub did not give it (" in done.stdout


def test_a_report_that_cannot_be_written_at_the_end_is_one_line_and_fails_the_session(bench, reliability):
    done = bench.losing_its_report("-m", "figures", "-k", "figure4", "--no-train")
    lines = done.stdout.splitlines()

    assert done.returncode == 1
    (said,) = [line for line in lines if "cannot be written" in line]
    assert said == f"--report {bench.folder}/report: cannot be written: File exists"
    assert "Traceback" not in done.stdout + done.stderr
    assert lines[-1].startswith("==") or " passed" in lines[-1]
    assert any("judged" in line for line in lines)
    reliability(
        "Reading a report",
        "a --report whose disk fills up, or goes away, during the session",
        happens=f"after the report on the terminal: {said} (exit code 1)",
        kept="the report on the terminal, pytest's summary, and every result",
    )


@pytest.fixture(scope="module")
def hostile(benches):
    """A session on an ASCII terminal, of results whose folder's name and whose error would move the cursor."""
    bench = benches("hostile")
    bench.runs = bench.folder / "ru\x1b[2Jns"
    wanted = recipes(ROOT / "expected")
    words = "train.tsv:1: the header has a\x1b[31mb"
    failed = RunResult(wanted["tiny-bert-constant-rte"], 0, error=words, final=False)
    results.save(bench.runs, failed)
    results.save(bench.runs, replace(failed, recipe=wanted["tiny-bert-constant-cola"])).write_text("{")
    only = "tiny-bert-constant-rte or tiny-bert-constant-cola or tiny-bert-constant-mrpc"
    return bench("--suite", "smoke", "-m", "glue", "-k", only, "--no-train", "-rA", PYTHONIOENCODING="ascii")


def test_no_text_of_a_file_or_folder_reaches_the_terminal_raw(hostile, reliability):
    assert "\x1b" not in hostile.stdout + hostile.stderr
    words = r"error: seed 0: train.tsv:1: the header has a\x1b[31mb"
    assert words in hostile.stdout.splitlines()
    reliability(
        "Reading a report",
        "escape sequences in a file's header, an error on file, or a folder's name",
        happens=f"they are spelled out: {words}".replace("\\", "\\\\"),
        kept="the terminal",
    )


def test_on_an_ascii_terminal_the_report_keeps_its_lines(hostile):
    assert r"  error: seed 0: train.tsv:1: the header has a\x1b[31mb" in hostile.stdout.splitlines()


def test_no_train_judges_what_exists(hostile):
    assert "; 1 missing" in hostile.stdout


def test_variants_are_shown_beside_the_primary_with_the_closest(bench):
    done = bench("-m", "params", "--variants", "-k", "lora-constant-cola or adapter-shrinking-cola")
    variants = {(one["cell"].split("-updated")[0], one["variant"]): one for one in bench.report()["variants"]}

    assert "closest: epochs-8-10 in 1, primary in 1" in done.stdout
    assert variants["roberta-base-lora-constant-cola", "bert-base"]["observed"] == pytest.approx(80 * 296_450 / 1e6)
    assert variants["roberta-base-lora-constant-cola", ""]["closest"]
