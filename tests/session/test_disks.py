"""Disks that are full or read-only, and things that stand in a result's place: what is said, and what is kept."""

import errno
import os
import tempfile

import pytest
from made_up import cell, judged, suite

from progbench.runs import results
from progbench.training import train

SECTION = "Running, on one machine or on many"
THE_REST = "every other run, which is trained and filed"


@pytest.fixture
def own(answers, tmp_path, trained):
    """The smoke suite with two seeds, which are given a score where they would be trained."""
    return suite(answers, tmp_path / "runs", seeds=2)


def path_of(own, name, seed=0):
    return results.path_of(own.folder, own.recipe(cell(own, name)), seed)


def shown(own, words):
    """What was said of RTE's runs, without their digest, which changes with every edit of the recipe."""
    return words.replace(own.recipe(cell(own, RTE)).digest, "DIGEST")


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


RTE, COLA = "tiny-bert-constant-rte", "tiny-bert-constant-cola"


def test_where_no_result_can_be_filed_nothing_is_trained(own, trained, monkeypatch, reliability):
    monkeypatch.setattr(os, "fsync", full)
    found = judged(own, RTE)

    assert trained == []
    assert (found.outcome, found.sentence) == (
        "error",
        f"seed 0: not trained, because {path_of(own, RTE).parent} cannot be written (No space left on device) "
        "(seeds with an error: 0, 1)",
    )
    reliability(
        SECTION,
        "a disk that is full, or read-only, before a run",
        happens=shown(own, found.sentence),
        kept="the time: nothing is trained that could not be filed; results on file are judged",
    )


def test_runs_where_no_folder_can_be_made_are_errors_by_their_path(answers, tmp_path, trained):
    (tmp_path / "file").touch()
    own = suite(answers, tmp_path / "file" / "runs")
    found = judged(own, RTE)

    assert trained == []
    assert found.sentence.startswith(f"seed 0: not trained, because {tmp_path / 'file' / 'runs'}")


def test_once_there_is_room_again_runs_are_trained_again(own, trained, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        judged(own, RTE)
    judged(own, COLA)

    assert trained == [(COLA, 0), (COLA, 1)]


def test_a_probe_leaves_nothing_in_the_folder(own):
    judged(own, RTE)
    names = sorted(path.name for path in path_of(own, RTE).parent.iterdir())

    assert names == ["seed0.json", "seed0.lock", "seed1.json", "seed1.lock"]


@pytest.fixture
def full_while_training(monkeypatch):
    """A disk that fills up while the first run is trained."""
    fake = train.train

    def fill(*run):
        monkeypatch.setattr(os, "fsync", full)
        return fake(*run)

    monkeypatch.setattr(train, "train", fill)


def test_a_trained_result_that_cannot_be_filed_counts_in_this_session_and_says_so(
    own, trained, full_while_training, reliability
):
    found = judged(own, RTE)
    (warning,) = own.warnings(cell(own, RTE))

    assert trained == [(RTE, 0)]
    assert (found.observed, found.n) == (90.0, 1)
    assert found.sentence.startswith("seed 1: not trained, because ")
    assert warning == (
        f"{RTE}: seed 0 was trained, but {path_of(own, RTE)} cannot be written (No space left on device): "
        "its scores count in this report, and are not kept"
    )
    reliability(
        SECTION,
        "a disk that fills up during a run",
        happens=shown(own, warning),
        kept="the run's scores, in this report alone; the next session trains it again",
    )


def test_a_result_that_was_filed_is_no_error_because_the_next_was_not(own, trained, monkeypatch):
    save = results.save
    monkeypatch.setattr(results, "save", lambda folder, one: full() if one.seed else save(folder, one))
    found = judged(own, RTE)

    assert (found.outcome == "error", found.n) == (False, 2)
    assert path_of(own, RTE).is_file()
    assert trained == [(RTE, 0), (RTE, 1)]


def test_what_is_not_on_file_is_trained_by_the_next_session(answers, own, trained, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(results, "save", full)
        judged(own, RTE)
    judged(suite(answers, own.folder, seeds=2), RTE)

    assert trained == [(RTE, 0), (RTE, 1)] * 2


def test_where_no_temporary_folder_can_be_made_nothing_is_trained(own, trained, monkeypatch, reliability):
    said = "No usable temporary directory found in ['/tmp']"

    def none(**_):
        raise FileNotFoundError(errno.ENOENT, said)

    monkeypatch.setattr(tempfile, "TemporaryDirectory", none)
    found = judged(own, RTE)

    assert trained == []
    reliability(
        SECTION,
        "a TMPDIR that cannot be written",
        happens=found.sentence.replace(said, "what Python says of it"),
        kept="results on file, which are judged",
    )


def test_a_disk_of_temporary_files_that_fills_up_is_said_with_its_place(own, monkeypatch, tmp_path, reliability):
    def fail(*_):
        full()

    monkeypatch.setattr(train, "train", fail)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    found = judged(own, RTE)

    assert found.sentence == (
        f"seed 0: OSError: [Errno 28] No space left on device; temporary files lie in {scratch}, set TMPDIR to "
        "another folder (seeds with an error: 0, 1)"
    )
    reliability(
        SECTION, "a TMPDIR that fills up during a run", happens=found.sentence, kept="every run that was filed before"
    )


@pytest.mark.parametrize("thing", ["folder", "link"])
def test_a_lock_that_cannot_be_taken_is_the_error_of_its_own_seed(own, trained, thing, reliability):
    lock = path_of(own, RTE).with_suffix(".lock")
    lock.parent.mkdir(parents=True)
    lock.mkdir() if thing == "folder" else lock.symlink_to("nowhere")
    found = judged(own, RTE)

    assert trained == [(RTE, 1)]
    assert (found.outcome, found.n) == ("error", 1)
    assert found.sentence.startswith(f"seed 0: not trained, because {lock} cannot be written (")
    if thing == "folder":
        happens = shown(own, found.sentence)
        reliability(SECTION, "a lock that is a folder, or a link", happens=happens, kept=THE_REST)


@pytest.mark.parametrize("thing", ["pipe", "device"])
def test_a_result_that_would_be_waited_for_is_an_error_by_its_path(own, trained, thing, reliability):
    path = path_of(own, RTE)
    path.parent.mkdir(parents=True)
    os.mkfifo(path) if thing == "pipe" else path.symlink_to("/dev/zero")
    found = judged(own, RTE)

    assert trained == [(RTE, 1)]
    assert found.sentence.startswith(f"seed 0: {path}: not a readable result (")
    if thing == "pipe":
        happens = found.sentence.replace(f"{path.parent}/", "")
        reliability(SECTION, "a result that is a pipe or a device", happens=happens, kept=THE_REST)


def test_a_result_that_links_to_nothing_is_an_error_and_not_trained_over(own, trained, reliability):
    path = path_of(own, RTE)
    path.parent.mkdir(parents=True)
    path.symlink_to("/archive/seed0.json")
    found = judged(own, RTE)
    words = f"{path}: a link to what is not there; delete it to run this seed again"

    assert trained == [(RTE, 1)]
    assert found.sentence == f"seed 0: {words}"
    assert path.is_symlink()
    reliability(
        SECTION,
        "a result that is a link to a disk which is not mounted",
        happens=words.replace(f"{path.parent}/", ""),
        kept="the link, and every other run",
    )
