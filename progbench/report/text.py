"""The report for a terminal: the answer, a line a cell, and every sentence that needs reading.

It is as wide as the terminal, and never wider than 100 columns.

What is long ends with the answer again: it is the end that stays on a screen.
"""

from __future__ import annotations

import itertools
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from progbench.judging.claims import ClaimVerdict
from progbench.judging.verdict import Variant, Verdict
from progbench.report import answer, cells, comparisons
from progbench.report.attribution import Attribution
from progbench.report.cells import plain
from progbench.report.report import Notable, Report
from progbench.runs.ledger import Cost

WIDTH = 100
HEADERS = ("cell", "expected", "ours", "diff", "margin", "outcome")
ALIGN = "left right right right right left"
VARIANT_HEADERS = ("cell", "recipe", "expected", "value", "diff", "")
VARIANT_ALIGN = "left left right right right left"
CLOSING_HEADERS = ("cell", "gap", "variant", "closes", "gap then")
CLOSING_ALIGN = "left right left right right"
CLAIM_HEADERS = ("claim", "on the print", "ours", "outcome")
COST_HEADERS = ("schedule", "over", "updated parameters", "FLOPs", "step time", "peak memory")
COST_ALIGN = "left left right right right right"

WHY = "why this range"  # before a claim's reason
SCREEN = 40  # lines: a longer text has scrolled its beginning away


def render(report: Report) -> str:
    """The whole report as text."""
    first = [report.purpose, *answer.sentences(report.contrasts, report.alone)]
    lines = [line for words in filter(None, first) for line in wrapped(words)]
    for table in report.answer_tables():
        lines += ["", table.title, grid(table.rows, table.headers, table.align)]
    lines += ["", *wrapped(answer.NOTE), ""] if report.contrasts else []
    lines += wrapped(report.answer)
    lines += _differences(report)
    for table, verdicts in report.by_table():
        if shown := [row(verdict) for verdict in verdicts if verdict.observed is not None]:
            lines += ["", *wrapped(table), grid(shown, HEADERS, ALIGN)]
    if groups := report.notable():
        lines += ["", *(line for group in groups for line in _notable(group))]
    if report.variants:
        shown = [variant_row(variant) for variant in report.variants]
        table = grid(shown, VARIANT_HEADERS, VARIANT_ALIGN)
        lines += ["", *wrapped(f"Variants ({report.closest()})"), table]
    if rows := closing_rows(report.attribution()):
        lines += ["", "How much of a gap each variant closes", grid(rows, CLOSING_HEADERS, CLOSING_ALIGN)]
    if found := report.mean_costs:
        table = grid([cost_row(one) for one in found], COST_HEADERS, COST_ALIGN)
        lines += ["", "Cost, as a share of what constant takes", table]
    if report.claims:
        answers = [[one.claim, one.on_print, cells.our_answer(one), one.outcome] for one in report.claims]
        headers = CLAIM_HEADERS
        if not report.print_has_claims:
            answers, headers = [[row[0], *row[2:]] for row in answers], (headers[0], *headers[2:])
        lines += ["", "Claims", grid(answers, headers, "left " * len(headers))]
        lines += ["", *(line for claim in report.claims for line in _claim(claim, report.print_has_claims))]
    if groups := report.not_judged():
        lines += ["", "Not judged:"]
        for reason, names in groups:
            lines += [*wrapped(reason, "  ", "  "), *wrapped(cells.some(names, 4), "    ", "    ")]
    lines += ["", *(line for warning in report.caveats for line in wrapped(f"warning: {warning}"))]
    lines += [*wrapped(report.commits), *wrapped(_where(report.environment))]
    if len(lines) > SCREEN:
        lines += ["", *(line for words in [*filter(None, first), report.answer] for line in wrapped(words))]
    return "\n".join(lines)


def _differences(report: Report) -> list[str]:
    """Progtuning less fine-tuning, and what the print alone says of that."""
    lines = []
    if report.differences:
        lines += ["", comparisons.TITLE]
        for title, found in comparisons.groups(report.differences):
            table = grid(map(comparisons.row, found), comparisons.HEADERS, comparisons.ALIGN)
            lines += ["", *wrapped(title), table]
        lines.append("")
        lines += [line for remark in comparisons.remarks(report.differences) for line in wrapped(remark)]
    if report.alone:
        shown = [comparisons.print_row(one) for one in report.alone]
        lines += ["", comparisons.PRINT_TITLE, grid(shown, comparisons.PRINT_HEADERS, comparisons.PRINT_ALIGN), ""]
        lines += [line for remark in comparisons.print_remarks(report.alone) for line in wrapped(remark)]
    return lines


def wrapped(text: str, later: str = "    ", first: str = "") -> list[str]:
    """A text in lines that fit; each of its own lines starts anew, and nothing in it moves the cursor."""
    lines = (plain(line) for line in str(text).split("\n"))
    return [piece for line in lines for piece in _wrap(line, columns(), initial_indent=first, subsequent_indent=later)]


def columns() -> int:
    """As many as the terminal has, or COLUMNS says: from 60 to 100, and 100 where nobody says."""
    return max(60, min(WIDTH, shutil.get_terminal_size((WIDTH, SCREEN)).columns))


