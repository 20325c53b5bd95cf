"""A record that tests make up: RTE of mini under four recipes, three seeds each, one failed run, and what follows."""

import dataclasses
import shutil

from adopted import failed, made, recipe

from progbench.runs import results
from progbench.session import recording, reference

COMMIT = "c" * 40
RIGHT = {"constant": (200, 204, 202), "shrinking": (201, 204, 203), "growing": (150, 151, 152)}


def timed(one, seconds, cpu):
    """A result whose epochs took so long by the clock and by the processor."""
    epochs = (dataclasses.replace(epoch, seconds=seconds, cpu_seconds=cpu) for epoch in one.epochs)
    return dataclasses.replace(one, epochs=tuple(epochs))


def record(answers, folder, cpu=None):
    """What is recorded in a copy of expected/ with these runs; `cpu` seconds of an epoch, of 10 by the clock."""
    copied = folder / "expected"
    shutil.copytree(answers, copied, ignore=shutil.ignore_patterns("runs"), dirs_exist_ok=True)
    (copied / "mini" / "reference.json").unlink(missing_ok=True)
    (copied / "base" / "reference.json").unlink(missing_ok=True)
    runs = reference.copies(copied, "mini")
    for schedule, rights in RIGHT.items():
        for seed, right in enumerate(rights):
            wanted = recipe(schedule)
            first = RIGHT["constant"][seed] if schedule == "shrinking" else right
            one = timed(made(COMMIT, wanted, seed, right), 10.0, (cpu or {}).get(schedule, 10.0))
            start = made(COMMIT, wanted, seed, first).epochs[0]  # Progtuning's first epoch is fine-tuning's
            start = dataclasses.replace(one.epochs[0], scores=start.scores, predictions=start.predictions)
            results.save(runs, dataclasses.replace(one, epochs=(start, *one.epochs[1:])))
    results.save(runs, failed(COMMIT, recipe("without_low_blocks"), 0))
    reference.derive(copied, "mini")
    return recording.recorded(copied)
