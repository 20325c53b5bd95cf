"""Cells and those they are compared with: their results, paired by seed, and by example where predictions were kept."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from progbench.errors import BadInput
from progbench.judging.compared import Paired
from progbench.judging.expected import Cell, Table
from progbench.judging.pairs import not_a_pair
from progbench.judging.resolution import examples_of, least_sd, least_sd_of_mean
from progbench.recipes.recipe import Recipe, run_id
from progbench.runs.results import RunResult
from progbench.session.making import Runs
from progbench.session.observing import parts_of, unpublished
from progbench.tasks import catalog

if TYPE_CHECKING:
    import numpy as np

Kept = Mapping[str, Mapping[str, Sequence]]  # a run's predictions, by evaluation set
Part = tuple[str, str]  # an evaluation set and a metric
OfSeeds = Sequence[Sequence[RunResult]]  # of one side: for each seed the runs whose mean it is


class Source(Protocol):
    """Where tables, recipes, results and their predictions come from: a suite."""

    def table(self, name: str) -> Table: ...

    def recipe(self, cell: Cell, task: str = "", variant: str = "") -> Recipe: ...

    def runs(self, wanted: Recipe) -> Runs: ...

    def predictions(self, result: RunResult) -> Kept | None: ...


def paired(source: Source, left: Sequence[Cell], right: Sequence[Cell], metric: str = "") -> list[Paired]:
    """The tasks of cells and of those that they are compared with: one for a score, one a task for an average.

    Several cells on a side stand for their mean. `metric` takes the place of the cells' own. A task with an error, or
    with predictions that do not belong to their scores, is broken and takes no other with it.
    """
    tasks: dict[str, list[Part]] = {}
    for part, own in parts_of(left[0]):
        tasks.setdefault(catalog.task_of(part).name, []).append((part, metric or own))
    table = source.table(left[0].file)
    found = []
    for task, parts in tasks.items():
        label = _label(table, left[0], parts)
        try:
            found.append(_of_task(source, left, right, label, task, parts))
        except BadInput as problem:
            found.append(Paired(label, len(parts), missing=str(problem), broken=True))
    return found


def printed(table: Table, left: Cell, right: Cell, part: str) -> float | None:
    """The printed difference of two cells, or of their column `part` where they are means; None where there is none."""
    sides = [_column(table, cell, part) for cell in (left, right)]
    texts = [cell.expectation.printed for cell in sides if cell and not cell.problem]
    alike = len({cell.metric for cell in sides if cell}) == 1
    return float(texts[0]) - float(texts[1]) if alike and len(texts) == 2 and all(texts) else None


def _column(table: Table, cell: Cell, part: str) -> Cell | None:
    """The cell that a mean's `part` is printed in; a cell that is no mean itself."""
    if not cell.mean_of:
        return cell
    name = run_id(cell.model, cell.tuning, cell.schedule, part)
    return next((one for one in table.cells if one.id == name), None)


def _of_task(
    source: Source, left: Sequence[Cell], right: Sequence[Cell], label: str, task: str, parts: Sequence[Part]
) -> Paired:
    """One task of both sides, with the seeds that all of their recipes have and that are pairs."""
    table = source.table(left[0].file)
    sides = [[source.recipe(cell, task) for cell in side] for side in (left, right)]
    found = {recipe: source.runs(recipe) for side in sides for recipe in side}
    single = len(left) == len(right) == 1
    if why := _missing((*left, *right), found):
        return Paired(label, len(parts), missing=why)
    runs: tuple[list[list[RunResult]], ...] = ([], [])
    notes = []
    for seed in sorted(set.intersection(*(set(one.results) for one in found.values()))):
        pair = [[found[recipe].results[seed] for recipe in side] for side in sides]
        if why := _unpaired(source, pair[0][0], pair[1][0]) if single else "":
            notes.append(f"{label}, seed {seed}: not a pair: {why}")
            continue
        for side, of_seed in zip(runs, pair, strict=True):
            side.append(of_seed)
    if not runs[0]:
        return Paired(label, len(parts), notes=tuple(notes), missing="no seed has a pair of runs")
    differences = _differences(source, *runs, parts)
    gaps = [printed(table, left[0], right[0], part) if single else None for part, _ in parts]
    least = [least_sd(metric, examples_of(part, (one[0] for side in runs for one in side))) for part, metric in parts]
    return Paired(
        task=label,
        columns=len(parts),
        seeds=tuple(one[0].seed for one in runs[0]),
        left=_scores(runs[0], parts),
        right=_scores(runs[1], parts),
        differences=differences,
        least_sd=2**0.5 * least_sd_of_mean(least),  # of a difference: either side has its example on the edge
        printed=None if None in gaps else statistics.fmean(gaps),
        notes=tuple(notes),
    )


