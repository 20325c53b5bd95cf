"""The answer as a page of its own and as a part of the README: every number in both comes from here."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from progbench.errors import BadInput
from progbench.report import answer, counted, figures
from progbench.report.figures import ANSWER
from progbench.report.markdown import escape, grid
from progbench.report.report import Report

COMMAND = "progbench answer --write docs --readme README.md"
BEGIN, END = f"<!-- Made by: {COMMAND} -->", "<!-- end of what is made -->"
WIDTH = 120
CLAIM_HEADERS = ("claim", "sentence", "on the print", "with which numbers", "which rests on")
COUNT_HEADERS = ("table", "row", "printed counts", "agree", "basis", "why")


def page(printed: Report, recorded: Sequence[Report]) -> str:
    """The page: the answer, every contrast, what is recorded of our own, the counts, and the sentences on the print."""
    lines = [f"# {answer.QUESTION}", "", BEGIN, ""]
    lines += _contrasts(printed)
    if ANSWER in figures.available(printed):
        lines[-1:] = ["", f"![{escape(figures.available(printed)[ANSWER])}]({ANSWER})", ""]
    for report in recorded:
        lines += [f"## {escape(report.purpose)}", "", *_contrasts(report)]
    lines += ["## The printed counts", "", *_wrapped(_sentence(printed)), ""]
    lines += [grid(_counts(printed), COUNT_HEADERS, "left left right right left left"), ""]
    rows = [
        [one.claim, f"{one.sentence} ({one.source})", one.on_print, one.print_words, one.print_rests_on]
        for one in printed.claims
    ]
    lines += ["## The paper's sentences, on its own print", "", grid(rows, CLAIM_HEADERS), ""]
    for table in printed.answer_tables(every=True):
        lines += [f"## {table.title}, task by task", "", grid(table.rows, table.headers, table.align), ""]
    return "\n".join([*lines, END, ""])


def section(printed: Report, recorded: Sequence[Report], folder: str) -> str:
    """What stands in a README between the two marks; the picture lies in `folder`, as seen from there."""
    said, ours, saved = answer.brief(printed.contrasts)
    known = [f"{one.purpose.partition(':')[0]}: {answer.on_runs(one.contrasts)}" for one in recorded]
    words = [said, *(known or [ours]), saved, _sentence(printed)]
    bullets = [line for one in words for line in _wrapped(one, "- ")]
    picture = f"![{escape(figures.available(printed)[ANSWER])}]({folder}/{ANSWER})"
    return "\n".join([BEGIN, "", *bullets, "", picture, "", END])


def put_into(readme: str, made: str) -> str:
    """A README with its made part renewed. Raises BadInput where it has no two marks to put it between."""
    around = re.split(rf"{re.escape(BEGIN)}.*?{re.escape(END)}", readme, flags=re.DOTALL)
    if len(around) != 2:
        raise BadInput(f"wanted are the lines {BEGIN!r} and {END!r}, once, to put the answer between them")
    return made.join(around)


def _sentence(report: Report) -> str:
    words = counted.words(report.verdicts)
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _contrasts(report: Report) -> list[str]:
    lines = [line for one in answer.sentences(report.contrasts, report.alone) for line in _wrapped(one, "- ")]
    for table in report.answer_tables():
        lines += ["", f"{table.title}:", "", grid(table.rows, table.headers, table.align)]
    return [*lines, "", *_wrapped(answer.NOTE), ""]


def _counts(report: Report) -> list[list[str]]:
    """A line for each row of a table with printed counts, and one basis."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for one in report.verdicts:
        if one.basis:
            why = one.sentence.partition("; ")[2]
            rows.setdefault((one.table, one.row, one.basis, why), []).append(one.outcome)
    return [
        [table, row, str(len(outcomes)), str(outcomes.count("reproduced")), basis, why]
        for (table, row, basis, why), outcomes in rows.items()
    ]


def _wrapped(text: str, first: str = "") -> list[str]:
    return textwrap.wrap(
        escape(text), WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False
    )
