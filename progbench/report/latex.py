"""The paper's tables as LaTeX: each with its three views below each other, in a document that compiles as it stands."""

from __future__ import annotations

import re
from collections.abc import Sequence

from progbench.report.cells import plain, subscript
from progbench.report.report import Report
from progbench.report.tables import BOLD, PrintedTable, Row, Shown, View, views

_HEAD = r"""% Made by progbench. To use a table elsewhere: \usepackage[T1]{fontenc} and \usepackage{booktabs,multirow}
\documentclass{article}
\usepackage[a4paper,landscape,margin=10mm]{geometry}
\usepackage[T1]{fontenc}
\usepackage{booktabs,multirow}
\begin{document}
"""
_LETTERS = {
    "consistent": "C", "deviates": "D", "inconclusive": "I", "disputed": "P", "unjudged": "U", "not printed": "N",
    "missing": "M", "error": "E",
}  # fmt: skip
_LEGEND = ", ".join(f"{letter}: {outcome}" for outcome, letter in _LETTERS.items()) + "; no letter: reproduced."


def render(report: Report) -> str:
    """The report's tables as a LaTeX document, with its warnings; every other view holds more."""
    tables = "\n".join(_table(table, report.yardstick) for table in report.tables())
    answer = f"\\noindent\\textbf{{{escape(report.headline)}}}\n\n{escape(report.judged_by)}"
    warnings = "".join(f"\n\n\\noindent {escape(f'Warning: {one}')}" for one in report.caveats)
    return f"{_HEAD}{answer}{warnings}\n\n{tables}\\end{{document}}\n"


def _table(table: PrintedTable, yardstick: str) -> str:
    width = len(table.stubs) + len(table.columns)
    waiting = table.alone if table.run else table.waiting
    lines = [
        r"\begin{table}[htbp]",
        rf"\setcounter{{table}}{{{int(re.sub('[^0-9]', '', table.name)) - 1}}}",
        r"\centering\scriptsize\setlength{\tabcolsep}{2pt}",
        rf"\caption{{{' '.join(map(escape, filter(None, (table.caption, table.note, waiting, BOLD, _LEGEND))))}}}",
        rf"\begin{{tabular}}{{{'l' * len(table.stubs)}{'r' * len(table.columns)}}}",
        r"\toprule",
        _line([*map(_label, table.stubs), *map(_label, table.columns)]),
    ]
    for view in views(table, yardstick):
        lines += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{\emph{{{escape(view.title)}}}}} \\"]
        for row, line in zip(table.rows, view.lines, strict=True):
            lines += [r"\addlinespace"] if row.first else []
            lines.append(_line([*_stubs(row), *(_place(shown, view) for shown in line)]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _stubs(row: Row) -> list[str]:
    labels = [_label(stub) for stub in row.stubs]
    if row.span > 1:
        labels[0] = rf"\multirow{{{row.span}}}{{*}}{{{labels[0]}}}"
    return ["", *labels[1:]] if row.span == 0 else labels


def _place(shown: Shown, view: View) -> str:
    text = re.sub("^-", "$-$", escape(shown.text))
    text = rf"\textbf{{{text}}}" if shown.best else text
    letter = _LETTERS.get(shown.verdict.outcome, "") if shown.verdict and view.name == "difference" else ""
    return rf"{text}\textsuperscript{{{letter}}}" if letter else text


def _label(label: str) -> str:
    base, below = subscript(label)
    return rf"{escape(base)}\textsubscript{{{escape(below)}}}" if below else escape(label)


def _line(places: Sequence[str]) -> str:
    return " & ".join(places) + r" \\"


# brackets and asterisks: at the beginning of a line they would belong to the \\ before it
_ESCAPED = {one: f"\\{one}" for one in "{}$&#_%"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$", "[": "{[}", "]": "{]}", "*": "{*}",
    '"': r"\textquotedbl{}", "“": "``", "”": "''", "–": "--", "…": r"\ldots{}",
}  # fmt: skip


def escape(text: object) -> str:
    r"""Text that LaTeX sets as it is; a character its fonts do not have becomes its number.

    >>> print(escape("50 % of a_b"), escape("✓"))
    50 \% of a\_b U+2713
    """
    return "".join(
        _ESCAPED.get(one, one if one.isascii() or "\xa1" <= one <= "\xff" else f"U+{ord(one):04X}")
        for one in plain(text)
    )
