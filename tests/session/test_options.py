"""What a session may be asked for; the command line's own words are in tests/benchmarks."""

import os

import pytest

from progbench import environment
from progbench.errors import BadInput
from progbench.session.options import FOLDERS, opened
from progbench.session.reference import REFERENCE_SEEDS


@pytest.fixture
def asked(tmp_path):
    return {"name": "smoke", "runs": tmp_path / "runs", "root": tmp_path}


def refusal(asked, **changes):
    with pytest.raises(BadInput) as problem:
        opened(**asked | changes)
    return str(problem.value)


@pytest.mark.parametrize("variable", FOLDERS)
def test_a_variable_that_names_no_folder_is_refused(asked, tmp_path, monkeypatch, variable, reliability):
    monkeypatch.setenv(variable, "/no/such/folder")
    words = refusal(asked)

    assert words == f"{variable} is set to /no/such/folder, which is not a folder"
    if variable == "SQUAD_DIR":
        kept = "all results; of the project's own tests only those on real files fail, and say this"
        reliability("Bringing data", "a folder of data that is gone", happens=words, kept=kept)


def test_no_test_sees_the_variables_of_whoever_runs_the_tests():
    assert [variable for variable in FOLDERS if variable in os.environ] == []


@pytest.mark.parametrize(("seeds", "words"), [(0, "at least 1"), (1001, "at most 1,000"), (10**9, "at most 1,000")])
def test_a_number_of_seeds_that_no_suite_may_have_is_refused(asked, tmp_path, seeds, words, reliability):
    said = refusal(asked, seeds=seeds)

    assert said == f"--seeds {seeds}: {words}"
    if seeds == 10**9:
        fault, kept = "--seeds of a billion", "the session does not start"
        reliability("Editing recipes and expected values", fault, happens=said, kept=kept)


def test_a_thousand_seeds_are_taken(asked, tmp_path):
    assert opened(**asked, seeds=1000).filing.seeds == range(1000)


def test_a_gpu_that_is_required_and_not_there_is_said(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "gpu_count", lambda: 0)

    assert refusal(asked, require_gpu=True) == "--require-gpu: the CUDA driver shows this process no GPU"


@pytest.mark.parametrize("option", ["runs", "report"])
@pytest.mark.parametrize(
    ("name", "words"),
    [("file", "not a folder"), ("link", "not a folder"), ("x" * 300, "cannot be looked at: File name too long")],
    ids=["a file", "a link to nothing", "a name that is too long"],
)
def test_what_is_no_folder_is_refused(asked, tmp_path, option, name, words):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    folder = tmp_path / name

    assert refusal(asked, **{option: folder}) == f"--{option} {folder}: {words}"


def test_a_report_that_cannot_be_made_is_refused_before_the_session(asked, tmp_path, reliability):
    (tmp_path / "file").touch()
    words = refusal(asked, report=tmp_path / "file" / "out")

    assert words == f"--report {tmp_path}/file/out: cannot be written: Not a directory"
    reliability(
        "Reading a report",
        "a --report that cannot be made or written",
        happens=f"before the session: {words}",
        kept="the hours of the session",
    )


def test_a_report_on_a_full_disk_is_refused_before_the_session(asked, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    words = refusal(asked, report=tmp_path / "out")
    assert words == f"--report {tmp_path}/out: cannot be written: No space left on device"


def test_the_look_at_the_report_leaves_nothing_in_its_folder(asked, tmp_path):
    opened(**asked, report=tmp_path / "out")

    assert list((tmp_path / "out").iterdir()) == []


def test_the_papers_numbers_are_not_to_be_recorded(asked, tmp_path):
    assert refusal(asked, name="paper", update_reference=True).startswith("--update-reference: the paper's")


def test_outside_a_checkout_no_reference_is_recorded(asked, tmp_path):
    words = refusal(asked, update_reference=True)

    assert words == f"--update-reference: {tmp_path} is not a git checkout, so a reference could not name its commit"


def test_a_worker_leaves_the_look_at_git_to_who_started_it(asked, tmp_path):
    suite = opened(**asked, update_reference=True, worker=True)

    assert suite.filing.seeds == range(REFERENCE_SEEDS)


def test_without_a_number_of_seeds_the_suites_own_counts(asked, tmp_path):
    assert opened(**asked).filing.seeds == range(1)  # recipes/smoke/suite.toml
