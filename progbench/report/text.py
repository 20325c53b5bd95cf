"""The report for a terminal: the answer, a line a cell, and every sentence that needs reading, in 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tabulate import tabulate

from progbench.claims import ClaimVerdict
from progbench.ledger import Cost, costs, mean_costs
from progbench.report import cells
from progbench.report.attribution import Attribution
from progbench.report.cells import plain, short
from progbench.verdict import Variant, Verdict

if TYPE_CHECKING:
    from progbench.report import Report

WIDTH = 100
HEADERS = ("cell", "expected", "ours", "diff", "margin", "outcome")
ALIGN = "left right right right right left"
VARIANT_HEADERS = ("cell", "recipe", "expected", "value", "diff", "")
VARIANT_ALIGN = "left left right right right left"
COST_HEADERS = ("schedule", "over", "updated parameters", "FLOPs", "step time", "peak memory")
COST_ALIGN = "left left right right right right"


def render(report: Report) -> str:
    """The whole report as text."""
    lines = wrapped(report.answer)
    for table, verdicts in report.by_table():
        if shown := [row(verdict) for verdict in verdicts if verdict.observed is not None]:
            lines += ["", *wrapped(table), grid(shown, HEADERS, ALIGN)]
    notable = [verdict for verdict in report.verdicts if verdict.judged and verdict.outcome != "reproduced"]
    if notable:
        lines += ["", *_notable(notable)]
    if report.variants:
        shown = [variant_row(variant) for variant in report.variants]
        table = grid(shown, VARIANT_HEADERS, VARIANT_ALIGN)
        lines += ["", *wrapped(f"Variants ({report.closest()})"), table]
    if found := report.attribution():
        lines += ["", "Why cells deviate:", *(line for one in found for line in wrapped(because(one), "  "))]
    if found := mean_costs(costs(report.ledger)):
        table = grid([cost_row(one) for one in found], COST_HEADERS, COST_ALIGN)
        lines += ["", "Cost, as a share of what constant takes", table]
    if report.claims:
        answers = [[one.claim, one.on_print, one.on_ours, one.outcome] for one in report.claims]
        lines += ["", "Claims", grid(answers, ("claim", "on the print", "on our runs", "outcome"), "left " * 4)]
        lines += ["", *(line for claim in report.claims for line in _claim(claim))]
    if groups := report.not_judged():
        lines += ["", "Not judged:"]
        for reason, names in groups:
            lines += [*wrapped(reason, "  ", "  "), *wrapped(_names(names), "    ", "    ")]
    lines += ["", *(line for warning in report.warnings for line in wrapped(f"warning: {warning}"))]
    return "\n".join([*lines, *wrapped(_where(report.environment))])


def wrapped(text: str, later: str = "    ", first: str = "") -> list[str]:
    """A text in lines that fit; each of its own lines starts anew, and nothing in it moves the cursor."""
    lines = (plain(line) for line in str(text).split("\n"))
    return [
        part for line in lines for part in textwrap.wrap(line, WIDTH, initial_indent=first, subsequent_indent=later)
    ]


def grid(rows: Sequence[Sequence[object]], headers: Sequence[str], align: str) -> str:
    """A table that fits: its widest columns are wrapped until it does.

    >>> print(grid([["a", "1.0"]], ("cell", "ours"), "left right"))
    cell      ours
    ------  ------
    a          1.0
    """
    texts = [[plain(value) for value in row] for row in rows]
    # tabulate makes a column two wider than its heading
    widths = [min(WIDTH, max(len(head) + 2, *(len(row[i]) for row in texts))) for i, head in enumerate(headers)]
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH:
        widths[widths.index(max(widths))] -= 1
    return tabulate(
        texts,
        headers,
        disable_numparse=True,
        colalign=align.split(),
        maxcolwidths=widths,
        maxheadercolwidths=[width - 2 for width in widths],
    )


def row(verdict: Verdict) -> list[str]:
    """A verdict as strings in the order of HEADERS."""
    ours = f"{cells.observed(verdict)} {cells.spread(verdict)}".strip()
    expected, difference = cells.expected(verdict), cells.difference(verdict)
    return [verdict.cell, expected, ours, difference, cells.margin(verdict), cells.outcome(verdict)]


def variant_row(variant: Variant) -> list[str]:
    """A variant as strings in the order of VARIANT_HEADERS; cell and expectation stand once, with the primary."""
    return [
        "" if variant.variant else variant.cell,
        variant.variant or "primary",
        "" if variant.variant or variant.expected is None else f"{round(variant.expected, 2):,}",
        cells.variant_value(variant),
        cells.number(variant.difference, "+" + cells.digits_of(*cells.variant_kind(variant))),
        "closest" if variant.closest else "",
    ]


def cost_row(cost: Cost) -> list[str]:
    """A schedule's cost as strings in the order of COST_HEADERS."""
    shares = (cost.updated, cost.flops, cost.step_seconds, cost.memory)
    return [f"{cost.body} {cost.schedule}", cost.task, *map(cells.percent, shares)]


def because(one: Attribution) -> str:
    """A cell's variants in words, the one that closes most of the gap first."""
    digits = "+" + cells.digits_of(*cells.variant_kind(one))
    ranked = [
        f"{closing.variant} closes {100 * closing.closed:.0f} % ({closing.difference:{digits}})"
        if closing.closed is not None
        else f"{closing.variant} is not known ({closing.why})"
        for closing in one.variants
    ]
    return f"{one.cell} {one.outcome} by {one.difference:{digits}}: {', '.join(ranked)}"


def _notable(verdicts: Sequence[Verdict]) -> list[str]:
    """Each verdict that needs reading, in lines of a terminal; an argument shared by several stands once."""
    groups: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        own, _, shared = verdict.sentence.partition("; ")
        groups.setdefault((verdict.outcome, shared), []).append(f"{verdict.cell}: {own}")
    lines = []
    for (outcome, shared), sentences in groups.items():
        lines += [line for sentence in sentences for line in wrapped(f"{outcome}  {sentence}")]
        lines += wrapped(shared, "    ", "    ")
    return lines


def _claim(claim: ClaimVerdict) -> Iterable[str]:
    """What the terminal says of a claim: its sentence and the numbers behind both answers."""
    yield from wrapped(f"{claim.claim}: “{claim.sentence}” ({claim.source})")
    for side, words in (("print", claim.print_words), ("ours", claim.our_words), ("disputed", claim.disputed)):
        if words:
            yield from wrapped(f"{side}: {words}", "    ", "  ")


def _names(names: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(short(name, 60) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _where(environment: dict) -> str:
    names = ("commit", "python", "torch", "transformers")
    named = [f"{name} {environment[name]}" for name in names if name in environment]
    return ", ".join([*named, f"{environment.get('cpu')} ({environment.get('cores')} cores)"])
