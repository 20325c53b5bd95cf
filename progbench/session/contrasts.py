"""A suite's contrasts: Progtuning less fine-tuning, and less each ablation."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace

from progbench.errors import BadInput
from progbench.judging import claims, compared
from progbench.judging.compared import Contrast
from progbench.judging.expected import Cell
from progbench.method import flops
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe, split_id
from progbench.session.suite import Suite

PROGTUNING = "shrinking"
_DIFFERENCE = claims.Claim("", "", "", "difference", ())


def contrasts(suite: Suite, cells: Iterable[Cell], differences: Sequence[compared.Compared] = ()) -> list[Contrast]:
    """The contrasts among these cells, by the results on file; nothing is trained.

    `differences` are the verdicts on them. Models with random weights are left out: their scores say nothing of the
    paper. So are Figure 1's single blocks, which are no rivals of each other.
    """
    # MNLI's two columns are one task there, which neither of them is
    verdicts = {(verdict.table, verdict.body, verdict.right, verdict.task): verdict for verdict in differences}
    found = []
    for left, right in _pairs(cells):
        task = compared.AVERAGE if left.kind == "derived" else left.column
        verdict = verdicts.get((left.table, split_id(left.id)[0], right.schedule, task))
        found.append(_contrast(suite, left, right, verdict))
    return found


def _pairs(cells: Iterable[Cell]) -> list[tuple[Cell, Cell]]:
    """Progtuning's cells, each with its rival's of the same model and column."""
    rows: dict[tuple[str, str], dict[str, dict[str, Cell]]] = {}
    for cell in cells:
        if cell.kind != "counted" and not cell.problem and not spec(cell.model).random:
            body, schedule, column = split_id(cell.id)
            rows.setdefault((cell.file, body), {}).setdefault(schedule, {})[column] = cell
    pairs = []
    for by_schedule in rows.values():
        own = by_schedule.pop(PROGTUNING, {})
        pairs += [(own[name], other) for rival in by_schedule.values() for name, other in rival.items() if name in own]
    return pairs


def _contrast(suite: Suite, left: Cell, right: Cell, verdict: compared.Compared | None) -> Contrast:
    body, whole = split_id(left.id)[0], left.kind == "derived"
    contrast = Contrast(left.table, body, left.schedule, right.schedule, left.column, whole)
    texts = [cell.expectation.printed for cell in (left, right)]
    if all(texts) and left.metric == right.metric:  # two printed numbers differ by no more digits than they have
        contrast = replace(contrast, printed=round(float(texts[0]) - float(texts[1]), 6))
    contrast = replace(contrast, margin=max(cell.expectation.margin for cell in (left, right)))
    try:
        # by one metric: an ablation's may be another
        sides = [suite.observed(replace(cell, metric=right.metric)) for cell in (left, right)]
        measured = claims.our_quantity(_DIFFERENCE, left.column, [sides[0]], [sides[1]])
        recipes = list(zip(suite.recipes(left), suite.recipes(right), strict=True))
    except BadInput as problem:  # which the cells' verdicts say, too
        return replace(contrast, missing=str(problem))
    return replace(
        contrast.on_runs(measured.seeds, verdict),
        missing=measured.error or measured.missing,
        updated=statistics.geometric_mean(ours.planned() / theirs.planned() for ours, theirs in recipes),
        flops=statistics.geometric_mean(_flops(ours) / _flops(theirs) for ours, theirs in recipes),
        tuning=left.tuning,
    )


def _flops(recipe: Recipe) -> float:
    return flops.share_of_constant(recipe.build_schedule(), recipe.tuning)
