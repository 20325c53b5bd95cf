"""The results of cells and of their rivals, paired by seed, and by example if predictions were kept."""

import functools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from progbench.errors import BadInput
from progbench.judging.compared import Paired
from progbench.judging.expected import Cell, Table
from progbench.judging.likeness import not_a_pair
from progbench.judging.resolution import examples_of, least_sd, least_sd_of_mean
from progbench.recipes.recipe import Recipe, run_id
from progbench.runs.results import RunResult
from progbench.session.filing import Runs
from progbench.session.observing import columns_of, unpublished
from progbench.tasks import catalog

Column = tuple[str, str]  # an evaluation set and a metric
OfSeeds = Sequence[Sequence[RunResult]]  # of one side: for each seed the runs whose mean it is
Source = Any  # where tables, recipes, results and predictions come from: a Suite, whose module imports this one


def paired(source: Source, left: Sequence[Cell], right: Sequence[Cell], metric: str = "") -> list[Paired]:
    """The tasks of cells and of their rivals: a score has one, an average each of its own.

    Several cells on a side stand for their mean. `metric` replaces the cells' own. An error, or predictions that do not
    give the scores, break their own task alone.
    """
    tasks: dict[str, list[Column]] = {}
    for evaluation_set, own in columns_of(left[0]):
        tasks.setdefault(catalog.task_of(evaluation_set).name, []).append((evaluation_set, metric or own))
    table = source.table(left[0].file)
    pairs = []
    for task, columns in tasks.items():
        label = _label(table, left[0], columns)
        try:
            pairs.append(_of_task(source, left, right, label, task, columns))
        except BadInput as problem:
            pairs.append(Paired(label, len(columns), missing=str(problem), broken=True))
    return pairs


def printed(table: Table, left: Cell, right: Cell, column: str) -> float | None:
    """The printed difference of two cells, or of one `column` of two means; None if it is not printed."""
    sides = [_column(table, cell, column) for cell in (left, right)]
    texts = [cell.expectation.printed for cell in sides if cell and not cell.problem]
    alike = len({cell.metric for cell in sides if cell}) == 1
    return float(texts[0]) - float(texts[1]) if alike and len(texts) == 2 and all(texts) else None


def _column(table: Table, cell: Cell, name_of_column: str) -> Cell | None:
    """The cell in which one column of a mean is printed; a cell that is no mean itself."""
    if not cell.mean_of:
        return cell
    name = run_id(cell.model, cell.tuning, cell.schedule, name_of_column)
    return next((sibling for sibling in table.cells if sibling.id == name), None)


def _of_task(
    source: Source, left: Sequence[Cell], right: Sequence[Cell], label: str, task: str, columns: Sequence[Column]
) -> Paired:
    """One task of both sides, with the seeds that all of their recipes have and that are pairs."""
    sides = [[source.recipe(cell, task) for cell in side] for side in (left, right)]
    runs_of = {recipe: source.runs(recipe) for side in sides for recipe in side}
    single = len(left) == len(right) == 1
    if why := _missing((*left, *right), runs_of):
        return Paired(label, len(columns), missing=why)
    pairs, notes = [], []
    for seed in sorted(set.intersection(*(set(runs.results) for runs in runs_of.values()))):
        pair = [[runs_of[recipe].results[seed] for recipe in side] for side in sides]
        if why := _unpaired(source, pair[0][0], pair[1][0]) if single else "":
            notes.append(f"{label}, seed {seed}: not a pair: {why}")
        else:
            pairs.append(pair)
    runs = [*zip(*pairs, strict=True)]
    if not runs:
        return Paired(label, len(columns), notes=tuple(notes), missing="no seed has a pair of runs")
    differences = _differences(source, *runs, columns)
    table = source.table(left[0].file)
    gaps = [printed(table, left[0], right[0], evaluation_set) if single else None for evaluation_set, _ in columns]
    first = [of_seed[0] for side in runs for of_seed in side]
    least = [least_sd(metric, examples_of(evaluation_set, first)) for evaluation_set, metric in columns]
    return Paired(
        task=label,
        columns=len(columns),
        seeds=tuple(of_seed[0].seed for of_seed in runs[0]),
        left=_scores(runs[0], columns),
        right=_scores(runs[1], columns),
        differences=differences,
        least_sd=2**0.5 * least_sd_of_mean(least),  # of a difference: either side has its example on the edge
        printed=None if None in gaps else statistics.fmean(gaps),
        notes=tuple(notes),
    )


