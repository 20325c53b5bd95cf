"""The report as Markdown: the paper's tables in three views, then every cell with its sentence."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup
from tabulate import tabulate

from progbench.report import answer, cells, comparisons, figures, grids, html, text
from progbench.report.cells import MARKS, plain
from progbench.report.grids import Grid
from progbench.report.report import Report
from progbench.report.tables import BOLD, PrintedTable, Shown, View, views


def render(report: Report) -> str:
    """The whole report as Markdown."""
    return html.filled(
        "report.md",
        escape,
        report=report,
        answer=answer,
        captions=figures.available(report),
        comparisons=comparisons,
        grids=grids,
        grid=lambda table: Markup(as_table(table)),
        claims=_claims(report),
        views=views,
        printed=lambda table, view: Markup(_view(table, view)),
        bold=BOLD,
    )


def _claims(report: Report) -> Grid:
    """A line a claim; without the columns on the print where that says nothing of them."""
    lines = [
        ("claim", "sentence", "on the print", "", "rests on", "ours", "", "rests on", "outcome", "disputed because")
    ]
    for one in report.claims:
        words = f"{one.sentence} ({one.source})" + (f"; {text.WHY}: {one.reason}" if one.reason else "")
        on_print = (one.on_print, one.print_words, one.print_rests_on)
        ours = (cells.our_answer(one), one.our_words, one.ours_rests_on)
        lines.append((one.claim, words, *on_print, *ours, one.outcome, one.disputed))
    after = 2 if report.print_has_claims else 5
    headers, *rows = [(*line[:2], *line[after:]) for line in lines]
    return Grid(headers, rows, "")


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
