"""From the recorded files to what RESULTS.md is written from: our own references, and what the paper prints."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from progbench import kinds
from progbench.errors import BadInput
from progbench.files import read_toml
from progbench.judging import guards
from progbench.judging.claims import ClaimVerdict
from progbench.judging.compared import PrintAlone
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.recipes.recipe import Recipe
from progbench.report.record import OfSuite, Printed, Recorded
from progbench.runs import results
from progbench.runs.results import RunResult
from progbench.session import adopting, comparing, reference, reporting, rescoring
from progbench.session.suite import Suite
from progbench.tasks.catalog import tasks

PAPER = "paper"
DECIDED = "decided.toml"
_DECIDED = {"date": kinds.TEXT, "what": kinds.TEXT, "seen": kinds.TEXT}


def recorded(answers: Path) -> Recorded:
    """What is recorded below `answers`, the folder expected/. Raises BadInput for a file that is damaged or no record.

    Suites are those of our own whose references have their results; smoke's have none.
    """
    ours = [name for name in reading.suites() if name != PAPER and (answers / name).is_dir()]
    names = [name for name in ours if not reference.recorded_alone(answers, name)]
    paper = Suite(PAPER, answers, reference.copies(answers, PAPER), seeds=None, train=False)
    table = paper.table("table5")
    if table.problem:
        raise BadInput(table.problem)
    cells = [cell for cell in table.cells if cell.expectation.printed]
    cut = {f"{cell.model} (paper)": paper.recipe(cell) for cell in cells}
    of_suites = sorted((_of_suite(answers, name) for name in names), key=lambda one: -len(one.runs))
    for one in of_suites:
        growing = (wanted for wanted in one.recipes.values() if wanted.schedule == "growing" and not wanted.variant)
        cut |= {f"{wanted.model} ({one.name})": wanted for wanted in growing}
    return Recorded(
        suites=of_suites,
        alone=_alone(paper),
        claims=_claims(paper),
        ablation=[
            Printed(one.schedule, one.column, one.evaluation_set, one.metric, float(one.expectation.printed))
            for one in cells
        ],
        cut={name: (spec(wanted.model).blocks, wanted.epochs) for name, wanted in cut.items()},
        disputed=_disputed(answers),
        decided=_decided(answers / DECIDED),
    )


def _of_suite(answers: Path, name: str) -> OfSuite:
    suite = Suite(name, answers, reference.copies(answers, name), seeds=None, train=False)
    recipes = adopting.known(suite)
    # as they are filed: a session would add to an error what is to be done about it here
    found = {one: _filed(suite.folder, wanted) for one, wanted in recipes.items()}
    made = {one: runs for one, runs in found.items() if runs}
    report = reporting.report(suite)
    warnings = [one.replace(str(suite.folder), f"{answers.name}/{name}/runs") for one in report.warnings]
    return OfSuite(name, replace(report, warnings=warnings), recipes, made, _guesses(suite, recipes, made))


def _filed(folder: Path, wanted: Recipe) -> list[RunResult]:
    found = (results.load(folder, wanted, seed) for seed in results.seeds_on_file(folder, wanted))
    return [run for run in found if run]


def _guesses(suite: Suite, recipes: Mapping[str, Recipe], found: Mapping[str, Sequence[RunResult]]) -> dict[str, float]:
    """What always answering the most frequent class scores, from the labels that predictions are kept with."""
    guesses: dict[str, float] = {}
    for name, runs in found.items():
        task = tasks()[recipes[name].task]
        kept = next((one for run in runs if not run.error and (one := suite.predictions(run))), {})
        for part, lists in kept.items():
            if f"{part} {task.metrics[0]}" in guesses or "gold" not in lists or not task.labels:
                continue
            most = Counter(lists["gold"]).most_common(1)[0][0]
            always = {part: {"gold": lists["gold"], "epochs": [[most] * len(lists["gold"])]}}
            (scores,) = rescoring.scores_of(task, always)
            guesses |= {f"{part} {metric}": 100 * score for metric, score in scores[part].items()}
    return {name: score for name, score in guesses.items() if math.isfinite(score)}


def _alone(paper: Suite) -> list[PrintAlone]:
    tables = [paper.table(name) for name in paper.tables()]
    return [one for table in tables for one in comparing.of_print(table, paper.terms())]


def _claims(paper: Suite) -> list[ClaimVerdict]:
    known = paper.claims()
    if isinstance(known, BadInput):
        raise known
    return [paper.claim(one) for one in known]


def _disputed(answers: Path) -> list[tuple[str, str, str]]:
    """Disputed cells by their argument: the row, its columns, and why they cannot be."""
    found: dict[tuple[str, str], list[str]] = {}
    for (table, cell), argument in guards.disputed(answers, PAPER)["cells"].items():
        found.setdefault((table, argument), []).append(cell)
    return [(table, ", ".join(names), argument) for (table, argument), names in found.items()]


def _decided(path: Path) -> list[tuple[str, str, str]]:
    content = kinds.fields(read_toml(path), str(path), {"decided": kinds.TABLES})
    for number, one in enumerate(content["decided"], start=1):
        kinds.fields(one, f"{path}: decided, entry {number}", _DECIDED)
    return [(one["date"], one["what"], one["seen"]) for one in content["decided"]]
