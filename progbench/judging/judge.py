"""The verdicts on a table's cells. Pure: no files, no torch, nothing of the trainer.

A table is judged at once: its rows share a spread, and its cells a rate of false alarms. Against the paper the question
is equivalence: is the difference surely within the margin, surely beyond it, or undecided? Against our own seeds it is
sameness, bit for bit, if both were made alike, else prediction: would another run like the reference come out here?
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from progbench.judging.counts import judge_count
from progbench.judging.expected import Cell
from progbench.judging.resolution import beyond
from progbench.judging.verdict import AGREES, Observed, Verdict

if TYPE_CHECKING:  # loading it takes seconds, which only judging scores is worth
    from progbench.judging.decision import Decided, Differences

BASELINE = "constant"  # no score of Progtuning deviates from the paper unless fine-tuning's beside it is sound


def judge_table(cells: Sequence[Cell], observed: Mapping[str, Observed]) -> dict[str, Verdict]:
    """Judge a table's cells together, each by what was observed of it; gives the verdicts by the cell's id.

    >>> from progbench.judging.expected import Expectation
    >>> cell = Cell("m-constant-rte", "paper", "table1", "Table 1", "M FT", "RTE", "scored", "points", "glue", "m",
    ...     "full", "constant", "Table 1", expectation=Expectation("66.5", margin=2.9))
    >>> seeds = dict(enumerate([66.3, 66.4, 66.5, 66.6, 66.7]))
    >>> judge_table([cell], {cell.id: Observed(seeds)})["m-constant-rte"].sentence
    '66.50 ± 0.16 (n=5) against the printed 66.5: +0.00 (-0.21 to +0.21), within the margin of 2.9'

    Every cell counts that the table judges by scores, also without one: a verdict depends on the results that exist,
    not on the order or the number of the tests that run.
    """
    verdicts = {cell.id: _settle(cell, observed.get(cell.id, Observed())) for cell in cells}
    for kind in ("scored", "derived"):  # averages follow from the scored cells, and are a family of their own
        family = sum(cell.kind == kind for cell in cells)
        waiting = [cell for cell in cells if verdicts[cell.id] is None and cell.kind == kind]
        for judge_scores, printed in ((_judge_against_paper, True), (_judge_against_reference, False)):
            if those := [cell for cell in waiting if bool(cell.expectation.printed) is printed]:
                verdicts |= judge_scores(those, [observed[cell.id] for cell in those], family)
    return {cell.id: _dispute(cell, verdicts[cell.id]) for cell in cells}


def judge(cell: Cell, observed: Observed) -> Verdict:
    """Judge one cell as if its table had no other."""
    return judge_table([cell], {cell.id: observed})[cell.id]


def _settle(cell: Cell, observed: Observed) -> Verdict | None:
    """The verdict on a cell that needs no statistics, or None."""
    if cell.problem:
        return Verdict.on(cell, "error", cell.problem, observed)
    not_finite = {seed: f"the score is {value}" for seed, value in observed.values.items() if not math.isfinite(value)}
    if errors := {**observed.errors, **not_finite}:
        seed, message = min(errors.items())
        others = f" (seeds with an error: {', '.join(map(str, sorted(errors)))})" if len(errors) > 1 else ""
        sound = {seed: value for seed, value in observed.values.items() if seed not in errors}
        return Verdict.on(cell, "error", f"seed {seed}: {message}{others}", replace(observed, values=sound))
    if cell.kind == "counted":
        return judge_count(cell, observed)
    if not observed.values:
        return Verdict.on(cell, "missing", observed.missing or "not run", observed)
    if observed.changed:
        sentence = f"{_ours(observed)}: not judged: {observed.changed}"
        return Verdict.on(cell, "inconclusive", sentence, observed)
    if cell.expectation.printed:
        return _on_other_data(cell, observed) if observed.other_data else None
    if why := cell.expectation.not_printed:
        return Verdict.on(cell, "not printed", why, observed)
    if cell.expectation.reference is None:
        return Verdict.on(cell, "unjudged", cell.expectation.no_reference, observed)
    alike = set(observed.values) & set(observed.same)
    exactly = alike == set(observed.values) or not all(observed.same[seed] for seed in alike)
    return _judge_exactly(cell, observed) if exactly else None


def _on_other_data(cell: Cell, observed: Observed) -> Verdict:
    printed = cell.expectation.printed
    difference = statistics.fmean(observed.values.values()) - float(printed)
    sentence = f"{_ours(observed)} against the printed {printed}: {difference:+z.2f}; not judged: {observed.other_data}"
    return Verdict.on(cell, "inconclusive", sentence, observed, tier="paper")


def _dispute(cell: Cell, verdict: Verdict) -> Verdict:
    """A disputed cell's verdict. A count that agrees after all is an error; a score may agree by luck."""
    if not cell.disputed or not verdict.judged:
        return verdict
    if verdict.outcome == "reproduced" and cell.kind != "scored":
        sentence = f"disputed, and yet {verdict.sentence}: correct disputed.toml or the count. It says: {cell.disputed}"
        return replace(verdict, outcome="error", sentence=sentence)
    return replace(verdict, outcome="disputed", direction=None, sentence=f"{verdict.sentence}; {cell.disputed}")


