"""What there is to judge a scored cell by: its recipes' results, seed by seed, in points."""

import filecmp
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from progbench.errors import BadInput
from progbench.judging import caveats, expected, resolution, verdict
from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult, path_of
from progbench.session.filing import Runs


def columns_of(cell: expected.Cell) -> list[tuple[str, str]]:
    """The evaluation sets of a scored cell, mostly one, each with its metric; the cell is their mean."""
    return list(cell.mean_of.items()) or [(cell.evaluation_set, cell.metric)]


def scores(cell: expected.Cell, behind: Sequence[Runs]) -> verdict.Observed:
    """A cell's points by seed, and what is missing or wrong; `behind` has the runs of each of its evaluation sets.

    A mean over several sets has a value for each seed that all of them have.
    """
    columns: list[dict[int, float]] = []
    least: list[float] = []
    errors: dict[int, str] = {}
    reasons: dict[str, list[str]] = {}
    for (evaluation_set, metric), runs in zip(columns_of(cell), behind, strict=True):
        where = f"{evaluation_set}: " if cell.mean_of else ""
        points = {}
        for seed, run in runs.results.items():
            try:
                points[seed] = run.score(evaluation_set, metric)
            except BadInput as problem:
                errors[seed] = f"{where}{problem}"
        columns.append(points)
        least.append(resolution.least_sd(metric, resolution.examples_of(evaluation_set, runs.results.values())))
        if not points:
            reasons.setdefault(runs.missing, []).append(evaluation_set)
    shared = sorted(set.intersection(*(set(column) for column in columns)))
    values = {seed: statistics.fmean(column[seed] for column in columns) for seed in shared}
    if cell.mean_of and not shared and not reasons:
        reasons["no seed has all of them"] = list(cell.mean_of)
    changed = {  # each once
        f"seed{'s' * (len(runs.changed) > 1)} {', '.join(map(str, sorted(runs.changed)))}: {why}": None
        for runs in behind
        for why in runs.changed.values()
    }
    missing = [f"{', '.join(names)}: {why}" if cell.mean_of else why for why, names in reasons.items()]
    return verdict.Observed(
        values,
        errors=errors,
        missing="; ".join(missing),
        changed="; ".join(changed),
        least_sd=resolution.least_sd_of_mean(least),
    )


def unpublished(cell: expected.Cell, made: Mapping[Recipe, Sequence[RunResult]]) -> str:
    """Why a cell's runs were not made on the published data, else ""."""
    printed = bool(cell.expectation.printed)
    return "; ".join(
        f"{wanted.task}: {why}" if cell.mean_of else why
        for wanted, runs in made.items()
        for why in caveats.other_data(wanted, runs, printed=printed)
    )


def themselves(folder: Path, copies: Path, made: Mapping[Recipe, Iterable[RunResult]]) -> str:
    """Why the runs in `folder` have no reference if one of them is the same file, byte by byte, as in `copies`."""
    for wanted, runs in made.items():
        for run in runs:
            ours, theirs = (path_of(place, wanted, run.seed) for place in (folder, copies))
            if theirs.is_file() and filecmp.cmp(ours, theirs, shallow=False):  # a comparison with itself says nothing
                return expected.THEMSELVES
    return ""
