"""A run that stopped on the way goes on from its last good checkpoint, and ends as one that went through."""

import dataclasses
import errno
import functools
import hashlib
import io
import pickle
import re
import time

import interrupted
import pytest
import torch
from interrupted import Stopped, learnt

from progbench import environment
from progbench.recipes import reading
from progbench.training import checkpoints, train
from progbench.training.checkpoints import Checkpoints, Past, made_with

SECTION = "Running, on one machine or on many"

pytestmark = pytest.mark.usefixtures("forty_rows")


def recipe(file="glue", task="rte", model="tiny-roberta", tuning="full", **changes):
    read = reading.read("smoke", file, model=model, tuning=tuning, schedule="shrinking", task=task)
    return dataclasses.replace(read, **{"epochs": 3, "batch_size": 16} | changes)


def run(wanted, kept=None, seeds=(1,)):
    if len(seeds) == 1:
        return [train.train(wanted, seeds[0], threads=1, kept=kept)]
    return list(train.train_together(wanted, seeds, "cpu", 1, kept))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    interrupted.often(monkeypatch)
    return Checkpoints(tmp_path / "digest")


@pytest.fixture(scope="module")
def whole():
    """Train through, without checkpoints; gives what was learnt and the hash of all weights."""

    @functools.cache
    def make(wanted, seeds=(1,)):
        with pytest.MonkeyPatch.context() as patch:
            weights = interrupted.watch(patch)
            return [learnt(one) for one in run(wanted, seeds=seeds)], weights[-1]

    return make


@pytest.fixture
def stopped(kept, monkeypatch):
    """Train up to a step, so that checkpoints are left; gives them, oldest first."""

    def make(wanted, step, seeds=(1,)):
        with monkeypatch.context() as patch:
            interrupted.stop_at(patch, step)
            with pytest.raises(Stopped):
                run(wanted, kept, seeds)
        return sorted(kept.folder.iterdir())

    return make


@pytest.fixture
def resumed(kept, monkeypatch):
    """Go on; gives the results, and the same as `whole`."""

    def make(wanted, seeds=(1,)):
        with monkeypatch.context() as patch:
            weights = interrupted.watch(patch)
            found = run(wanted, kept, seeds)
            return found, ([learnt(one) for one in found], weights[-1])

    return make


@pytest.mark.parametrize(
    ("wanted", "seeds", "step"),
    [
        ({}, (1,), 5),
        ({}, (1,), 7),
        ({"file": "squad", "task": "squad1", "model": "tiny-bert", "batch_size": 32}, (1,), 5),
        ({"file": "peft", "tuning": "lora"}, (1,), 9),
        ({"precision": "bf16"}, (1,), 8),
        ({}, (0, 2), 5),
    ],
)
def test_a_run_goes_on_within_an_epoch_and_ends_as_one_that_went_through(whole, stopped, resumed, wanted, seeds, step):
    wanted = recipe(**wanted)
    through = whole(wanted, seeds)
    stopped(wanted, step, seeds)
    found, again = resumed(wanted, seeds)
    epoch, done = divmod(step - 1, found[0].epochs[0].steps)

    assert again == through
    assert found[0].notes[-1] == (
        f"resumed after step {done} of epoch {epoch + 1}" if done else f"resumed after epoch {epoch}"
    )


def test_steps_before_a_checkpoint_are_not_trained_again(stopped, resumed, monkeypatch):
    stopped(recipe(), 6)
    steps = interrupted.stop_at(monkeypatch, 0)
    resumed(recipe())

    assert len(steps) == 3 * 3 - 5


def test_checkpoints_change_no_number(whole, resumed):
    """They draw from no generator: with one after every step, a run learns what it learns without."""
    assert resumed(recipe())[1] == whole(recipe())


def test_a_checkpoint_is_left_after_each_epoch_but_the_last_and_two_are_kept(kept, monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 600.0)
    written, write = [], checkpoints._write
    monkeypatch.setattr(checkpoints, "_write", lambda *given: written.append(str(given[1])) or write(*given))
    run(recipe(epochs=4), kept)

    assert written == ["epoch 1", "epoch 2", "epoch 3"]
    assert sorted(path.name.split("-")[2] for path in kept.folder.iterdir()) == [f"{n:012d}" for n in (6, 9)]


