"""The tasks by name, where a task's data comes from, and which task an evaluation set belongs to. No torch."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from progbench import hub, places
from progbench.errors import BadInput, Missing
from progbench.tasks import entries, glue, squad, toy
from progbench.tasks.glue import SCALE, Data, GlueTask, glue_tasks
from progbench.tasks.source import GENERATED, Source
from progbench.tasks.squad import SquadData, SquadTask, squad_tasks

Task = GlueTask | SquadTask

_GENERATED = {"GLUE_DIR": partial(toy.folder, toy.write), "SQUAD_DIR": partial(toy.folder, toy.write_squad)}


@places.once
def tasks() -> dict[str, Task]:
    """Every task by name: the eight of GLUE, SQuAD v1.1 and v2.0, and those of included folders.

    Raises BadInput for a name, or an evaluation set, that two tasks have.
    """
    known: dict[str, Task] = {**glue_tasks(), **squad_tasks()}
    for path in places.files("tasks.toml"):
        for name, task in _own_tasks(path).items():
            taken = {evaluation_set for other in known.values() for evaluation_set in other.evaluate}
            if twice := [word for word in (name, *task.evaluate) if word in (known if word == name else taken)]:
                raise BadInput(f"{path}: [{name}]: there is a task, or an evaluation set, called {twice[0]!r} already")
            known[name] = task
    return known


# What the project's own entries must say, and one of a person's own need not.
_NEED_NOT = {"hub": "", "hub_text": (), "columns": (), "rows": {}, "broken_answers": 0.0, "folder": ""}


def _own_tasks(path: Path) -> dict[str, Task]:
    """The tasks of a file by name; an entry that says whether questions may be `unanswerable` is like SQuAD's.

    Raises BadInput naming the file, the entry, the field and what is allowed.
    """
    own: dict[str, Task] = {}
    for answering, module, made in ((False, glue, GlueTask), (True, squad, SquadTask)):
        optional = module.OPTIONAL | {name: kind for name, kind in module.WANTED.items() if name in _NEED_NOT}
        wanted = {name: kind for name, kind in module.WANTED.items() if name not in _NEED_NOT}
        read = entries.read(path, wanted, optional, lambda entry, a=answering: ("unanswerable" in entry) is a)
        for name, entry in read.items():
            left = {name: value for name, value in _NEED_NOT.items() if name in module.WANTED}
            own[name] = made(name=name, **entries.frozen(left | entry | {"home": str(path.parent)}))
    return own


def task_of(evaluation_set: str) -> Task:
    """The task that an evaluation set belongs to: of "mnli-mm", MNLI. Raises BadInput for a set no task has."""
    if evaluation_set not in _by_set():
        raise BadInput(f"no task here has this evaluation set (the tasks are {', '.join(tasks())})")
    return _by_set()[evaluation_set]


@places.once
def _by_set() -> dict[str, Task]:
    return {name: task for task in tasks().values() for name in task.evaluate}


def load(task: Task, source: Source) -> Data | SquadData:
    """A task's data: generated, from the folder that its variable (GLUE_DIR, SQUAD_DIR) names, or from the hub.

    >>> len(load(tasks()["rte"], Source("toy")).train)
    400

    Raises Missing when files or hub are not to be had, BadInput (saying where) when a file is malformed.
    """
    root = _folder(task, source)
    data = task.fetch(source) if root is None else task.read(root, source)
    # our own references are of generated data, which one entry alone ever read
    return data if source.dataset == GENERATED else replace(data, fingerprint=_read_by(task, data.fingerprint))


def fingerprint_here(task: Task, source: Source) -> str:
    """The fingerprint that `load` would give to files in a folder, mostly without reading a row; else ""."""
    root = None if source.dataset == GENERATED else _folder(task, source)
    return "" if root is None else _read_by(task, task.fingerprint(root, source))


def published_fingerprint(task: Task) -> str:
    """The fingerprint of the files that a task's authors published; "" where the project has never seen them whole."""
    return _read_by(task, f"sha256:{task.published}") if task.published else ""


def _read_by(task: Task, fingerprint: str) -> str:
    """A fingerprint of data that another entry of glue.toml or squad.toml, with other columns or labels, has not."""
    entry = {name: value for name, value in asdict(task).items() if name not in _SAID}
    entry = {name: value for name, value in entry.items() if name != "scale" or value != SCALE}
    kind, _, rest = fingerprint.partition(":")
    print_of = hashlib.sha256(json.dumps([rest, entry], sort_keys=True).encode()).hexdigest()
    return f"{fingerprint} {print_of[:8]}" if kind == "hub" else f"{kind}:{print_of}"


_SAID = {"rows", "metrics", "published", "home"}  # of an entry's fields, those that move no score


def require(task: Task, source: Source) -> None:
    """Raise Missing, in seconds and without reading or fetching a file, when `load` is bound to."""
    if source.dataset != GENERATED or task.home:
        task.require(_folder(task, source), source)


def on_hub(task: Task, source: Source) -> hub.Files | None:
    """The hub's files that `load` would read; None where the data is generated or in a folder. Raises Missing."""
    return task.on_hub(source) if _folder(task, source) is None else None


def _folder(task: Task, source: Source) -> Path | None:
    """The folder to read from; None for the hub. A task of a person's own lies beside its entry, or in GLUE_DIR."""
    if task.home and (Path(task.home) / getattr(task, "folder", "") / task.train).exists():
        return Path(task.home)
    if task.home and not os.environ.get(task.variable):
        raise Missing(f"no data of {task.name}: its files are neither in {task.home}, nor is {task.variable} set")
    if source.dataset == GENERATED and not task.home:
        return _GENERATED[task.variable]()
    if root := os.environ.get(task.variable):
        return Path(root)
    if source.dataset == task.variable:
        raise Missing(f"no data: set {task.variable} to a folder with {task.files}")
    return None
