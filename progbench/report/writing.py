"""A report as files: every view of it, and its figures."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from progbench.files import write_atomically
from progbench.judging.compared import Contrast
from progbench.judging.verdict import Verdict
from progbench.report import figures, html, latex, markdown, schema
from progbench.report.cells import plain
from progbench.report.report import Report
from progbench.runs.ledger import Run


def write(report: Report, folder: Path) -> list[Path]:
    """Write report.md, report.html, report.json with its schema, report.tex, CSV files, and the figures as SVG."""
    drawn = {name: figures.draw(name, report) for name in figures.available(report)}
    shown = report.for_others()
    written = {
        "report.md": markdown.render(shown),
        "report.html": html.render(shown, drawn, folder),
        "report.json": json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n",
        "report.schema.json": json.dumps(schema.schema(), indent=1) + "\n",
        "report.tex": latex.render(shown),
        **spreadsheets(shown),
        **drawn,
    }
    for name, content in written.items():
        write_atomically(folder / name, content)
    return [folder / name for name in written]


def spreadsheets(report: Report) -> dict[str, str]:
    """The CSV files by name: `report.csv` has the cells, `contrasts.csv` the differences, `runs.csv` the seeds."""
    contrasts = [vars(one) | {"on_print": one.on_print} for one in report.contrasts]
    runs = [
        {"recipe": entry.recipe, "digest": entry.digest, "planned": entry.planned, **vars(run)}
        for entry in report.ledger
        for run in entry.runs
    ]
    cell, contrast, run = ([field.name for field in fields(kind)] for kind in (Verdict, Contrast, Run))
    return {
        "report.csv": table(cell, map(vars, report.verdicts)),
        "contrasts.csv": table([*contrast, "on_print"], contrasts),
        "runs.csv": table(["recipe", "digest", "planned", *run], runs),
    }


def table(names: Iterable[str], rows: Iterable[Mapping[str, object]]) -> str:
    r"""Rows under a line of names; None is empty, and no text is taken for a formula.

    >>> table(["cell", "difference"], [{"cell": "=cmd()", "difference": -0.25}, {"cell": "a,b", "difference": None}])
    'cell,difference\r\n\'=cmd(),-0.25\r\n"a,b",\r\n'
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names))
    writer.writeheader()
    writer.writerows({name: _safe(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _safe(value: object) -> object:
    """A number as it is, and anything else as a text on one line that no spreadsheet calculates."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        value = "; ".join(f"{key}: {one}" for key, one in value.items())
    elif isinstance(value, list | tuple):
        value = "; ".join(map(str, value))
    text = plain(value)
    return f"'{text}" if re.match(r"[=+\-@]", text) and not re.fullmatch(r"[+-]?\d+(\.\d+)?", text) else text
