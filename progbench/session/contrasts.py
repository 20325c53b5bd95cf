"""A suite's contrasts: Progtuning less fine-tuning, and less each ablation, wherever it has both."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace

from progbench.errors import BadInput
from progbench.judging import claims
from progbench.judging.claims import Claim
from progbench.judging.compared import AVERAGE, Compared
from progbench.judging.contrast import Contrast
from progbench.judging.expected import Cell
from progbench.method import flops
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe, split_id
from progbench.session.suite import Suite

PROGTUNING = "shrinking"
_DIFFERENCE = Claim("", "", "", "difference", ())


def contrasts(
    suite: Suite,
    cells: Iterable[Cell],
    differences: Sequence[Compared] = (),
) -> list[Contrast]:
    """The contrasts among these cells, by the results on file; trains nothing.

    `differences` are the verdicts on them. Left out are models with random weights: what they score says nothing of the
    paper. So are the single blocks of Figure 1, which are no rivals of each other's.
    """
    # MNLI's two columns are one task there, which neither of them is
    verdicts = {(one.table, one.body, one.right, one.task): one for one in differences}
    return [_contrast(suite, left, right, verdicts.get(_key(left, right))) for left, right in _pairs(cells)]


def _pairs(cells: Iterable[Cell]) -> list[tuple[Cell, Cell]]:
    """Progtuning's cells, each with its rival's of the same model and column."""
    rows: dict[tuple[str, str], dict[str, dict[str, Cell]]] = {}
    for cell in cells:
        if cell.kind != "counted" and not cell.problem and not spec(cell.model).random:
            body, schedule, column = split_id(cell.id)
            rows.setdefault((cell.file, body), {}).setdefault(schedule, {})[column] = cell
    found = []
    for by_schedule in rows.values():
        own = by_schedule.pop(PROGTUNING, {})
        found += [(own[name], one) for rival in by_schedule.values() for name, one in rival.items() if name in own]
    return found


def _key(left: Cell, right: Cell) -> tuple[str, str, str, str]:
    """What the verdict on two cells is found by: table, body, the rival, and the task as its column is labelled."""
    return left.table, split_id(left.id)[0], right.schedule, AVERAGE if left.kind == "derived" else left.column


def _contrast(suite: Suite, left: Cell, right: Cell, verdict: Compared | None) -> Contrast:
    body, whole = split_id(left.id)[0], left.kind == "derived"
    found = Contrast(left.table, body, left.schedule, right.schedule, left.column, whole)
    texts = [one.expectation.printed for one in (left, right)]
    if all(texts) and left.metric == right.metric:  # two printed numbers differ by no more digits than they have
        found = replace(found, printed=round(float(texts[0]) - float(texts[1]), 6))
    found = replace(found, margin=max(one.expectation.margin for one in (left, right)))
    try:
        sides = [
            suite.observed(replace(one, metric=right.metric)) for one in (left, right)
        ]  # an ablation's may be another
        ours = claims.our_quantity(_DIFFERENCE, left.column, [sides[0]], [sides[1]])
        recipes = list(zip(suite.recipes(left), suite.recipes(right), strict=True))
    except BadInput as problem:  # which the cells' verdicts say, too
        return replace(found, missing=str(problem))
    return replace(
        found.on_runs(ours.seeds, verdict),
        missing=ours.error or ours.missing,
        updated=statistics.geometric_mean(one.planned() / other.planned() for one, other in recipes),
        flops=statistics.geometric_mean(_flops(one) / _flops(other) for one, other in recipes),
    )


def _flops(recipe: Recipe) -> float:
    return flops.share_of_constant(recipe.build_schedule(), recipe.tuning)