def _wrap(text: str, width: int, **indents: str) -> list[str]:
    """Lines broken between words, so that a name with hyphens can be copied whole, unless it is longer than a line."""
    first = indents.get("initial_indent", "")
    if len(first) + len(text) <= width and text == text.strip() and text.isprintable():
        return [first + text] if text else []
    return textwrap.wrap(text, width, break_on_hyphens=False, **indents)


def grid(rows: Sequence[Sequence[object]], headers: Sequence[str], align: str, width: int = 0) -> str:
    """A table of `width` columns, or as wide as the terminal: its widest columns are wrapped until it fits.

    >>> print(grid([["a", "1.0"]], ("cell", "ours"), "left right"))
    cell      ours
    ------  ------
    a          1.0
    """
    width = width or columns()
    texts = [[plain(value) for value in row] for row in rows]
    words = [[len(word) for row in texts for word in row[i].split()] for i in range(len(headers))]
    for room in (2, 0):  # beside a heading, where no word has to be broken for it
        longest = [
            max([*one, *(len(word) + room for word in head.split()), 1])
            for one, head in zip(words, headers, strict=True)
        ]
        if sum(longest) + 2 * (len(longest) - 1) <= width:
            break
    widths = [min(width, max(len(head) + room, *(len(row[i]) for row in texts))) for i, head in enumerate(headers)]
    while sum(widths) + 2 * (len(widths) - 1) > width:
        loose = [i for i, one in enumerate(widths) if one > longest[i]]  # no word of these has to be broken yet
        widths[max(loose or range(len(widths)), key=widths.__getitem__)] -= 1
    lines = [[_wrap(one, wide) for one, wide in zip(row, widths, strict=True)] for row in texts]
    heads = [_wrap(one, max(1, wide - room)) for one, wide in zip(headers, widths, strict=True)]
    return "\n".join(_laid_out(heads, lines, align.split(), room))


def _laid_out(
    heads: list[list[str]], rows: Sequence[list[list[str]]], align: Sequence[str], room: int
) -> Iterator[str]:
    """Cells of several lines each, side by side. tabulate would, too, but takes longer to load than a short report."""
    columns = zip(heads, *rows, strict=True)
    sizes = [
        max((len(line) + room * (cell is column[0]) for cell in column for line in cell), default=0)
        for column in columns
    ]
    for row in (heads, *rows):
        for texts in itertools.zip_longest(*row, fillvalue=""):
            sides = zip(texts, sizes, align, strict=True)
            line = [f"{text:>{size}}" if side == "right" else f"{text:{size}}" for text, size, side in sides]
            yield "  ".join(line).rstrip()
        if row is heads:
            yield "  ".join("-" * size for size in sizes)


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
        cells.signed(variant.difference, *cells.variant_kind(variant)),
        "closest" if variant.closest else "",
    ]


def cost_row(cost: Cost) -> list[str]:
    """A schedule's cost as strings in the order of COST_HEADERS."""
    shares = (cost.updated, cost.flops, cost.step_seconds, cost.memory)
    return [f"{cost.body} {cost.schedule}", cost.task, *map(cells.percent, shares)]


def closing_rows(found: Sequence[Attribution]) -> list[list[str]]:
    """Cells and their variants as strings in the order of CLOSING_HEADERS, what closes most of a gap first."""
    rows = []
    for one in found:
        kind = cells.variant_kind(one)
        for i, closing in enumerate(one.variants):
            first = ["", ""] if i else [one.cell, cells.signed(one.difference, *kind)]
            if closing.closed is None:
                rows.append([*first, f"{closing.variant} ({closing.why})", "unknown", ""])
            else:
                left = cells.signed(closing.difference, *kind)
                rows.append([*first, closing.variant, f"{100 * closing.closed:.0f} %", left])
    return rows


def _notable(group: Notable) -> list[str]:
    """Verdicts that need reading, in lines of a terminal; an argument they share stands once."""
    lines = [f"{group.outcome}: {verdict.cell}: {own}" for verdict, own in group.sentences]
    return [piece for line in lines for piece in wrapped(line)] + wrapped(group.argument, "    ", "    ")


def _claim(claim: ClaimVerdict, with_print: bool) -> Iterable[str]:
    """What the terminal says of a claim: its sentence and the numbers behind both answers."""
    yield from wrapped(f"{claim.claim}: “{claim.sentence}” ({claim.source})")
    sides = {
        "print": claim.print_words if with_print else "", "which rests on": claim.print_rests_on,
        "ours": claim.our_words, "which then rests on": claim.ours_rests_on, WHY: claim.reason,
        "disputed": claim.disputed,
    }  # fmt: skip
    for side, words in sides.items():
        if words:
            yield from wrapped(f"{side}: {words}", "    ", "  ")


def _where(environment: dict) -> str:
    names = ("commit", "python", "torch", "transformers")
    named = [f"{name} {environment[name]}" for name in names if name in environment]
    return ", ".join([*named, f"{environment.get('cpu')} ({environment.get('cores')} cores)"])
