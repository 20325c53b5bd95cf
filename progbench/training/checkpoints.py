"""Checkpoints: what a run has behind it, in a file beside its result's lock, so that a killed run goes on from there.

A file's name says its run, the number of steps, and the checksum of its content. Two are kept: if a machine loses its
power while it writes the newer one, the older one is taken. The schedules of one recipe and seed are one run until
their stages differ: the epochs that they share are a checkpoint of the second run, which the first one leaves, and
which ends as it would alone, to the last bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

from progbench import environment, files
from progbench.recipes.recipe import SCORES_VERSION
from progbench.runs.cleanup import checkpoint_of
from progbench.runs.results import EpochResult

EVERY = 600.0  # seconds: the longest that a run trains inside an epoch without a checkpoint
FORMAT, FORMAT_STACKED = 4, 5  # of what is in a file, of one seed's run and of seeds side by side
ZIP = b"PK\x03\x04"  # how it begins

# what a run's numbers depend on besides its recipe; of a CPU its kind and threads, too, since its runs repeat exactly
VERSIONS = ("torch", "transformers", "device")
ON = {"cpu": ("cpu", "cpu_model", "threads"), "cuda": ("gpu",)}

Made = Mapping[str, Any]


@dataclass(frozen=True)
class Past:
    """What a run has behind it: its epochs so far, what they took in seconds and bytes, and the state they led to.

    `epochs` are by epoch and then by seed, in the order of `seeds`. `failed` says, by a seed's place, what stopped it.
    `spent` are the seconds of the epoch under way, by the wall and of the CPU. `micro_batches` is into how many each
    batch is divided. `recipe` and `commit` name the run that left it, which had been `resumed` so many times. `notes`
    are for its result. The run that goes on from it empties `state`.
    """

    seeds: tuple[int, ...]
    epochs: tuple[tuple[EpochResult, ...], ...] = ()
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    spent: tuple[float, float] = (0.0, 0.0)
    micro_batches: int = 1
    recipe: str = ""
    commit: str = ""
    resumed: int = 0
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Where in a run it is.

        >>> str(Past((0,), state={"epoch": 2, "step": 0})), str(Past((0,), state={"epoch": 2, "step": 30}))
        ('epoch 2', 'step 30 of epoch 3')
        """
        epoch, step = self.state["epoch"], self.state["step"]
        return f"step {step} of epoch {epoch + 1}" if step else f"epoch {epoch}"


@dataclass(frozen=True)
class Checkpoints:
    """A run's checkpoints, in its results' `folder`, which is named after its recipe's digest.

    The run shares its first `shared` epochs with the runs whose results lie in the folders `others`.
    """

    folder: Path
    shared: int = 0
    others: tuple[Path, ...] = ()

    def load(self, made: Made) -> tuple[Past | None, list[str]]:
        """The newest good checkpoint of a run that was `made` alike, and what was wrong with each newer one.

        A damaged one is removed. One that holds anything but numbers and texts is refused, so no code in it runs.
        """
        problems = []
        for path in sorted(self._of(self.folder, made), reverse=True):
            try:
                return _read(path, _whole(self.folder, made)), problems
            except (OSError, MemoryError) as problem:
                problems.append(f"the checkpoint {path.name} could not be read ({problem})")
            except Exception as problem:  # whatever torch makes of a file that is damaged
                words = problem if isinstance(problem, Damaged) else f"{type(problem).__name__} while it was read"
                problems.append(f"the checkpoint {path.name} was damaged and not used: {words}")
                with contextlib.suppress(OSError):
                    path.unlink()
        return None, problems

    def unlike(self, made: Made) -> bool:
        """Whether this seed has checkpoints, and none that was `made` alike."""
        return any(self.folder.glob(f"{checkpoint_of(made['seeds'][0])}-*")) and not self._of(self.folder, made)

    def save(self, past: Past, made: Made, steps: int) -> None:
        """Write a checkpoint after so many steps in all, and keep the one before. Raises OSError where it cannot."""
        path = _write(self.folder, past, made, steps)
        before = sorted(other for other in self._of(self.folder, made) if _steps(other) < steps)
        for other in {*self._of(self.folder, made)} - {path, *before[-1:]}:
            other.unlink()

    def leave(self, past: Past, made: Made, steps: int) -> None:
        """Leave the shared epochs to the other runs that have no checkpoint yet. Raises OSError."""
        for other in self.others:
            if not any(self._of(other, made)):
                _write(other, past, made, steps)

    @staticmethod
    def _of(folder: Path, made: Made) -> list[Path]:
        name = f"{checkpoint_of(made['seeds'][0])}-{_key(_whole(folder, made))}"
        return list(folder.glob(f"{name}-{'[0-9]' * 12}-*"))


