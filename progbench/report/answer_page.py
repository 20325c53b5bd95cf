"""The answer as a page of its own and as a part of the README: every number in both comes from here."""

import re
import textwrap
from collections.abc import Sequence

from markupsafe import Markup

from progbench.errors import BadInput
from progbench.report import answer, figures, html
from progbench.report.figures import ANSWER
from progbench.report.grids import Grid
from progbench.report.markdown import as_table, escape
from progbench.report.report import Report

COMMAND = "progbench answer --write docs --readme README.md"
BEGIN, END = f"<!-- Made by: {COMMAND} -->", "<!-- end of what is made -->"
WIDTH = 120


def page(printed: Report, recorded: Sequence[Report]) -> str:
    """The page: the answer, every contrast, what is recorded of our own, the counts, and the sentences on the print."""
    claims = [
        [one.claim, f"{one.sentence} ({one.source})", one.on_print, one.print_words, one.print_rests_on]
        for one in printed.claims
    ]
    made = html.filled(
        "answer.md",
        escape,
        answer=answer,
        begin=Markup(BEGIN),
        end=Markup(END),
        printed=printed,
        recorded=recorded,
        captions=figures.available(printed),
        sentence=_sentence(printed),
        counts=_counts(printed),
        claims=Grid(("claim", "sentence", "on the print", "with which numbers", "which rests on"), claims, ""),
        grid=lambda table: Markup(as_table(table)),
        wrapped=lambda text, first="": Markup(_wrapped(text, first)),
    )
    return f"{made}\n"


def section(printed: Report, recorded: Sequence[Report], folder: str) -> str:
    """What stands in a README between the two marks; the picture lies in `folder`, as seen from there."""
    said = answer.brief(printed.contrasts, printed.alone, [one.contrasts for one in recorded])
    picture = f"![{escape(figures.available(printed)[ANSWER])}]({folder}/{ANSWER})"
    return "\n".join([BEGIN, "", *(_wrapped(one, "- ") for one in said), "", picture, "", END])


def put_into(readme: str, made: str) -> str:
    """A README with its made part renewed. Raises BadInput where it has no two marks to put it between."""
    around = re.split(rf"{re.escape(BEGIN)}.*?{re.escape(END)}", readme, flags=re.DOTALL)
    if len(around) != 2:
        raise BadInput(f"wanted are the lines {BEGIN!r} and {END!r}, once, to put the answer between them")
    return made.join(around)


def _sentence(report: Report) -> str:
    words = answer.counted(report.verdicts)
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _counts(report: Report) -> Grid:
    """A line for each row of a table with printed counts, and one basis."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for one in report.verdicts:
        if one.basis:
            why = one.sentence.partition("; ")[2]
            rows.setdefault((one.table, one.row, one.basis, why), []).append(one.outcome)
    lines = [
        [table, row, str(len(outcomes)), str(outcomes.count("reproduced")), basis, why]
        for (table, row, basis, why), outcomes in rows.items()
    ]
    headers = ("table", "row", "printed counts", "agree", "basis", "why")
    return Grid(headers, lines, "left left right right left left")


def _wrapped(text: str, first: str = "") -> str:
    indents = {"initial_indent": first, "subsequent_indent": " " * len(first)}
    return textwrap.fill(escape(text), WIDTH, break_on_hyphens=False, **indents)
