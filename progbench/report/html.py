"""The report as one HTML file: nothing fetched, every text escaped, figures inside it.

Its one script sorts and filters cells. The page names it by its checksum, so that a browser runs no other.
"""

import base64
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from progbench.judging.verdict import Verdict
from progbench.recipes.recipe import split_id
from progbench.report import answer, canvas, cells, comparisons, figures, grids, provenance, text
from progbench.report.report import Report
from progbench.report.tables import BOLD, views
from progbench.runs.ledger import Entry, Run

TEMPLATES = Path(__file__).parent / "templates"
MANY = 2000  # runs: in a longer list a recipe has one link, to its folder, instead of one for each seed
_REPEATED = (2, 3, 7, 8)  # updated parameters, operations, commit and machine: mostly the same for every seed


def render(report: Report, drawn: dict[str, str], folder: Path) -> str:
    """The page as it will lie in `folder`; `drawn` are its figures, as SVG by name."""
    captions = figures.available(report)
    results = quote(os.fsencode(Path(os.path.relpath(report.runs, folder)).as_posix())) if report.runs else ""
    many = sum(len(entry.runs) for entry in report.ledger) > MANY
    groups: dict[str, list[Entry]] = {}
    for entry in report.ledger:
        groups.setdefault(" ".join(split_id(entry.recipe)[:2]), []).append(entry)
    # where each entry is on the page, and where its group: numbered, so that no name becomes part of an address
    entries = [(entry.name, f"runs-{i}") for i, group in enumerate(groups.values(), start=1) for entry in group]
    anchors = {name: (f"run-{i}", group) for i, (name, group) in enumerate(entries, start=1)}

    def anchor(verdict: Verdict) -> str:
        """The recipe's place for one recipe, their group's for the many of an average, "" where no run is listed."""
        there = [anchors[name] for name in verdict.recipes if name in anchors]
        return there[0][len(verdict.recipes) > 1] if there else ""

    def drawing(svg: str, name: str, prefix: str) -> Markup:
        return Markup(canvas.inline(svg, prefix, captions[name]))

    return page(
        "report.html",
        title=f"progbench: {report.suite}, {report.headline}",
        report=report,
        script=_script(),
        answer=answer,
        comparisons=comparisons,
        grids=grids,
        tables=[(one, views(one, report.yardstick)) for one in report.tables()],
        figures={name: drawing(svg, name, name.partition(".")[0]) for name, svg in drawn.items()},
        captions=captions,
        narrow_answer=lambda: drawing(figures.narrow_answer(report), figures.ANSWER, "answer-narrow"),
        groups=groups,
        anchors=anchors,
        anchor=anchor,
        lines=lambda entry: _lines(entry, None if many and results else results),
        folder=lambda entry: _folder(entry, results) if many else "",
        scored=_scored,
        bold=BOLD,
        why=text.WHY,
    )


def page(template: str, **values: object) -> str:
    """An HTML template of this package, filled in: every value escaped, on one line, without control characters."""
    about = {"cells": cells, "minus": minus, "script": None}
    return filled(template, lambda value: escape(_signed(cells.plain(value))), **(about | values))


# LaTeX has its own use for braces
_OF_TEX = {
    "variable_start_string": "<<", "variable_end_string": ">>", "block_start_string": "<%", "block_end_string": "%>",
    "comment_start_string": "<#", "comment_end_string": "#>",
}  # fmt: skip


def filled(template: str, safe: Callable[[object], str], **values: object) -> str:
    """A template of this package, filled in: what is no Markup goes through `safe`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else Markup(safe(value)),
        trim_blocks=True,
        lstrip_blocks=True,
        **(_OF_TEX if template.endswith(".tex") else {}),
    )
    environment.globals |= values
    return environment.get_template(template).render()


def _script() -> dict[str, Markup]:
    """The page's own script, and the checksum by which the page allows it."""
    text = (TEMPLATES / "cells.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": Markup(text), "hash": Markup(f"sha256-{digest}")}


def minus(number: str) -> str:
    """A number with a real minus sign, as wide as its plus, its interval, too; any other text as it is.

    >>> minus("-0.25 [-0.5, +0.1]"), minus("bert-base")
    ('−0.25 [−0.5, +0.1]', 'bert-base')
    """
    return _signed(re.sub(r"^-(?=[\d.])", "−", number))


def _signed(sentence: str) -> str:
    """A sentence with real minus signs before its numbers; a hyphen in a name stays one."""
    return re.sub(r"(?<=[ (\[])-(?=\d)", "−", sentence)


def _folder(entry: Entry, results: str) -> str:
    """The address of a recipe's results, for the long list; "" where it is not known."""
    return f"{results}/{quote(entry.runs[0].file.rpartition('/')[0])}/" if results and entry.runs else ""


def _scored(entry: Entry) -> str:
    """What the scores in a recipe's rows are of, in their order."""
    return ", ".join(dict.fromkeys(name for run in entry.runs for name in run.scores))


def _lines(entry: Entry, results: str | None) -> Iterator[Markup]:
    """A row of nine cells for each seed, of which there may be ten thousand: what the row above says is left out.

    `results` is the address of the folder of results, "" where it is not known, None where seeds have no links.
    """
    names = _scored(entry).split(", ")
    above = dict.fromkeys(_REPEATED, "")
    for run in entry.runs:
        values = [_seed(run, results), *_numbers(run, names), provenance.commit(run.commit), run.machine]
        shown = ["" if above.get(i) == one else one for i, one in enumerate(values)]
        above = {i: values[i] for i in _REPEATED}
        texts = (one if isinstance(one, Markup) else escape(cells.plain(one)) for one in shown)
        yield Markup("<tr>" + "".join(f"<td>{one}" for one in texts) + "\n")


def _seed(run: Run, results: str | None) -> str:
    if results is None:
        return str(run.seed)
    if not results:
        return f"{run.seed} ({run.file})"
    return Markup('<a href="{}/{}">{}</a>').format(results, quote(run.file), run.seed)


def _numbers(run: Run, names: list[str]) -> list[str]:
    """Scores, updated parameters, operations, and what the run took."""
    scores = run.error or ", ".join(f"{run.scores[name]:.2f}" if name in run.scores else "–" for name in names)
    step = "" if run.step_seconds is None else f"{1000 * run.step_seconds:,.1f}"
    if step and not run.alone:
        step += " (not known to be alone)" if run.others is None else f" (beside {run.others} others)"
    memory = f"{run.memory / 1048576:,.0f}" if run.memory else ""
    return [scores, cells.number(run.updated, ","), cells.number(run.flops, ".3g"), f"{run.seconds:,.0f}", step, memory]
