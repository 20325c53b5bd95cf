"""The report as one HTML file: nothing fetched, every text escaped, figures inside it.

Its one script sorts and filters cells. The page names it by its checksum, so that a browser runs no other.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from progbench.judging.verdict import Verdict
from progbench.recipes.recipe import split_id
from progbench.report import answer, canvas, cells, comparisons, figures, glossary, grids, run_lines, text
from progbench.report.report import Report
from progbench.report.tables import BOLD, views
from progbench.runs.ledger import Entry


def render(report: Report, drawn: dict[str, str], folder: Path) -> str:
    """The page as it will lie in `folder`; `drawn` are its figures, as SVG by name."""
    groups = _groups(report.ledger)
    captions = figures.available(report)
    results = quote(os.fsencode(Path(os.path.relpath(report.runs, folder)).as_posix())) if report.runs else ""
    many = sum(len(entry.runs) for entry in report.ledger) > run_lines.MANY
    tables = report.tables()
    return page(
        "report.html",
        title=f"progbench: {report.suite}, {report.headline}",
        report=report,
        script=_script(),
        question=answer.QUESTION,
        sentences=answer.sentences(report.contrasts, report.alone),
        answer_tables=report.answer_tables(),
        task_tables=report.answer_tables(every=True),
        answer_note=answer.NOTE,
        glossary=glossary.MEANINGS,
        places={one.name: f"table-{i}" for i, one in enumerate(tables, start=1)},
        comparisons=comparisons,
        differences=[
            (title, comparisons.grid(comparisons.FULL, found))
            for title, found in comparisons.groups(report.differences)
        ],
        print_alone=comparisons.grid(comparisons.PRINT, report.alone),
        closing=grids.closing(report.attribution()),
        tables=[{"printed": one, "views": views(one, report.yardstick)} for one in tables],
        figures={
            name: {
                "svg": Markup(canvas.inline(svg, name.partition(".")[0], captions[name])),
                "caption": captions[name],
            }
            for name, svg in drawn.items()
        },
        narrow_answer=_narrow_answer(report, captions) if figures.ANSWER in drawn else "",
        costs=grids.costs(report.mean_costs),
        task_costs=[
            [*line, "; ".join(one.unknown)]
            for line, one in zip(grids.costs(report.costs).rows, report.costs, strict=True)
        ],
        variants=grids.variants(report.variants),
        not_judged=report.not_judged(),
        groups=groups,
        anchors=Anchors(groups),
        run_lines=lambda entry: run_lines.rows(entry, None if many and results else results),
        folder=lambda entry: run_lines.folder(entry, results) if many else "",
        score_names=run_lines.score_names,
        bold=BOLD,
        why=text.WHY,
        interval=_interval,
        as_cell=lambda outcome: cells.AS_CELL.get(outcome, outcome),
    )


def _narrow_answer(report: Report, captions: Mapping[str, str]) -> Markup:
    return Markup(canvas.inline(figures.narrow_answer(report), "answer-narrow", captions[figures.ANSWER]))


def page(template: str, **values: object) -> str:
    """A template of this package, filled in: every value escaped, on one line, and without control characters."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else _signed(cells.plain(value)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"cells": cells, "marks": cells.MARKS, "subscript": cells.subscript, "minus": minus}
    return environment.get_template(template).render(**{"script": None, **values})


def _script() -> dict[str, Markup]:
    """The page's own script, and the checksum by which the page allows it."""
    text = (Path(__file__).parent / "templates" / "cells.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": Markup(text), "hash": Markup(f"sha256-{digest}")}


def minus(number: str) -> str:
    """A number with a real minus sign, as wide as its plus, its interval, too; any other text as it is.

    >>> minus("-0.25 [-0.5, +0.1]"), minus("bert-base")
    ('−0.25 [−0.5, +0.1]', 'bert-base')
    """
    return re.sub(r"^-(?=[\d.])|(?<=[ (\[])-(?=\d)", "−", number)


def _signed(sentence: str) -> str:
    """A sentence with real minus signs before its numbers; a hyphen in a name stays one."""
    return re.sub(r"(?<=[ (\[])-(?=\d)", "−", sentence)


def _interval(verdict: Verdict) -> str:
    if verdict.low is None or verdict.high is None:
        return ""
    return f"{minus(f'{verdict.low:+.2f}')} to {minus(f'{verdict.high:+.2f}')}"


@dataclass(frozen=True)
class Group:
    """The recipes of one model, tuning and schedule, under a heading of their own."""

    anchor: str
    name: str
    entries: Sequence[Entry]

    @property
    def runs(self) -> int:
        return sum(len(entry.runs) for entry in self.entries)


def _groups(entries: Sequence[Entry]) -> list[Group]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(" ".join(split_id(entry.recipe)[:2]), []).append(entry)
    return [Group(f"runs-{i}", name, chosen) for i, (name, chosen) in enumerate(found.items(), start=1)]


class Anchors:
    """Where on the page the runs behind a verdict are; numbered, so that no name becomes part of an address."""

    def __init__(self, groups: Sequence[Group]) -> None:
        entries = [(entry.name, group.anchor) for group in groups for entry in group.entries]
        self.groups = dict(entries)
        self.entries = {name: f"run-{i}" for i, (name, _) in enumerate(entries, start=1)}

    def of_entry(self, entry: Entry) -> str:
        return self.entries[entry.name]

    def of(self, verdict: Verdict) -> str:
        """The recipe's place for one recipe, their group's for the many of an average, "" where no run is listed."""
        names = [name for name in verdict.recipes if name in self.entries]
        if not names:
            return ""
        return self.entries[names[0]] if len(verdict.recipes) == 1 else self.groups[names[0]]