def _judge_exactly(cell: Cell, observed: Observed) -> Verdict:
    """The verdict on seeds that were made as the reference's were; no other excuses one that did not repeat."""
    observed = replace(observed, values={k: v for k, v in observed.values.items() if k in observed.same})
    reference = {seed: cell.expectation.reference.seeds[seed] for seed in observed.values}
    expected = statistics.fmean(reference.values())
    moved = [seed for seed in reference if not observed.same[seed]]
    if not moved:
        seeds = f"seed{'s' if len(reference) > 1 else ''} {', '.join(map(str, reference))}"
        sentence = f"{_ours(observed)}, bit for bit the scores of our reference's {seeds}"
        verdict = Verdict.on(cell, "consistent", sentence, observed, expected=expected, tier="reference, exact")
        return replace(verdict, tolerance=0.0)
    ours, theirs = observed.values[moved[0]], reference[moved[0]]
    within = " (as points; the recorded scores differ)" if ours == theirs else ""
    sentence = (
        f"seed {moved[0]}: {ours!r} against our reference's {theirs!r}{within}, "
        "though recipe, machine, threads and versions are the same: something that moves scores has changed without a "
        "new SCORES_VERSION, or this machine does not repeat itself"
    )
    direction = "high" if ours > theirs else "low" if ours < theirs else None
    verdict = Verdict.on(cell, "deviates", sentence, observed, expected=expected, tier="reference, exact")
    return replace(verdict, tolerance=0.0, direction=direction)


def _judge_against_paper(cells: Sequence[Cell], observed: Sequence[Observed], family: int) -> dict[str, Verdict]:
    import numpy as np

    from progbench.judging import decision

    values = np.full((len(cells), max(len(ours.values) for ours in observed)), np.nan)
    for row, ours in zip(values, observed, strict=True):
        row[: len(ours.values)] = list(ours.values.values())
    groups = [(cell.model, cell.tuning, cell.evaluation_set, cell.metric, *cell.mean_of.items()) for cell in cells]
    differences = decision.against_paper(
        values,
        [float(cell.expectation.printed) for cell in cells],
        [cell.expectation.margin for cell in cells],
        [groups.index(group) for group in groups],
        least=[ours.least_sd for ours in observed],
    )
    absent = np.ones(family - len(cells))
    decided = decision.decide(differences, absent)
    family_chance = np.append(decided.chance, absent)
    verdicts = {}
    for i, (cell, ours) in enumerate(zip(cells, observed, strict=True)):
        margin = f"{cell.expectation.margin:g}"
        sentence = f"{_ours(ours)} against the printed {cell.expectation.printed}: {differences.difference[i]:+z.2f}"
        if differences.df[i]:
            sentence += f" ({decided.low[i]:+z.2f} to {decided.high[i]:+z.2f})"
        if not differences.enough[i]:
            outcome = "inconclusive"
            more = decision.seeds_to_decide(differences, family_chance, i, 1) if differences.df[i] else 0
            sentence += "; one seed decides nothing, the paper's number is a mean of "
            sentence += f"{decision.PAPER_SEEDS}; {_more(more)}"
        elif decided.within[i]:
            outcome = "reproduced"
            sentence += f", within the margin of {margin}"
        elif decided.beyond[i]:
            outcome = "deviates"
            sentence += f", beyond the margin of {margin} and beyond chance ({_chance(decided.p[i], family)})"
        else:
            outcome = "inconclusive"
            more = decision.seeds_to_decide(differences, family_chance, i, len(ours.values))
            sentence += f", margin {margin}; {_more(more)}"
        verdicts[cell.id] = Verdict.on(cell, outcome, sentence, ours, tier="paper", **_numbers(differences, decided, i))
    return verdicts


