"""Tasks of a person's own, from the tasks.toml of an included folder: tables like GLUE's, or questions like SQuAD's."""

from __future__ import annotations

from pathlib import Path

from progbench.tasks import entries, glue, squad
from progbench.tasks.glue import GlueTask
from progbench.tasks.squad import SquadTask

# What the project's own entries must say, and one of a person's own need not.
_NEED_NOT = {"hub": "", "hub_text": (), "columns": (), "rows": {}, "broken_answers": 0.0, "folder": ""}


def read(path: Path) -> dict[str, GlueTask | SquadTask]:
    """The tasks of a file by name; an entry that says whether questions may be `unanswerable` is like SQuAD's.

    Raises BadInput naming the file, the entry, the field and what is allowed.
    """
    tasks: dict[str, GlueTask | SquadTask] = {}
    for answering, module in ((False, glue), (True, squad)):
        optional = module.OPTIONAL | {name: kind for name, kind in module.WANTED.items() if name in _NEED_NOT}
        wanted = {name: kind for name, kind in module.WANTED.items() if name not in _NEED_NOT}
        for name, entry in entries.read(
            path, wanted, optional, lambda entry, a=answering: ("unanswerable" in entry) is a
        ).items():
            left = {name: value for name, value in _NEED_NOT.items() if name in module.WANTED}
            tasks[name] = module.made(name, left | entry | {"home": str(path.parent)})
    return tasks
