"""Whether the data or weights that lie here are others than those a result was made with."""

import functools
import re
from collections.abc import Callable

from progbench.errors import BadInput, Missing
from progbench.models import folder, loading
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult
from progbench.tasks import catalog
from progbench.tasks.source import Source

_WHOLE = re.compile(r"sha256:[0-9a-f]{64}")  # of files in a folder; what comes from the hub has a pinned revision


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
        fingerprints = {"weights": "random" if weights is None else folder.fingerprint(weights), "data": data}
    except (Missing, BadInput, OSError):
        return {}
    return {what: value.rpartition(":")[2] for what, value in fingerprints.items()}


def data_here(task: str, source: Source) -> str:
    """The digest of a task's files as they lie here now, or why they cannot be read; "" where there are none."""
    try:
        return catalog.fingerprint_here(catalog.tasks()[task], source)
    except Missing:
        return ""
    except (BadInput, OSError) as problem:
        return f"not readable ({problem})"


def data_changed(result: RunResult, here: Callable[[str, Source], str] = data_here) -> str:
    """What to say of a result that was made on other files than those that lie here, with both digests; else "".

    >>> from progbench.recipes.reading import read
    >>> data_changed(RunResult(read("smoke", "glue", model="tiny-bert", schedule="constant", task="rte"), 0))
    ''

    Generated data cannot change, and files that are not here say nothing about a result that is.
    """
    then = result.fingerprints.get("data", "")
    if result.error or not _WHOLE.fullmatch(then):
        return ""
    now = here(result.recipe.task, result.recipe.data_source)
    return "" if now in ("", then) else f"made on other data: {then}, and here it is {now}"