def _label(table: Table, cell: Cell, parts: Sequence[Part]) -> str:
    """A task as its column is labelled; of several columns what stands before their subscripts."""
    labels = [one.column for part, _ in parts if (one := _column(table, cell, part))]
    return labels[0] if len(labels) == 1 else labels[0].partition("_")[0]


def _missing(cells: Iterable[Cell], found: Mapping[Recipe, Runs]) -> str:
    """Why a task cannot be compared: no results, or other data than was published. Raises BadInput for an error."""
    for recipe, runs in found.items():
        for seed, result in runs.results.items():
            if result.error:
                raise BadInput(f"{recipe.id}: seed {seed}: {result.error}")
        if not runs.results:
            return runs.missing
    made = {recipe: list(runs.results.values()) for recipe, runs in found.items()}
    return next((why for cell in cells if (why := unpublished(cell, made))), "")


def _unpaired(source: Source, ours: RunResult, theirs: RunResult) -> str:
    """Why two runs of a seed are no pair; where their first epochs train other blocks, only data and weights tell."""
    for what in ("data", "weights"):
        prints = [run.fingerprints.get(what) for run in (ours, theirs)]
        if all(prints) and prints[0] != prints[1]:
            return f"made on unlike {what}"
    if ours.recipe.build_schedule()[0] != theirs.recipe.build_schedule()[0]:
        return ""
    kept = [source.predictions(run) for run in (ours, theirs)]
    first = [{part: one["epochs"][0] for part, one in sets.items()} for sets in kept if sets]
    return not_a_pair(ours, theirs, (first[0], first[1]) if len(first) == 2 else None)


def _scores(side: OfSeeds, parts: Sequence[Part]) -> tuple[float, ...]:
    """Points by seed: the mean over a task's evaluation sets, and over the runs of a side."""
    return tuple(statistics.fmean(run.score(*part) for run in of_seed for part in parts) for of_seed in side)


def _differences(source: Source, left: OfSeeds, right: OfSeeds, parts: Sequence[Part]) -> tuple[np.ndarray, ...] | None:
    """The differences by seed and example, an array for each evaluation set; None unless all runs kept predictions."""
    import numpy as np

    found = []
    for part, metric in parts:
        values = [[[_values(source, run, part, metric) for run in runs] for runs in side] for side in (left, right)]
        every = [one for side in values for runs in side for one in runs]
        if any(one is None for one in every):
            return None
        if len(sizes := sorted({len(one) for one in every})) > 1:
            recipes = " and ".join(dict.fromkeys(side[0][0].recipe.id for side in (left, right)))
            raise BadInput(f"{recipes}: predictions of {part} for {' and '.join(map(str, sizes))} examples")
        sides = [np.array([np.mean(runs, axis=0) for runs in side]) for side in values]
        found.append(sides[0] - sides[1])
    return tuple(found)


def _values(source: Source, run: RunResult, part: str, metric: str) -> np.ndarray | None:
    """What each example of a run's last epoch gives the metric, in points. Raises BadInput if that is not its score."""
    from progbench.judging.pseudo import METRICS, of_kept

    kept = source.predictions(run)
    if not kept or part not in kept or metric not in METRICS:
        return None
    values = of_kept(metric, kept[part])
    if abs(values.mean() - run.score(part, metric)) > 1e-4:
        raise BadInput(
            f"{run.recipe.id}, seed {run.seed}: its predictions give {metric} of {part} = {values.mean():.4f}, and its "
            f"result says {run.score(part, metric):.4f}"
        )
    return values
