"""The report as Markdown: the paper's tables in three views, then every cell with its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from progbench.judging.claims import ClaimVerdict
from progbench.report import answer, cells, comparisons, figures, text
from progbench.report.cells import MARKS, plain
from progbench.report.figures import ANSWER
from progbench.report.report import Report
from progbench.report.tables import BOLD, PrintedTable, Shown, View, views

CLAIM_HEADERS = (
    "claim",
    "sentence",
    "on the print",
    "",
    "rests on",
    "ours",
    "",
    "rests on",
    "outcome",
    "disputed because",
)


def render(report: Report) -> str:
    """The whole report as Markdown."""
    lines = [f"# progbench: {escape(report.purpose or f'suite {report.suite}')}", ""]
    if words := answer.sentences(report.contrasts, report.alone):
        lines += [f"## {escape(answer.QUESTION)}", "", *(f"- {escape(line)}" for line in words)]
        if ANSWER in figures.available(report):
            lines += ["", f"![{escape(figures.available(report)[ANSWER])}]({ANSWER})"]
        for table in report.answer_tables():
            lines += ["", f"{escape(table.title)}:", "", grid(table.rows, table.headers, table.align)]
        lines += ["", escape(answer.NOTE), "", "## What was judged", ""]
    lines += [f"**{escape(line)}**  " for line in report.answer.split("\n")]
    lines += _differences(report)
    for group in report.notable():
        lines += ["", f"{group.outcome}{escape(': ' + group.argument if group.argument else '')}", ""]
        lines += [f"- {escape(f'{verdict.table}, {verdict.cell}: {own}')}" for verdict, own in group.sentences]
    if rows := text.closing_rows(report.attribution()):
        lines += ["", "## How much of a gap each variant closes", ""]
        lines += [grid(rows, text.CLOSING_HEADERS, text.CLOSING_ALIGN)]
    for table in report.tables():
        lines += ["", f"## {escape(table.name)}", "", escape(table.caption)]
        for view in views(table, report.yardstick):
            lines += ["", f"{escape(view.title)}:", "", _view(table, view)]
        lines += [
            line for one in (table.alone, "" if table.run else table.waiting) if one for line in ("", escape(one))
        ]
        lines += ["", escape(f"{BOLD} {table.note}")]
    shown = {name: alt for name, alt in figures.available(report).items() if name != ANSWER}
    lines += [line for name, alt in shown.items() for line in ("", f"![{escape(alt)}]({name})")]
    if found := report.mean_costs:
        lines += ["", "## Cost", "", escape(report.cost_words), ""]
        lines += [grid(map(text.cost_row, found), text.COST_HEADERS, text.COST_ALIGN)]
    if report.claims:
        rows = [
            [one.claim, _sentence(one), one.on_print, one.print_words, one.print_rests_on, cells.our_answer(one),
             one.our_words, one.ours_rests_on, one.outcome, one.disputed]
            for one in report.claims
        ]  # fmt: skip
        shown = [*range(len(CLAIM_HEADERS))]
        if not report.print_has_claims:
            del shown[2:5]
        headers = [CLAIM_HEADERS[i] for i in shown]
        lines += ["", "## Claims", "", grid([[row[i] for i in shown] for row in rows], headers)]
    for name, verdicts in report.by_table():
        rows = [[*text.row(verdict), verdict.sentence] for verdict in verdicts]
        lines += [
            "",
            f"## {escape(name)}, cell by cell",
            "",
            grid(rows, (*text.HEADERS, "in words"), f"{text.ALIGN} left"),
        ]
    for table in report.answer_tables(every=True):
        lines += ["", f"## {escape(table.title)}, task by task", "", grid(table.rows, table.headers, table.align)]
    if report.variants:
        lines += ["", "## Variants", "", escape(report.closest()), ""]
        lines += [grid(map(text.variant_row, report.variants), text.VARIANT_HEADERS, text.VARIANT_ALIGN)]
    if groups := report.not_judged():
        lines += ["", "## Not judged", ""]
        lines += [f"- {escape(reason)} ({len(names)}: {escape(', '.join(names))})" for reason, names in groups]
    lines += ["", "## Environment", "", *(f"- {escape(warning)}" for warning in report.caveats)]
    lines += [f"- {escape(report.commits)}"] if report.commits else []
    lines += [f"- {escape(key)}: {escape(value)}" for key, value in report.environment.items()]
    return "\n".join(lines) + "\n"


def _differences(report: Report) -> list[str]:
    """Progtuning less fine-tuning, and what the print alone says of that."""
    lines = []
    if report.differences:
        lines += ["", f"## {comparisons.TITLE}"]
        headers = [escape(head) for head in comparisons.FULL_HEADERS]
        for title, found in comparisons.groups(report.differences):
            table = grid(map(comparisons.full_row, found), headers, comparisons.FULL_ALIGN)
            lines += ["", f"{escape(title)}:", "", table]
        lines.append("")
        lines += [f"- {escape(remark)}" for remark in comparisons.remarks(report.differences)]
    if report.alone:
        lines += ["", f"## {comparisons.PRINT_TITLE}", ""]
        rows = [comparisons.print_row(one) for one in report.alone]
        lines += [grid(rows, [*map(escape, comparisons.PRINT_HEADERS)], comparisons.PRINT_ALIGN), ""]
        lines += [f"- {escape(remark)}" for remark in comparisons.print_remarks(report.alone)]
    return lines


def _sentence(claim: ClaimVerdict) -> str:
    words = f"{claim.sentence} ({claim.source})"
    return f"{words}; {text.WHY}: {claim.reason}" if claim.reason else words


def _view(table: PrintedTable, view: View) -> str:
    rows = [
        [*map(escape, row.stubs), *map(_place, line, [view.name] * len(line))]
        for row, line in zip(table.rows, view.lines, strict=True)
    ]
    align = ["left"] * len(table.stubs) + ["right"] * len(table.columns)
    return _pipe(rows, [*map(escape, table.stubs), *map(escape, table.columns)], align)


def _place(shown: Shown, view: str) -> str:
    words = escape(shown.text)
    if view == "difference" and shown.verdict:
        words = f"{words} {MARKS[shown.verdict.outcome]}".strip()
    return f"**{words}**" if shown.best else words


def grid(rows: Iterable[Sequence[object]], headers: Sequence[str], align: str = "") -> str:
    """A pipe table whose texts are shown as they are, whatever they hold.

    >>> print(grid([["a|b", "1.0"]], ("cell", "ours"), "left right"))
    | cell   |   ours |
    |:-------|-------:|
    | a\\|b   |    1.0 |
    """
    return _pipe([[escape(value) for value in row] for row in rows], headers, align.split() or None)


def _pipe(rows: Sequence[Sequence[str]], headers: Sequence[str], align: Sequence[str] | None) -> str:
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=align)


def escape(text: object) -> str:
    """Text that Markdown shows as it is, in a table cell, too.

    >>> escape("a|b `c` <script>")
    'a\\\\|b \\\\`c\\\\` \\\\<script\\\\>'
    """
    return "".join(f"\\{one}" if one in _MEANT else one for one in plain(text))


_MEANT = frozenset("\\`*_[]<>|&~#$")
