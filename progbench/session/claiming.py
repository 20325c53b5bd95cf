"""A sentence of the paper with what answers it: printed numbers, counts, and paired runs."""

from dataclasses import replace

from progbench.errors import BadInput
from progbench.judging import claims, compared, expected
from progbench.judging.counts import agrees_with_print
from progbench.session.comparing import alone, body_of
from progbench.session.pairing import Source, paired


def judged(suite: Source, claim: claims.Claim) -> claims.ClaimVerdict:
    """The verdict on a sentence, by the runs on file. Raises BadInput for a cell that cannot be read."""
    if claim.problem:
        return claims.judge(claim, [])
    for name in (name for comparison in claim.comparisons for name in (*comparison.left, *comparison.right)):
        if problem := suite.cell(name).problem:
            raise BadInput(problem)
    if claim.quantity == "fits":
        cells = [suite.cell(name) for comparison in claim.comparisons for name in comparison.left]
        printed = [cell.expectation.printed for cell in cells]
        if other := [cell.id for cell in cells if cell.kind != "counted" or not cell.expectation.printed]:
            raise BadInput(f"{other[0]} is not a printed count, and quantity = 'fits' needs one")
        counts = ([suite.observed(cell, name).count for cell in cells] for name in (claim.variant, ""))
        agree, elsewhere = (list(map(agrees_with_print, of_variant, printed)) for of_variant in counts)
        return claims.judge_fit(claim, printed, agree, elsewhere)
    return claims.judge(claim, [_measured(suite, claim, comparison) for comparison in claim.comparisons])


def _measured(suite: Source, claim: claims.Claim, comparison: claims.Comparison) -> claims.Measured:
    left, right = ([suite.cell(name) for name in side] for side in (comparison.left, comparison.right))
    printed = [[cell.expectation.printed for cell in side] for side in (left, right)]
    metric = claim.metric.get(comparison.column, "")
    asked = ([replace(cell, metric=metric) if metric else cell for cell in side] for side in (left, right))
    ours = [[suite.observed(cell) for cell in side] for side in asked]
    metrics = list(dict.fromkeys(cell.metric for cell in (*left, *right)))
    measured = replace(
        claims.our_quantity(claim, comparison.column, *ours),
        printed=claims.printed_quantity(claim, *printed),
        mixed=" against ".join(metrics) if len(metrics) > 1 else "",
    )
    if claim.quantity != "difference":
        return measured
    terms = suite.terms()
    widest = max((*left, *right), key=lambda cell: cell.expectation.margin).expectation
    measured = replace(measured, level=terms.looks.level, margin=widest.margin, margin_reason=widest.margin_reason)
    if claim.wanted and len(left) == len(right) == 1:
        measured = replace(measured, alone=alone(suite.table(left[0].file), left[0], right[0], terms))
    if measured.error or measured.missing:
        return measured
    tasks = paired(suite, left, right, metric)
    if why := "; ".join(f"{task.task}: {task.missing}" for task in tasks if task.missing):
        broken = any(task.broken for task in tasks)
        return replace(measured, seeds={}, missing=why, error=why if broken else "")
    return replace(measured, tasks=tuple(tasks), compared=_average(suite, left, right))


def _average(suite: Source, left: list[expected.Cell], right: list[expected.Cell]) -> compared.Compared | None:
    """The difference table's verdict on an average, corrected for the table's number of models."""
    if len(left) != 1 or len(right) != 1 or left[0].kind != "derived":
        return None
    wanted = (body_of(left[0]), left[0].schedule, right[0].schedule, compared.AVERAGE)
    lines, _ = suite.compared(left[0].file)
    return next((line for line in lines if (line.body, line.left, line.right, line.task) == wanted), None)
