"""Tables of texts, as every view shows them: cells, variants, what closes a gap, and costs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from progbench.judging.verdict import Attribution, Variant, Verdict
from progbench.report import cells
from progbench.runs.ledger import Cost


@dataclass(frozen=True)
class Grid:
    """A table of texts: its headings, its rows, and "left" or "right" for each column."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str
    title: str = ""


def verdicts(found: Iterable[Verdict], *, in_words: bool = False) -> Grid:
    """A line a cell, with its sentence if it is wanted `in_words`."""
    rows = []
    for one in found:
        ours = f"{cells.observed(one)} {cells.spread(one)}".strip()
        line = [one.cell, cells.expected(one), ours, cells.difference(one), cells.margin(one), cells.outcome(one)]
        rows.append([*line, *[one.sentence] * in_words])
    headers = ("cell", "expected", "ours", "diff", "margin", "outcome", *["in words"] * in_words)
    return Grid(headers, rows, "left right right right right left" + " left" * in_words)


def variants(found: Iterable[Variant]) -> Grid:
    """A line a recipe of a cell; the cell and what is expected of it stand once, with the primary."""
    rows = []
    for one in found:
        expected = "" if one.variant or one.expected is None else f"{round(one.expected, 2):,}"
        first = ("" if one.variant else one.cell, one.variant or "primary", expected)
        difference = cells.signed(one.difference, *cells.variant_kind(one))
        rows.append([*first, cells.variant_value(one), difference, "closest" if one.closest else ""])
    headers = ("cell", "recipe", "expected", "value", "diff", "")
    return Grid(headers, rows, "left left right right right left")


def closing(found: Iterable[Attribution]) -> Grid:
    """Cells and their variants, what closes most of a gap first."""
    rows = []
    for one in found:
        kind = cells.variant_kind(one)
        first = [one.cell, cells.signed(one.difference, *kind)]
        for each in one.variants:
            if each.closed is None:
                rows.append([*first, f"{each.variant} ({each.why})", "unknown", ""])
            else:
                left = cells.signed(each.difference, *kind)
                rows.append([*first, each.variant, f"{100 * each.closed:.0f} %", left])
            first = ["", ""]
    headers = ("cell", "gap", "variant", "closes", "gap then")
    return Grid(headers, rows, "left right left right right", "How much of a gap each variant closes")


def costs(found: Iterable[Cost], *, unknown: bool = False) -> Grid:
    """What each schedule takes, as a share of what constant takes, and why what is `unknown` is."""
    rows = []
    for one in found:
        shares = map(cells.percent, (one.updated, one.flops, one.step_seconds, one.memory))
        rows.append([f"{one.body} {one.schedule}", one.task, *shares, *["; ".join(one.unknown)] * unknown])
    headers = ("schedule", "over", "updated parameters", "FLOPs", "step time", "peak memory")
    return Grid((*headers, *["not known"] * unknown), rows, "left left right right right right" + " left" * unknown)
