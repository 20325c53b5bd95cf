"""progbench report, as a person starts it: what it says, what it writes, and how it ends."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_up import recipes, result, save_references

from progbench import cli, places
from progbench.report import figures
from progbench.runs import results
from progbench.session import reporting


@pytest.fixture(scope="module", autouse=True)
def without_figures():
    """They are drawn in tests/report, and by the process below."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "available", lambda report: {})
        yield


@pytest.fixture(scope="module")
def filed(tmp_path_factory):
    """The smoke suite's references as a folder of results: RTE and CoLA of tiny-bert, seeds 0 to 4."""
    folder = tmp_path_factory.mktemp("filed") / "runs"
    expected = places.root() / "expected"
    save_references(expected, folder, lambda one: one.task in ("rte", "cola") and one.model == "tiny-bert")
    return folder


@pytest.fixture
def folder(filed, tmp_path):
    """A copy of it, to damage."""
    return shutil.copytree(filed, tmp_path / "runs")


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def report(capsys, *arguments):
    """The exit code, and what was written to both streams."""
    code = cli.main(["report", *map(str, arguments)])
    return code, capsys.readouterr()


def outcomes(folder):
    content = json.loads((folder / "report.json").read_text())
    return {(one["table"], one["cell"]): one["outcome"] for one in content["verdicts"]}


@pytest.fixture(scope="module")
def agreeing(filed, tmp_path_factory):
    """One report on results that agree, and the files of these results with their times, before and after it."""
    written, before, found = tmp_path_factory.mktemp("agreeing") / "out", times(filed), []
    make = reporting.report
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setattr(reporting, "report", lambda suite: found.append(make(suite)) or found[0])
        code = cli.main(["report", str(filed), "--report", str(written)])
    lines = said.getvalue().splitlines()
    return SimpleNamespace(code=code, lines=lines, written=written, files=(before, times(filed)), report=found[0])


@pytest.fixture
def judged(agreeing, monkeypatch):
    """For what becomes of a report: the one above, and nothing is judged anew."""
    monkeypatch.setattr(reporting, "report", lambda suite: agreeing.report)


def test_what_agrees_ends_with_0_and_the_answer_first_and_what_was_not_run_is_missing(agreeing):
    found = outcomes(agreeing.written)

    assert agreeing.code == 0
    # 62 counts, 4 scores of Table 1 and 6 of Table 5
    assert agreeing.lines[1] == "72 of 186 judged: 72 consistent; 114 missing"
    assert found["Table 1", "tiny-bert-shrinking-rte"] == "consistent"
    assert found["Table 1", "tiny-bert-shrinking-avg"] == "missing"
    assert found["Table 1", "tiny-roberta-shrinking-rte"] == "missing"


def test_every_view_is_written_and_named_and_nothing_is_written_into_the_results(agreeing):
    named = {Path(line.removeprefix("written: ")).name for line in agreeing.lines if line.startswith("written")}

    assert {"report.md", "report.html", "report.json", "report.tex"} <= named
    assert named == {path.name for path in agreeing.written.iterdir()}
    assert agreeing.files[0] == agreeing.files[1]


