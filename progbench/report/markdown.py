"""The report as Markdown: the paper's tables in three views, then every cell with its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from progbench.judging.claims import ClaimVerdict
from progbench.report import answer, cells, comparisons, figures, grids, text
from progbench.report.cells import MARKS, plain
from progbench.report.figures import ANSWER
from progbench.report.grids import Grid
from progbench.report.report import Report
from progbench.report.tables import BOLD, PrintedTable, Shown, View, views

CLAIM_HEADERS = (
    "claim", "sentence", "on the print", "", "rests on", "ours", "", "rests on", "outcome", "disputed because",
)  # fmt: skip


def render(report: Report) -> str:
    """The whole report as Markdown."""
    lines = [f"# progbench: {escape(report.purpose or f'suite {report.suite}')}", ""]
    lines += [*(f"- {escape(line)}" for line in report.asked), *([""] if report.asked else [])]
    if words := answer.sentences(report.contrasts, report.alone):
        lines += [f"## {escape(answer.QUESTION)}", "", *(f"- {escape(line)}" for line in words)]
        if ANSWER in figures.available(report):
            lines += ["", f"![{escape(figures.available(report)[ANSWER])}]({ANSWER})"]
        for table in report.answer_tables():
            lines += ["", f"{escape(table.title)}:", "", as_table(table)]
        lines += ["", escape(answer.NOTE), "", "## What was judged", ""]
    lines += [f"**{escape(line)}**  " for line in report.answer.split("\n")]
    lines += _differences(report)
    for group in report.notable():
        lines += ["", f"{group.outcome}{escape(': ' + group.argument if group.argument else '')}", ""]
        lines += [f"- {escape(f'{verdict.table}, {verdict.cell}: {own}')}" for verdict, own in group.sentences]
    if report.attribution():
        closing = grids.closing(report.attribution())
        lines += ["", f"## {closing.title}", "", as_table(closing)]
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
    if report.mean_costs:
        lines += ["", "## Cost", "", escape(report.cost_words), "", as_table(grids.costs(report.mean_costs))]
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
        cell_lines = grids.verdicts(verdicts)
        rows = [[*line, one.sentence] for line, one in zip(cell_lines.rows, verdicts, strict=True)]
        table = grid(rows, (*cell_lines.headers, "in words"), f"{cell_lines.align} left")
        lines += ["", f"## {escape(name)}, cell by cell", "", table]
    for table in report.answer_tables(every=True):
        lines += ["", f"## {escape(table.title)}, task by task", "", as_table(table)]
    if report.variants:
        lines += ["", "## Variants", "", escape(report.closest()), "", as_table(grids.variants(report.variants))]
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
        for title, found in comparisons.groups(report.differences):
            lines += ["", f"{escape(title)}:", "", as_table(comparisons.grid(comparisons.FULL, found))]
        lines.append("")
        lines += [f"- {escape(remark)}" for remark in comparisons.remarks(report.differences)]
    if report.alone:
        table = as_table(comparisons.grid(comparisons.PRINT, report.alone))
        lines += ["", f"## {comparisons.PRINT_TITLE}", "", table, ""]
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


def as_table(table: Grid) -> str:
    """A grid as a pipe table."""
    return grid(table.rows, [*map(escape, table.headers)], table.align)


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
