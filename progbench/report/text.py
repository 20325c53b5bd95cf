"""The report for a terminal: the answer, a line a cell, and every sentence that needs reading.

It is as wide as the terminal, and never wider than 100 columns.

What is long ends with the answer again: it is the end that stays on a screen.
"""

import itertools
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from progbench.judging.claims import ClaimVerdict
from progbench.report import answer, cells, comparisons, grids
from progbench.report.cells import plain
from progbench.report.grids import Grid
from progbench.report.report import Notable, Report

WIDTH = 100
CLAIM_HEADERS = ("claim", "on the print", "ours", "outcome")
WHY = "why this range"  # before a claim's reason
SCREEN = 40  # lines: a longer text has scrolled its beginning away


def render(report: Report) -> str:
    """The whole report as text."""
    first = [report.purpose, *answer.sentences(report.contrasts, report.alone)]
    lines = [line for words in filter(None, first) for line in wrapped(words)]
    for table in report.answer_tables():
        lines += ["", table.title, _grid(table)]
    lines += ["", *wrapped(answer.NOTE), ""] if report.contrasts else []
    lines += wrapped(report.answer)
    lines += _differences(report)
    for table, verdicts in report.by_table():
        if shown := [verdict for verdict in verdicts if verdict.observed is not None]:
            lines += ["", *wrapped(table), _grid(grids.verdicts(shown))]
    if groups := report.notable():
        lines += ["", *(line for group in groups for line in _notable(group))]
    if report.variants:
        lines += ["", *wrapped(f"Variants ({report.closest()})"), _grid(grids.variants(report.variants))]
    if report.attribution():
        closing = grids.closing(report.attribution())
        lines += ["", closing.title, _grid(closing)]
    if report.mean_costs:
        lines += ["", "Cost, as a share of what constant takes", _grid(grids.costs(report.mean_costs))]
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
            lines += ["", *wrapped(title), _grid(comparisons.grid(comparisons.SHORT, found))]
        lines.append("")
        lines += [line for remark in comparisons.remarks(report.differences) for line in wrapped(remark)]
    if report.alone:
        lines += ["", comparisons.PRINT_TITLE, _grid(comparisons.grid(comparisons.PRINT, report.alone)), ""]
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


def _grid(table: Grid) -> str:
    return grid(table.rows, table.headers, table.align)


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