def test_the_seeds_on_file_are_used_whichever_they_are(answers, capsys, tmp_path):
    folder = tmp_path / "runs"
    recipe = recipes(answers)["tiny-bert-constant-rte"]
    for seed in (7, 12):
        results.save(folder, result(recipe, seed, {"rte": {"accuracy": 0.5}}))
    report(capsys, folder, "--report", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    (entry,) = content["runs"]

    assert [one["seed"] for one in entry["runs"]] == [7, 12]
    assert {one["n"] for one in content["verdicts"] if one["cell"] == "tiny-bert-constant-rte"} == {2}


def test_what_deviates_ends_with_1(answers, folder, capsys):
    recipe = recipes(answers)["tiny-bert-constant-rte"]
    for seed in range(5):
        results.save(folder, result(recipe, seed, {"rte": {"accuracy": 0.01}}))
    code, said = report(capsys, folder)

    assert code == 1
    assert "1 deviates (tiny-bert-constant-rte low)" in said.out.splitlines()[1]


def test_a_corrupt_file_is_an_error_with_its_name_and_the_rest_is_reported(folder, capsys, tmp_path):
    (path,) = folder.glob("smoke/tiny-bert-constant-cola/*/seed2.json")
    path.write_text("{")
    code, said = report(capsys, folder, "--report", tmp_path / "out")
    found = outcomes(tmp_path / "out")

    assert code == 1
    assert f"{path}: not a readable result" in said.out.replace("\n    ", "").replace("\n  ", "")
    assert found["Table 1", "tiny-bert-constant-cola"] == "error"
    assert found["Table 1", "tiny-bert-shrinking-cola"] == "consistent"


def unwrapped(text):
    """A text without spaces and ends of lines, which may stand within a path that is too long for a line."""
    return "".join(text.split())


@pytest.fixture
def shut(folder, monkeypatch):
    """The folder of one recipe's results, which nobody may look into: not even root, who may run the tests."""
    (place,) = (folder / "smoke" / "tiny-bert-constant-rte").iterdir()
    scandir = os.scandir

    def refuse(path="."):
        if Path(path) == place:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return place


def test_a_folder_of_results_that_may_not_be_read_is_an_error_with_its_path_compared_too(
    shut, folder, capsys, reliability
):
    code, said = report(capsys, folder)
    why = f"{shut}: cannot be looked into (Permission denied), so what it holds is not in this report"

    assert code == 1
    assert unwrapped(why) in unwrapped(said.out)
    code, said = report(capsys, folder, "--against", folder)
    assert code == 1
    assert unwrapped(f"{shut}: cannot be looked into (Permission denied)") in unwrapped(said.out)
    reliability(
        "Reading a report", "a folder of results that may not be read",
        happens=f"exit code 1, and: {why.replace(shut.name, '…')}", kept="the rest, which is reported",
    )  # fmt: skip


def test_where_no_folder_may_be_read_there_is_more_to_say_than_no_results(folder, capsys, monkeypatch):
    def refuse(path="."):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    code, said = report(capsys, folder, "--suite", "smoke")

    assert code == 1
    assert unwrapped(f"{folder}/smoke: cannot be looked into (Permission denied)") in unwrapped(said.out)


LONG = "x" * 300


def test_a_name_too_long_for_a_folder_is_a_usage_error_with_the_name(filed, capsys, reliability):
    for arguments in ([LONG], [filed, "--against", LONG], [filed, "--report", LONG]):
        code, said = report(capsys, *arguments)
        assert (code, said.err.endswith(f"{LONG}: cannot be looked at: File name too long\n")) == (2, True)

    reliability(
        "Reading a report", "a folder whose name is too long, wherever one is named",
        happens=said.err.replace(LONG, "xxx…"), kept="nothing is begun",
    )  # fmt: skip


def test_a_folder_whose_name_is_no_unicode_is_reported_and_linked(folder, capsys, tmp_path):
    strange = folder.rename(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff"))
    report(capsys, strange, "--report", tmp_path / "out")

    assert 'href="../a%FF/smoke/' in (tmp_path / "out" / "report.html").read_text()


def test_results_of_an_edited_recipe_are_said_not_to_count(folder, capsys):
    (old,) = folder.glob("smoke/tiny-bert-constant-cola/*")
    old.rename(old.with_name("00000000"))
    _, said = report(capsys, folder)

    assert "warning: tiny-bert-constant-cola: there are results of other digests" in said.out


@pytest.mark.parametrize(("arguments", "words"), [
    (["none"], "no such folder: none"),
    (["no\x1b[2Jne"], "no such folder: no\\x1b[2Jne"),  # which cannot move the cursor
    (["file"], "file is a file, not a folder of results"),
    (["empty"], "no results in empty"),
    (["runs", "--suite", "paper"], "no results of the suite paper in runs; there are results of smoke"),
    (["runs", "--against", "none"], "no such folder: none"),
])  # fmt: skip
def test_without_results_it_is_a_usage_error(folder, capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("empty").mkdir()
    code, said = report(capsys, *arguments)

    assert (code, said.err) == (2, f"progbench report: {words}\n")


def test_of_several_suites_one_must_be_chosen(answers, folder, capsys):
    results.save(folder, result(recipes(answers, "mini")["minilm-constant-rte"], 0, {"rte": {"accuracy": 0.5}}))
    code, said = report(capsys, folder)

    assert code == 2
    assert "has results of mini, smoke: choose one with --suite" in said.err


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(("more", "said_all_the_same"), [
    ([], "\n72 of 186 judged: 72 consistent; 114 missing\n"), (["--against", "same"], "8 bit-identical"),
])  # fmt: skip
def test_a_report_that_cannot_be_written_is_said_and_a_usage_error(filed, capsys, tmp_path, more, said_all_the_same):
    """Where a file has its name, it is refused before anything is read."""
    (tmp_path / "file").touch()
    against = [filed if one == "same" else one for one in more]
    code, said = report(capsys, filed, *against, "--report", tmp_path / "file")

    assert (code, said.out) == (2, "")
    assert f"--report {tmp_path / 'file'}: not a folder" in said.err
    unwritable = tmp_path / "file" / "below"
    code, said = report(capsys, filed, *against, "--report", unwritable)

    assert (code, said.err) == (2, f"progbench report: --report {unwritable}: cannot be written: Not a directory\n")
    assert said_all_the_same in said.out


REPORT = "Reading a report"


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(("encoding", "spread"), [("ascii", r"\xb1"), ("latin-1", "±")])
def test_what_a_terminal_has_no_sign_for_is_spelled_out(filed, monkeypatch, encoding, spread, reliability):
    said = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", said)
    code = cli.main(["report", str(filed)])
    words = said.buffer.getvalue().decode(encoding)

    assert code == 0
    assert f"95.52 {spread} 0.66 (5)" in words
    reliability(
        REPORT,
        "a terminal that shows ASCII or Latin-1 alone",
        happens="what it has no sign for is spelled out: ± becomes \\\\xb1",
        kept="the report, and the exit code",
    )


class Full(io.StringIO):
    """A terminal that is a file on a full disk."""

    def flush(self):
        raise OSError(28, "No space left on device")


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize("arguments", [["report", "FOLDER"], ["list", "suites"]])
def test_output_that_finds_no_room_is_a_usage_error(filed, capsys, monkeypatch, arguments, reliability):
    monkeypatch.setattr(sys, "stdout", Full())
    code = cli.main([str(filed) if one == "FOLDER" else one for one in arguments])
    said = capsys.readouterr().err

    assert (code, said) == (2, f"progbench {arguments[0]}: the output cannot be written: No space left on device\n")
    if arguments[0] == "report":
        reliability(
            REPORT,
            "progbench report into a file on a full disk",
            happens=f"{said} (exit code 2; 1 would mean that something deviates)",
            kept="what --report wrote",
        )


def test_the_names_of_written_files_cannot_move_the_cursor(filed, capsys, tmp_path):
    _, said = report(capsys, filed, "--against", filed, "--report", tmp_path / "o\x1b[2Jut")

    assert f"written: {tmp_path}/o\\x1b[2Jut/difference.md" in said.out
    assert "\x1b" not in said.out


def test_a_folder_against_itself_is_bit_identical(filed, capsys):
    code, said = report(capsys, filed, "--against", filed)

    assert code == 0
    assert said.out.splitlines()[0] == "8 scores compared: 8 bit-identical"


def test_a_change_ends_with_1_and_is_written_in_three_views(answers, filed, capsys, tmp_path):
    other = tmp_path / "other"
    recipe = recipes(answers)["tiny-bert-constant-rte"]
    for seed in range(5):
        results.save(other, result(recipe, seed, {"rte": {"accuracy": 0.01 + seed / 1000}}))
    code, said = report(capsys, filed, "--against", other, "--report", tmp_path / "out")

    assert code == 1
    assert said.out.startswith("1 scores compared: 1 changed; ")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "difference.md", "difference.html", "difference.json",
    }  # fmt: skip


def test_as_a_process_it_loads_no_torch_and_its_output_may_be_cut_short(filed, tmp_path):
    code = (
        "import sys; from progbench import cli; code = cli.main(sys.argv[1:]); "
        "print(code, [name for name in ('torch', 'transformers', 'datasets') if name in sys.modules], file=sys.stderr)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, "report", filed, "--report", tmp_path / "out"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        process.stdout.close()
        said = process.stderr.read()

    assert said.splitlines()[0] == "0 []"
    assert (tmp_path / "out" / "report.html").is_file()