def test_within_an_epoch_one_is_left_whenever_so_many_seconds_have_passed(kept, monkeypatch):
    """By a clock that says 10 seconds more each time it is asked, which is once a step when nothing is written."""
    clock = iter(range(0, 10**6, 10))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(checkpoints, "EVERY", 20.0)
    written, write = [], checkpoints._write
    monkeypatch.setattr(checkpoints, "_write", lambda *given: written.append(str(given[1])) or write(*given))
    run(recipe(epochs=1, batch_size=4), kept)

    assert written == [f"step {step} of epoch 1" for step in (1, 3, 5, 7, 9)]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "changed in one bit": flip,
    "missing": lambda path: path.unlink(),
}


def two_of(folder):
    """The checkpoints after steps 5 and 6 of a run of three steps an epoch; gives where they are, the older first."""
    kept = Checkpoints(folder)
    for steps in (5, 6):
        kept.save(past_after(steps), made(), steps)
    return kept, *sorted(folder.iterdir())


def past_after(steps):
    epoch, step = divmod(steps, 3)
    return Past((0,), state={"epoch": epoch, "step": step})


@pytest.mark.parametrize(("kind", "both"), [*((kind, False) for kind in DAMAGE), ("cut", True)])
def test_a_broken_checkpoint_is_skipped_for_the_older_one_and_said(tmp_path, kind, both):
    kept, older, newer = two_of(tmp_path / "digest")
    for path in (older, newer) if both else (newer,):
        DAMAGE[kind](path)
    found, said = kept.load(made())

    assert found == (None if both else past_after(5))
    assert said == [f"the checkpoint {path.name} was damaged and not used: its checksum does not fit its content"
                    for path in ((newer, older) if both else (newer,)) if kind != "missing"]  # fmt: skip


def test_a_run_whose_newer_checkpoint_is_broken_ends_as_one_that_went_through(whole, stopped, resumed, reliability):
    wanted = recipe()
    through = whole(wanted)
    _, newer = stopped(wanted, 6)
    DAMAGE["cut"](newer)
    (found,), again = resumed(wanted)

    assert again == through
    assert found.notes[1:] == ("resumed after step 1 of epoch 2",)
    reliability(
        SECTION,
        "a checkpoint that is empty, cut or changed in one bit",
        happens="; ".join(found.notes).replace(newer.name, "seed1.checkpoint-…"),
        kept="all up to the checkpoint before it; the run ends as one that was never killed",
    )


class Hostile:
    def __reduce__(self):
        return pytest.fail, ("code of a checkpoint was run",)


def _saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps(Hostile()), "it is not what torch saves"),
        (_saved({"made": Hostile()}), "it holds other things than numbers and texts, which could run code"),
    ],
)
def test_a_pickle_that_runs_code_is_refused(tmp_path, content, words, reliability):
    """With the checksum that belongs to it in its name, so that nothing else is wrong."""
    kept, _, newer = two_of(tmp_path / "digest")
    newer.write_bytes(content)
    newer.rename(newer.with_name(f"{newer.name.rpartition('-')[0]}-{hashlib.sha256(content).hexdigest()}"))
    found, (said,) = kept.load(made())

    assert found == past_after(5)
    assert said.endswith(f" was damaged and not used: {words}")
    if words.endswith("code"):
        reliability(
            SECTION,
            "a checkpoint that is a pickle which runs code",
            happens=re.sub(r"seed0\S+", "seed0.checkpoint-…", said),
            kept="all up to the checkpoint before it; nothing of the file is run",
        )


MADE = {"data": "sha256:data", "weights": "sha256:weights"}


def made(seeds=(0,), device="cpu", threads=1, together=False, **fingerprints):
    return made_with(seeds, device, threads, MADE | fingerprints, together=together)


@pytest.mark.parametrize(
    "other",
    [
        {"seeds": (0, 1)},
        {"device": "cuda"},
        {"threads": 2},
        {"together": True},
        {"data": "sha256:of one more row"},
        {"weights": "sha256:of one more byte"},
    ],
)
def test_a_checkpoint_of_a_run_that_was_made_otherwise_is_not_used(tmp_path, other):
    kept = Checkpoints(tmp_path / "digest")
    kept.save(Past((0,), state={"epoch": 1, "step": 0}), made(), 3)

    assert kept.load(made())[0] == Past((0,), state={"epoch": 1, "step": 0})
    assert kept.load(made(**other)) == (None, [])


@pytest.mark.parametrize("about", ["torch", "transformers", "cpu", "cpu_model"])
def test_a_checkpoint_of_another_version_or_processor_is_not_used(tmp_path, monkeypatch, about):
    kept, describe = Checkpoints(tmp_path / "digest"), environment.describe
    kept.save(Past((0,), state={"epoch": 1, "step": 0}), made(), 3)
    monkeypatch.setattr(environment, "describe", lambda *given: describe(*given) | {about: "another"})

    assert kept.load(made()) == (None, [])


