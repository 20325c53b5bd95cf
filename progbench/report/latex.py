"""The paper's tables as LaTeX: each with its three views below each other, in a document that compiles as it stands."""

from progbench.report.cells import plain, subscript
from progbench.report.html import filled
from progbench.report.report import Report
from progbench.report.tables import BOLD, views

_LETTERS = {
    "consistent": "C", "deviates": "D", "inconclusive": "I", "disputed": "P", "unjudged": "U", "not printed": "N",
    "missing": "M", "error": "E",
}  # fmt: skip


def render(report: Report) -> str:
    """The report's tables as a LaTeX document, with its warnings; every other view holds more."""
    legend = ", ".join(f"{letter}: {outcome}" for outcome, letter in _LETTERS.items()) + "; no letter: reproduced."
    about = {"subscript": subscript, "views": views, "bold": BOLD, "letters": _LETTERS, "legend": legend}
    return filled("report.tex", escape, report=report, **about) + "\n"


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
