"""Whether runs are the very ones that a reference was made from: a comparison with itself says nothing."""

from __future__ import annotations

import filecmp
from collections.abc import Iterable, Mapping
from pathlib import Path

from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult, path_of

THEMSELVES = "no reference: these runs are themselves the recorded reference"


def themselves(folder: Path, copies: Path, made: Mapping[Recipe, Iterable[RunResult]]) -> str:
    """Why the runs in `folder` have no reference if one of them is the same file, byte by byte, as in `copies`."""
    for wanted, runs in made.items():
        for run in runs:
            ours, theirs = (path_of(place, wanted, run.seed) for place in (folder, copies))
            if theirs.is_file() and filecmp.cmp(ours, theirs, shallow=False):
                return THEMSELVES
    return ""
