"""What a session may be asked for; the command line's own words are in tests/benchmarks."""

import dataclasses
import os

import pytest

from progbench import environment
from progbench.errors import BadInput
from progbench.session.options import FOLDERS, Asked, opened
from progbench.session.reference import REFERENCE_SEEDS


@pytest.fixture
def asked(tmp_path):
    return Asked("smoke", tmp_path / "runs")


def refusal(asked, root, **changes):
    with pytest.raises(BadInput) as problem:
        opened(dataclasses.replace(asked, **changes), root)
    return str(problem.value)


@pytest.mark.parametrize("variable", FOLDERS)
def test_a_variable_that_names_no_folder_is_refused(asked, tmp_path, monkeypatch, variable):
    monkeypatch.setenv(variable, "/no/such/folder")

    assert refusal(asked, tmp_path) == f"{variable} is set to /no/such/folder, which is not a folder"


def test_a_folder_of_data_that_is_gone_is_said_before_anything_is_read(asked, tmp_path, monkeypatch, reliability):
    monkeypatch.setenv("SQUAD_DIR", "/no/such/folder")

    kept = "all results; of the project's own tests only those on real files fail, and say this"
    reliability("Bringing data", "a folder of data that is gone", happens=refusal(asked, tmp_path), kept=kept)


def test_no_test_sees_the_variables_of_whoever_runs_the_tests():
    assert [variable for variable in FOLDERS if variable in os.environ] == []


def test_fewer_than_one_seed_is_refused(asked, tmp_path):
    assert refusal(asked, tmp_path, seeds=0) == "--seeds 0: at least 1"


@pytest.mark.parametrize("seeds", [1001, 10**9])
def test_more_seeds_than_a_suite_may_have_are_refused(asked, tmp_path, seeds):
    assert refusal(asked, tmp_path, seeds=seeds).endswith(": at most 1,000")


def test_a_thousand_seeds_are_taken(asked, tmp_path):
    assert opened(dataclasses.replace(asked, seeds=1000), tmp_path).filing.seeds == range(1000)


def test_a_slip_of_the_hand_in_seeds_is_told_before_the_session(asked, tmp_path, reliability):
    words = refusal(asked, tmp_path, seeds=10**9)

    assert words == "--seeds 1000000000: at most 1,000"
    reliability(
        "Editing recipes and expected values", "--seeds of a billion", happens=words, kept="the session does not start"
    )


def test_a_gpu_that_is_required_and_not_there_is_said(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "gpu_count", lambda: 0)

    assert refusal(asked, tmp_path, require_gpu=True) == "--require-gpu: the CUDA driver shows this process no GPU"


@pytest.mark.parametrize("option", ["runs", "report"])
def test_a_file_in_the_place_of_a_folder_is_refused(asked, tmp_path, option):
    file = tmp_path / "file"
    file.write_text("")

    assert refusal(asked, tmp_path, **{option: file}) == f"--{option} {file}: not a folder"


@pytest.mark.parametrize("option", ["runs", "report"])
def test_a_link_to_nothing_in_the_place_of_a_folder_is_refused(asked, tmp_path, option):
    link = tmp_path / "link"
    link.symlink_to("nowhere")

    assert refusal(asked, tmp_path, **{option: link}) == f"--{option} {link}: not a folder"


@pytest.mark.parametrize("option", ["runs", "report"])
def test_a_folder_whose_name_is_too_long_is_refused(asked, tmp_path, option):
    folder = tmp_path / ("x" * 300)

    assert (
        refusal(asked, tmp_path, **{option: folder}) == f"--{option} {folder}: cannot be looked at: File name too long"
    )


def test_a_report_that_cannot_be_made_is_refused_before_the_session(asked, tmp_path, reliability):
    (tmp_path / "file").touch()
    words = refusal(asked, tmp_path, report=tmp_path / "file" / "out")

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

    words = refusal(asked, tmp_path, report=tmp_path / "out")
    assert words == f"--report {tmp_path}/out: cannot be written: No space left on device"


def test_the_look_at_the_report_leaves_nothing_in_its_folder(asked, tmp_path):
    opened(dataclasses.replace(asked, report=tmp_path / "out"), tmp_path)

    assert list((tmp_path / "out").iterdir()) == []


def test_the_papers_numbers_are_not_to_be_recorded(asked, tmp_path):
    assert refusal(asked, tmp_path, suite="paper", update_reference=True).startswith("--update-reference: the paper's")


def test_outside_a_checkout_no_reference_is_recorded(asked, tmp_path):
    words = refusal(asked, tmp_path, update_reference=True)

    assert words == f"--update-reference: {tmp_path} is not a git checkout, so a reference could not name its commit"


def test_a_worker_leaves_the_look_at_git_to_who_started_it(asked, tmp_path):
    suite = opened(dataclasses.replace(asked, update_reference=True), tmp_path, worker=True)

    assert suite.filing.seeds == range(REFERENCE_SEEDS)


def test_without_a_number_of_seeds_the_suites_own_counts(asked, tmp_path):
    assert opened(asked, tmp_path).filing.seeds == range(1)  # recipes/smoke/suite.toml
