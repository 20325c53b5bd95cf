"""Whether what a run failed on has been repaired since: it would fail on the same data and weights again."""

from __future__ import annotations

import functools

from progbench.errors import BadInput, Missing
from progbench.models import folder, loading
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult
from progbench.tasks import catalog


def inputs_changed(result: RunResult) -> bool:
    """Whether the data or the weights here are others than those that a run failed on.

    >>> from progbench.recipes.reading import read
    >>> recipe = read("smoke", "glue", model="tiny-bert", schedule="constant", task="rte")
    >>> inputs_changed(RunResult(recipe, 0, error="the loss is nan", fingerprints={"data": "of another file"}))
    True

    False where they cannot be read, and for a result that does not say what it was made of.
    """
    now = _inputs(result.recipe)
    then = {what: value.rpartition(":")[2] for what, value in result.fingerprints.items()}
    return any(then[what] != now[what] for what in now if what in then)


@functools.cache  # of a session: a training set of hundreds of thousands of rows takes seconds
def _inputs(wanted: Recipe) -> dict[str, str]:
    """Fingerprints of the files that a recipe would read now, without what comes before a colon."""
    try:
        weights = loading.fetch(spec(wanted.model))
        data = catalog.load(catalog.tasks()[wanted.task], wanted.data_source).fingerprint
        found = {"weights": "random" if weights is None else folder.fingerprint(weights), "data": data}
    except (Missing, BadInput, OSError):
        return {}
    return {what: value.rpartition(":")[2] for what, value in found.items()}
