"""The recorded files as RESULTS.md needs them: our own references, and what the paper prints."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from progbench import files, kinds
from progbench.errors import BadInput
from progbench.judging import guards
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.recipes.recipe import Recipe
from progbench.report.record import OfSuite, Printed, Recorded
from progbench.runs import results
from progbench.session import comparing, reference, reporting, rescoring
from progbench.session.suite import Suite
from progbench.tasks.catalog import tasks

PAPER = "paper"
DECIDED = "decided.toml"
_DECIDED = ("date", "what", "seen")
REPEATED = "repeated.toml"
_REPEATED = ("date", "suite", "recipe", "seed", "commit", "machine", "drawn", "result")


def recorded(answers: Path) -> Recorded:
    """What is recorded below `answers`, the folder expected/. Raises BadInput for a damaged file.

    It has our suites whose references have their results; smoke's have none.
    """
    ours = [name for name in reading.suites() if name != PAPER and (answers / name).is_dir()]
    names = [name for name in ours if not reference.recorded_alone(answers, name)]
    paper = reference.on_copies(answers, PAPER)
    tables = [paper.table(name) for name in paper.tables()]
    table, sentences = paper.table("table5"), paper.claims()
    if table.problem:
        raise BadInput(table.problem)
    if isinstance(sentences, BadInput):
        raise sentences
    cells = [cell for cell in table.cells if cell.expectation.printed]
    cut = {f"{cell.model} (paper)": paper.recipe(cell) for cell in cells}
    of_suites = sorted((_of_suite(answers, name) for name in names), key=lambda suite: -len(suite.runs))
    for suite in of_suites:
        growing = (wanted for wanted in suite.recipes.values() if wanted.schedule == "growing" and not wanted.variant)
        cut |= {f"{wanted.model} ({suite.name})": wanted for wanted in growing}
    return Recorded(
        suites=of_suites,
        alone=[line for one in tables for line in comparing.of_print(one, paper.terms())],
        claims=[paper.claim(claim) for claim in sentences],
        ablation=[
            Printed(cell.schedule, cell.column, cell.evaluation_set, cell.metric, float(cell.expectation.printed))
            for cell in cells
        ],
        cut={name: (spec(wanted.model).blocks, wanted.epochs) for name, wanted in cut.items()},
        disputed=_disputed(answers),
        decided=_listed(answers / DECIDED, "decided", _DECIDED),
        repeated=_listed(answers / REPEATED, "repeated", _REPEATED),
    )


def _of_suite(answers: Path, name: str) -> OfSuite:
    suite = reference.on_copies(answers, name)
    recipes = suite.every_recipe()
    # as they are filed: a session would add to an error what is to be done about it here
    made: dict[str, list[results.RunResult]] = {}
    for wanted, recipe in recipes.items():
        loaded = (results.load(suite.folder, recipe, seed) for seed in results.seeds_on_file(suite.folder, recipe))
        if runs := [run for run in loaded if run]:
            made[wanted] = runs
    report = reporting.report(suite)
    warnings = [line.replace(str(suite.folder), f"{answers.name}/{name}/runs") for line in report.warnings]
    guesses, looks = _guesses(suite, recipes, made), suite.terms().looks
    return OfSuite(name, replace(report, warnings=warnings), recipes, made, guesses, looks)


def _guesses(
    suite: Suite, recipes: Mapping[str, Recipe], runs_of: Mapping[str, Sequence[results.RunResult]]
) -> dict[str, float]:
    """The scores of always answering the most frequent class, from the labels beside the predictions."""
    guesses: dict[str, float] = {}
    for name, runs in runs_of.items():
        task = tasks()[recipes[name].task]
        kept = next((predictions for run in runs if not run.error and (predictions := suite.predictions(run))), {})
        for evaluation_set, lists in kept.items():
            if f"{evaluation_set} {task.metrics[0]}" in guesses or "gold" not in lists or not task.labels:
                continue
            most = Counter(lists["gold"]).most_common(1)[0][0]
            always = {evaluation_set: {"gold": lists["gold"], "epochs": [[most] * len(lists["gold"])]}}
            (scores,) = rescoring.scores_of(task, always)
            guesses |= {f"{evaluation_set} {metric}": 100 * score for metric, score in scores[evaluation_set].items()}
    return {name: score for name, score in guesses.items() if math.isfinite(score)}


def _disputed(answers: Path) -> list[tuple[str, str, str]]:
    """Disputed cells by their argument: the row, its columns, and the reason."""
    cells_of: dict[tuple[str, str], list[str]] = {}
    for (table, cell), argument in guards.disputed(answers, PAPER)["cells"].items():
        cells_of.setdefault((table, argument), []).append(cell)
    return [(table, ", ".join(names), argument) for (table, argument), names in cells_of.items()]


def _listed(path: Path, name: str, fields: Sequence[str]) -> list[tuple[str, ...]]:
    """The entries of a list of tables, each a text for every field."""
    content = kinds.fields(files.read_toml(path), str(path), {name: kinds.TABLES})
    for number, entry in enumerate(content[name], start=1):
        kinds.fields(entry, f"{path}: {name}, entry {number}", dict.fromkeys(fields, kinds.TEXT))
    return [tuple(entry[field] for field in fields) for entry in content[name]]