@pytest.mark.parametrize("what", ["SCORES_VERSION", "FORMAT"])
def test_a_checkpoint_of_another_version_of_the_code_is_not_used(tmp_path, monkeypatch, what):
    kept = Checkpoints(tmp_path / "digest")
    kept.save(Past((0,), state={"epoch": 1, "step": 0}), made(), 3)
    monkeypatch.setattr(checkpoints, what, 99)

    assert kept.load(made()) == (None, [])


def test_a_checkpoint_of_another_digest_is_not_used_whatever_its_name_says(tmp_path):
    theirs, ours = Checkpoints(tmp_path / "theirs"), Checkpoints(tmp_path / "ours")
    for one in (theirs, ours):
        one.save(Past((0,), state={"epoch": 1, "step": 0}), made(), 3)
    (path,), (own,) = theirs.folder.iterdir(), ours.folder.iterdir()
    key, checksum = own.name.split("-")[1], path.name.rpartition("-")[2]
    own.unlink()
    path.rename(ours.folder / f"seed0.checkpoint-{key}-{9:012d}-{checksum}")
    found, (why,) = ours.load(made())

    assert found is None
    assert why.endswith("another run is in it than its name says")


def test_checkpoints_of_runs_made_otherwise_stay_beside_each_other(tmp_path):
    kept = Checkpoints(tmp_path / "digest")
    for steps in (3, 6, 9):
        for threads in (1, 2):
            kept.save(Past((0,), state={"epoch": 1, "step": threads}), made(threads=threads), steps)

    assert len(list(kept.folder.iterdir())) == 4
    assert [kept.load(made(threads=threads))[0].state["step"] for threads in (1, 2)] == [1, 2]


def test_a_disk_full_at_every_checkpoint_costs_no_run_and_is_said_once(whole, resumed, kept, monkeypatch, reliability):
    through = whole(recipe())
    monkeypatch.setattr(checkpoints._Hashed, "write", _full)
    with pytest.warns(UserWarning, match="no checkpoint") as said:
        _, again = resumed(recipe())

    assert again == through
    assert len(said) == 1
    assert list(kept.folder.iterdir()) == []
    reliability(
        SECTION,
        "a disk that is full when a checkpoint is written",
        happens=f"once a run: {said[0].message}",
        kept="the run, which goes on; the checkpoints before",
    )


def _full(self, data):
    self.problem = OSError(errno.ENOSPC, "No space left on device")
    raise self.problem


def test_a_disk_that_fills_up_leaves_the_checkpoints_before(stopped, kept, monkeypatch):
    before = stopped(recipe(), 5)
    write, calls = checkpoints._Hashed.write, []

    def some(self, data):
        calls.append(1)
        return _full(self, data) if len(calls) > 30 else write(self, data)

    monkeypatch.setattr(checkpoints._Hashed, "write", some)
    with pytest.warns(UserWarning, match="no checkpoint could be written .*No space left"):
        run(recipe(), kept)

    assert sorted(kept.folder.iterdir()) == before


def test_seconds_are_the_sum_over_all_beginnings_of_a_run(stopped, resumed, monkeypatch):
    read = checkpoints._read

    def longer(*given):
        past = read(*given)
        wall, cpu = past.spent
        spent = (wall + 500, cpu + 2000)
        return dataclasses.replace(past, seconds=past.seconds + 1000, spent=spent, peak_memory_bytes=10**15)

    stopped(recipe(), 5)
    monkeypatch.setattr(checkpoints, "_read", longer)
    (found,), _ = resumed(recipe())

    assert 1000 < found.seconds < 2000
    assert [int(epoch.seconds // 500) for epoch in found.epochs] == [0, 1, 0]
    assert [int(epoch.cpu_seconds // 2000) for epoch in found.epochs] == [0, 1, 0]
    assert found.peak_memory_bytes == 10**15


def test_a_run_says_how_often_it_went_on_and_where_last(stopped, resumed):
    for step in (2, 2, 3):
        stopped(recipe(), step)
    (found,), _ = resumed(recipe())

    assert found.notes == ("resumed 3 times, last after step 1 of epoch 2",)
    assert found.provenance.resumed == 3


def test_a_run_whose_beginning_another_commit_trained_says_so(stopped, resumed, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(environment, "commit", lambda: "before")
        stopped(recipe(), 4)
    monkeypatch.setattr(environment, "commit", lambda: "after")
    (found,), _ = resumed(recipe())

    assert found.environment["commit"] == "after"
    assert found.notes[-1] == "its beginning, up to epoch 1, was trained by commit before"