class Damaged(ValueError):
    """A file that is not what was written."""


def made_with(
    seeds: tuple[int, ...], device: str, threads: int, fingerprints: Mapping[str, str], *, together: bool
) -> Made:
    """What a run is made with besides its recipe: only a run that was made with the same can go on from it."""
    about = environment.describe(device, threads)
    names = (*VERSIONS, *ON.get(device, ON["cpu"]))
    where = {name: about.get(name, "") for name in names}
    versions = {"format": FORMAT_STACKED if together else FORMAT, "scores_version": SCORES_VERSION}
    return {**versions, "seeds": list(seeds), "together": together, **where, "fingerprints": dict(fingerprints)}


def _whole(folder: Path, made: Made) -> dict[str, Any]:
    return {**made, "digest": folder.name}


def _key(whole: Made) -> str:
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:8]


def _steps(path: Path) -> int:
    return int(path.name.split("-")[-2])


class _Hashed:
    """A file that takes what it is given into a checksum; `problem` is what it could not write."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.hash = file, hashlib.sha256()
        self.problem: OSError | None = None

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        try:
            return self.file.write(data)
        except OSError as problem:
            self.problem = problem
            raise

    def flush(self) -> None:
        self.file.flush()


def _write(folder: Path, past: Past, made: Made, steps: int) -> Path:
    """Not flushed to the disk, which would take seconds: the checksum shows a checkpoint that the disk never got."""
    import torch

    content = {own.name: getattr(past, own.name) for own in fields(past)}
    content["parts"] = content.pop("micro_batches")  # as FORMAT 4 calls them
    content["epochs"] = [[vars(result) for result in epoch] for epoch in past.epochs]
    whole = _whole(folder, made)
    name = checkpoint_of(made["seeds"][0])
    with files.aside(folder / name) as written:
        with written.open("wb") as file:
            hashed = _Hashed(file)
            try:
                torch.save(content | {"made": whole}, hashed)
            except RuntimeError as problem:  # as torch's writer calls it
                raise hashed.problem or OSError(str(problem)) from None
        path = folder / f"{name}-{_key(whole)}-{steps:012d}-{hashed.hash.hexdigest()}"
        os.replace(written, path)
    return path


def _read(path: Path, whole: Made) -> Past:
    import torch

    if not stat.S_ISREG(path.stat().st_mode):
        raise Damaged("it is no file")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != path.name.rpartition("-")[2]:
            raise Damaged("its checksum does not fit its content")
        file.seek(0)
        if file.read(len(ZIP)) != ZIP:  # torch would take it for an older format, a bare pickle
            raise Damaged("it is not what torch saves")
        file.seek(0)
        try:
            content = torch.load(file, weights_only=True, map_location="cpu")
        except pickle.UnpicklingError:  # its words advise to load it all the same
            raise Damaged("it holds other things than numbers and texts, which could run code") from None
    if content.pop("made") != whole:
        raise Damaged("another run is in it than its name says")
    content["micro_batches"] = content.pop("parts")
    epochs = tuple(tuple(EpochResult(**result) for result in epoch) for epoch in content["epochs"])
    return Past(**content | {"epochs": epochs, "spent": tuple(content["spent"])})
