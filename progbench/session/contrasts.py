"""A suite's contrasts: Progtuning less fine-tuning, and each ablation less Progtuning, wherever it has both."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import replace

from progbench.errors import BadInput
from progbench.judging import claims
from progbench.judging.claims import Claim
from progbench.judging.contrast import Contrast, paired
from progbench.judging.expected import Cell
from progbench.judging.verdict import Observed
from progbench.method import flops
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe, split_id
from progbench.session.suite import Suite

PROGTUNING, FINE_TUNING = "shrinking", "constant"
_DIFFERENCE = Claim("", "", "", "difference", ())


def contrasts(
    suite: Suite, cells: Iterable[Cell], observed: Callable[[Cell], Observed] | None = None
) -> list[Contrast]:
    """The contrasts among these cells, by the results on file, or by what else was `observed`; trains nothing.

    Left out are models with random weights: what they score says nothing of the paper. So are the single blocks of
    Figure 1, which are no rivals of each other's.
    """
    rows: dict[tuple[str, str], dict[str, dict[str, Cell]]] = {}
    for cell in cells:
        if cell.kind != "counted" and not cell.problem and not spec(cell.model).random:
            body, schedule, column = split_id(cell.id)
            rows.setdefault((cell.file, body), {}).setdefault(schedule, {})[column] = cell
    found = []
    for (_, body), by_schedule in rows.items():
        for schedule, columns in by_schedule.items():
            against = FINE_TUNING if schedule == PROGTUNING else PROGTUNING
            rivals = {} if schedule in (FINE_TUNING, "") else by_schedule.get(against, {})
            pairs = [(one, rivals[name]) for name, one in columns.items() if name in rivals]
            found += [_contrast(suite, body, *pair, observed or suite.observed) for pair in pairs]
    return found


def recorded(cell: Cell) -> Observed:
    """A cell's scores as our reference of it has them, a seed each."""
    reference = cell.expectation.reference
    return Observed(reference.seeds) if reference else Observed(missing="not recorded")


def _contrast(suite: Suite, body: str, left: Cell, right: Cell, observed: Callable[[Cell], Observed]) -> Contrast:
    found = Contrast(left.table, body, left.schedule, right.schedule, left.column, left.kind == "derived")
    printed = [one.expectation.printed for one in (left, right)]
    found = replace(
        found,
        # what two printed numbers differ by has no more digits than they have
        printed=round(float(printed[0]) - float(printed[1]), 6)
        if all(printed) and left.metric == right.metric
        else None,
        margin=max(one.expectation.margin for one in (left, right)),
    )
    try:
        sides = [observed(replace(one, metric=left.metric)) for one in (left, right)]
        ours = claims.our_quantity(_DIFFERENCE, left.column, [sides[0]], [sides[1]])
        pairs = list(zip(suite.recipes(left), suite.recipes(right), strict=True))
    except BadInput as problem:  # which the cells' verdicts say, too
        return replace(found, missing=str(problem))
    return replace(
        found,
        seeds=ours.seeds,
        missing=ours.error or ours.missing,
        updated=statistics.geometric_mean(one.planned() / other.planned() for one, other in pairs),
        flops=statistics.geometric_mean(_flops(one) / _flops(other) for one, other in pairs),
        **paired(ours.seeds, ours.least_sd),
    )


def _flops(recipe: Recipe) -> float:
    return flops.share_of_constant(recipe.build_schedule(), recipe.tuning)