def _judge_against_reference(cells: Sequence[Cell], observed: Sequence[Observed], family: int) -> dict[str, Verdict]:
    import numpy as np

    from progbench.judging import decision

    references = [cell.expectation.reference for cell in cells]
    differences = decision.against_reference(
        means=[statistics.fmean(ours.values.values()) for ours in observed],
        n=[len(ours.values) for ours in observed],
        expected=[statistics.fmean(reference.seeds.values()) for reference in references],
        seeds=[len(reference.seeds) for reference in references],
        sd=[reference.sd for reference in references],
        df=[reference.df for reference in references],
        floor=[cell.expectation.margin for cell in cells],
        least=[ours.least_sd for ours in observed],
    )
    decided = decision.decide(differences, np.ones(family - len(cells)))
    verdicts = {}
    for i, (cell, ours) in enumerate(zip(cells, observed, strict=True)):
        expected, n = statistics.fmean(references[i].seeds.values()), len(references[i].seeds)
        floor = f"the floor of {cell.expectation.margin:g}"
        if beyond(differences.difference[i], cell.expectation.margin):
            how = f"beyond {floor} {'and beyond' if decided.beyond[i] else 'but within'} chance"
        else:
            how = f"within {floor}"
        sentence = f"{_ours(ours)} against our reference {expected:.2f} (n={n}): {differences.difference[i]:+z.2f}, "
        sentence += f"{how} ({_chance(decided.p[i], family)})"
        outcome, numbers = "deviates" if decided.beyond[i] else "consistent", _numbers(differences, decided, i)
        verdicts[cell.id] = Verdict.on(cell, outcome, sentence, ours, tier="reference, statistical", **numbers)
    return verdicts


def _numbers(differences: Differences, decided: Decided, i: int) -> dict[str, float | int]:
    if not differences.df[i]:
        return {}
    return {
        "low": float(decided.low[i]),
        "high": float(decided.high[i]),
        "p": float(decided.p[i]),
        "spread": float(differences.spread[i]),
        "df": int(differences.df[i]),
    }


def _ours(observed: Observed) -> str:
    values = list(observed.values.values())
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread} (n={len(values)})"


def _chance(p: float, family: int) -> str:
    return f"p = {p:.2g} among {family} cell{'s' if family > 1 else ''}"


def _more(seeds: float) -> str:
    """How many more seeds would decide, in words: infinite for more than were tried, NaN for none, 0 for unknown."""
    if not seeds:
        return "a second seed would tell the spread"
    if math.isnan(seeds):
        return "no number of seeds would decide: the paper's own mean of 5, taken to be as noisy as ours, is the limit"
    if math.isinf(seeds):
        return "more than 100 more seeds would be needed if mean and spread stayed as they are"
    more = f"{seeds:.0f} more seed{'s' if seeds > 1 else ''} would decide if mean and spread stayed as they are"
    return f"{more} (fix their number first: who looks after each and stops when it suits errs more often)"


def sound(
    verdicts: Mapping[str, Verdict], cells: Mapping[str, Cell], sibling: Callable[[Cell], Verdict | None]
) -> dict:
    """A table's verdicts; what deviates beside an unsound fine-tuning becomes *inconclusive*.

    A recipe, data or weights that are not the paper's move both: then nothing is known of Progtuning. `sibling` gives
    the verdict on fine-tuning's cell, in whatever table, or None. It is sound if it was judged, and neither deviates
    nor is disputed. Our own references ask another question: whether a score repeats.
    """
    return {name: _held(verdict, cells[name], sibling) for name, verdict in verdicts.items()}


def _held(verdict: Verdict, cell: Cell, sibling: Callable[[Cell], Verdict | None]) -> Verdict:
    if verdict.outcome != "deviates" or verdict.tier != "paper" or cell.schedule == BASELINE:
        return verdict
    beside = sibling(cell)
    if beside is None or beside.outcome in (*AGREES, "inconclusive"):
        return verdict
    how = {"deviates": "deviates, too", "error": "is an error"}.get(beside.outcome, f"is {beside.outcome}")
    why = f"fine-tuning's cell {beside.cell} {how}"
    sentence = (
        f"{verdict.sentence}; not held against Progtuning, since {why}, so the setting may be another than the paper's"
    )
    return replace(verdict, outcome="inconclusive", direction=None, sentence=sentence)