def _label(table: Table, cell: Cell, columns: Sequence[Column]) -> str:
    """A task's column label; several columns share what stands before their subscripts."""
    labels = [column.column for evaluation_set, _ in columns if (column := _column(table, cell, evaluation_set))]
    return labels[0] if len(labels) == 1 else labels[0].partition("_")[0]


def _missing(cells: Iterable[Cell], runs_of: Mapping[Recipe, Runs]) -> str:
    """Why a task cannot be compared: no results, or unpublished data. Raises BadInput for an error."""
    for recipe, runs in runs_of.items():
        for seed, result in runs.results.items():
            if result.error:
                raise BadInput(f"{recipe.id}: seed {seed}: {result.error}")
        if not runs.results:
            return runs.missing
    made = {recipe: list(runs.results.values()) for recipe, runs in runs_of.items()}
    return next((why for cell in cells if (why := unpublished(cell, made))), "")


def _unpaired(source: Source, ours: RunResult, theirs: RunResult) -> str:
    """Why two runs of a seed are no pair; if their first epochs train other blocks, only data and weights tell."""
    for what in ("data", "weights"):
        prints = [run.fingerprints.get(what) for run in (ours, theirs)]
        if all(prints) and prints[0] != prints[1]:
            return f"made on unlike {what}"
    if ours.recipe.build_schedule()[0] != theirs.recipe.build_schedule()[0]:
        return ""
    kept = [source.predictions(run) for run in (ours, theirs)]
    first = [{evaluation_set: lists["epochs"][0] for evaluation_set, lists in sets.items()} for sets in kept if sets]
    return not_a_pair(ours, theirs, (first[0], first[1]) if len(first) == 2 else None)


def _scores(side: OfSeeds, columns: Sequence[Column]) -> tuple[float, ...]:
    """Points by seed: the mean over a task's evaluation sets and over a side's runs."""
    return tuple(statistics.fmean(run.score(*column) for run in of_seed for column in columns) for of_seed in side)


def _differences(source: Source, left: OfSeeds, right: OfSeeds, columns: Sequence[Column]) -> tuple | None:
    """The differences by seed and example, an array for each evaluation set; None if a run kept no predictions."""
    import numpy as np

    differences = []
    for evaluation_set, metric in columns:
        of = functools.partial(_values, source, evaluation_set=evaluation_set, metric=metric)
        values = [[[of(run) for run in runs] for runs in side] for side in (left, right)]
        every = [array for side in values for runs in side for array in runs]
        if any(array is None for array in every):
            return None
        if len(sizes := sorted({len(array) for array in every})) > 1:
            recipes = " and ".join(dict.fromkeys(side[0][0].recipe.id for side in (left, right)))
            raise BadInput(f"{recipes}: predictions of {evaluation_set} for {' and '.join(map(str, sizes))} examples")
        sides = [np.array([np.mean(runs, axis=0) for runs in side]) for side in values]
        differences.append(sides[0] - sides[1])
    return tuple(differences)


def _values(source: Source, run: RunResult, evaluation_set: str, metric: str) -> Any:
    """Each example's share of the last epoch's metric, in points. Raises BadInput if their mean is not the score."""
    from progbench.judging.pseudo import METRICS, of_kept

    kept = source.predictions(run)
    if not kept or evaluation_set not in kept or metric not in METRICS:
        return None
    values = of_kept(metric, kept[evaluation_set])
    if abs(values.mean() - run.score(evaluation_set, metric)) > 1e-4:
        raise BadInput(
            f"{run.recipe.id}, seed {run.seed}: its predictions give {metric} of {evaluation_set} = "
            f"{values.mean():.4f}, and its result says {run.score(evaluation_set, metric):.4f}"
        )
    return values
