"""Whether a result's data is still the data that lies here: a finished result says nothing about files that changed."""

from __future__ import annotations

import re

from progbench.errors import BadInput, Missing
from progbench.runs.results import RunResult
from progbench.tasks import catalog
from progbench.tasks.source import Source

_WHOLE = re.compile(r"sha256:[0-9a-f]{64}")  # of files in a folder; what comes from the hub has a pinned revision


class DataHere:
    """What lies in the folders of data now, looked at once a session."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Source], str] = {}

    def changed(self, result: RunResult) -> str:
        """What to say of a result that was made on other files than those that lie here, with both digests; else "".

        >>> from progbench.recipes.reading import read
        >>> DataHere().changed(RunResult(read("smoke", "glue", model="tiny-bert", schedule="constant", task="rte"), 0))
        ''

        Generated data cannot change, and files that are not here say nothing about a result that is.
        """
        then = result.fingerprints.get("data", "")
        if result.error or not _WHOLE.fullmatch(then):
            return ""
        now = self._now(result.recipe.task, result.recipe.data_source)
        return "" if now in ("", then) else f"made on other data: {then}, and here it is {now}"

    def _now(self, task: str, source: Source) -> str:
        if (task, source) not in self._found:
            try:
                self._found[task, source] = catalog.fingerprint_here(catalog.tasks()[task], source)
            except Missing:
                self._found[task, source] = ""
            except (BadInput, OSError) as problem:
                self._found[task, source] = f"not readable ({problem})"
        return self._found[task, source]
