"""Which process a temporary file belongs to, and when it may be removed."""

import errno
import os
import subprocess
import sys
import tempfile

import pytest

from progbench import files


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_a_file_that_a_killed_process_wrote_aside_goes_with_the_next_write(tmp_path, ended):
    aside = tmp_path / f".report.md.{ended}@{files._machine()}"
    aside.touch()
    files.write_atomically(tmp_path / "report.md", "whole")

    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


@pytest.mark.parametrize("process", [os.getpid(), os.getppid(), 1], ids=["itself", "its parent", "the first"])
def test_what_a_process_that_runs_writes_aside_stays(tmp_path, process):
    aside = tmp_path / f".seed0.json.{process}@{files._machine()}"
    aside.touch()
    files.sweep(tmp_path)

    assert aside.exists()


@pytest.mark.parametrize(
    "name", [".seed0.json.{}@another", ".seed0.json.{}", ".seed0.json.{}@", ".hidden", "seed0.json"]
)
def test_what_another_machine_or_somebody_else_left_stays(tmp_path, ended, name):
    other = tmp_path / name.format(ended)
    other.touch()
    files.sweep(tmp_path)

    assert other.exists()


def test_a_file_is_written_aside_under_its_owners_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "replace", lambda aside, path: seen.append(aside.name))
    files.write_atomically(tmp_path / "seed0.json", "")

    assert seen == [f".seed0.json.{os.getpid()}@{files._machine()}"]


def test_another_host_and_another_namespace_of_processes_are_other_machines(monkeypatch):
    here = files._machine.__wrapped__()
    monkeypatch.setattr(files.os, "uname", lambda: os.uname_result(["", "another", "", "", ""]))
    there = files._machine.__wrapped__()
    monkeypatch.setattr(files.os, "stat", lambda _: os.stat_result([0] * 10))

    assert len({here, there, files._machine.__wrapped__()}) == 3


def test_temporary_folders_of_killed_processes_go_and_others_stay(tmp_path, ended, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = [f"progbench-{process}@{machine}-abc" for process, machine in
             ((ended, files._machine()), (os.getppid(), files._machine()), (ended, "another"))]  # fmt: skip
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / names[0] / "past").touch()

    assert [folder.name for folder in files.temporary_folders()] == [names[1]]
    files.sweep_temporary_folders()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_a_temporary_folder_is_known_as_its_own_process(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with files.temporary_folder() as folder:
        assert [str(one) for one in files.temporary_folders()] == [folder]
    assert files.temporary_folders() == []


def test_a_temporary_folder_that_cannot_be_removed_fails_nothing(tmp_path, monkeypatch):
    """Another run may put a file there in the very moment."""

    def busy(*_, **__):
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with files.temporary_folder():
        monkeypatch.setattr(os, "rmdir", busy)
    monkeypatch.undo()

    assert len(list(tmp_path.iterdir())) == 1
