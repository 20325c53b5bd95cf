"""A disk that is full at any step of filing a result: the old one stays whole, and nothing else is left."""

import contextlib
import errno
import io
import os
from pathlib import Path

import pytest
from made_up import result

from progbench import cli
from progbench.runs import results

SECTION = "Running, on one machine or on many"
STEPS = ("open", "write", "flush", "fsync", "replace")  # of a file that is written aside, and moved into place
WORDS = "No space left on device"


@contextlib.contextmanager
def full(step, name="seed0.json"):
    """A disk without room for this step of writing this file; reading goes on."""

    def fail(where, real):
        def call(*arguments, **options):
            if name in where(*arguments):
                raise OSError(errno.ENOSPC, WORDS)
            return real(*arguments, **options)

        return call

    class File(io.TextIOWrapper):
        pass

    def opened(path, *arguments, **options):
        if name not in path.name or arguments[:1] != ("w",):
            return real_open(path, *arguments, **options)
        return File(io.FileIO(path, "w"), encoding="utf-8")

    real_open = Path.open
    with pytest.MonkeyPatch.context() as patch:
        if step == "open":
            patch.setattr(Path, "open", fail(lambda path, *_, **__: path.name, real_open))
        elif step in ("write", "flush"):
            setattr(File, step, fail(lambda file, *_: name, getattr(io.TextIOWrapper, step)))
            patch.setattr(Path, "open", opened)
        elif step == "fsync":
            patch.setattr(os, "fsync", fail(lambda number: os.readlink(f"/proc/self/fd/{number}"), os.fsync))
        else:
            patch.setattr(os, "replace", fail(lambda aside, path: path.name, os.replace))
        yield


@pytest.fixture
def recipe(smoke_recipe):
    return smoke_recipe(schedule="constant", task="rte")


def listing(folder):
    """Every file but the locks, which are empty and are swept by the next session."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder): path.read_bytes() for path in found}


def filed(folder, recipe, score):
    return results.save(folder, result(recipe, 0, {"rte": {"accuracy": score}}))


def run(folder, recipe, capsys):
    code = cli.main(["run", recipe.id, "--suite", "smoke", "--runs", str(folder), "--seeds", "0"])
    return code, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("step", STEPS)
def test_the_old_result_is_whole_and_there_is_no_stump(tmp_path, recipe, step):
    filed(tmp_path, recipe, 0.5)
    before = listing(tmp_path)
    with full(step), pytest.raises(OSError, match=WORDS):
        filed(tmp_path, recipe, 0.75)

    assert listing(tmp_path) == before


@pytest.mark.parametrize("step", STEPS)
def test_a_run_whose_result_has_no_room_says_so_once_and_exits_1_and_the_next_one_files_it(
    tmp_path, recipe, step, trained, capsys, reliability
):
    with full(step):
        code, said = run(tmp_path / "runs", recipe, capsys)

    assert (code, len(said), len(trained)) == (1, 1, 1)
    assert f"cannot be written ({WORDS}): its scores count in this report, and are not kept" in said[0]
    assert listing(tmp_path) == {}
    assert run(tmp_path / "runs", recipe, capsys)[0] == 0
    assert [path.name for path in listing(tmp_path)] == ["seed0.json"]
    reliability(
        SECTION,
        "a disk that is full at a step of filing a result: opened, written, flushed, synchronised or moved",
        happens=said[0].replace(recipe.digest, "DIGEST") + "; `progbench run` exits 1",
        kept="the old result, if there was one, as it was; no half-written file; the next run files the seed",
    )


@pytest.mark.parametrize("step", STEPS)
def test_where_there_is_no_room_beforehand_nothing_is_trained_and_it_is_said_once(
    tmp_path, recipe, step, trained, capsys
):
    with full(step, "probe-"):
        code, said = run(tmp_path / "runs", recipe, capsys)

    assert (code, len(said), trained) == (1, 1, [])
    assert f"cannot be written ({WORDS})" in said[0]
    assert listing(tmp_path) == {}
