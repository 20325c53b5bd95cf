"""A report as files: every view of it, and its figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from progbench.files import write_atomically
from progbench.judging.power import of_report
from progbench.report import figures, html, latex, markdown, schema, spreadsheet
from progbench.report.report import Report


def write(report: Report, folder: Path) -> list[Path]:
    """Write report.md, report.html, report.json with its schema, report.tex, CSV files, and the figures as SVG."""
    whole = replace(report, power=report.power or of_report(report.verdicts))
    drawn = {name: figures.draw(name, whole) for name in figures.available(whole)}
    shown = whole.for_others()
    written = {
        "report.md": markdown.render(shown),
        "report.html": html.render(shown, drawn, folder),
        "report.json": json.dumps(whole.as_json(), indent=1, allow_nan=False) + "\n",
        "report.schema.json": json.dumps(schema.schema(), indent=1) + "\n",
        "report.tex": latex.render(shown),
        **spreadsheet.files(shown),
        **drawn,
    }
    for name, content in written.items():
        write_atomically(folder / name, content)
    return [folder / name for name in written]
