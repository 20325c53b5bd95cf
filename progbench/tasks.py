"""The tasks there are, by name, and which of them an evaluation set belongs to. No torch.

A task knows its own files: `load(recipe)` reads them, `require(recipe)` says early what is not there. Its `head` is
what the model ends in, its `recipe_fields` what only recipes of this kind of task have.
"""

from __future__ import annotations

import functools

from progbench.errors import BadInput
from progbench.glue import GlueTask, glue_tasks
from progbench.squad import SquadTask, squad_tasks

Task = GlueTask | SquadTask


@functools.cache
def tasks() -> dict[str, Task]:
    """Every task by name: the eight of GLUE, and SQuAD v1.1 and v2.0."""
    return {**glue_tasks(), **squad_tasks()}


def task_of(evaluation_set: str) -> Task:
    """The task that an evaluation set belongs to.

    >>> task_of("mnli-mm").name
    'mnli'

    Raises BadInput for a set no task has.
    """
    for task in tasks().values():
        if evaluation_set in task.evaluate:
            return task
    raise BadInput(f"no task here has this evaluation set (the tasks are {', '.join(tasks())})")
