"""A report as files: every view of it, and its figures."""

from __future__ import annotations

import json
from pathlib import Path

from progbench.files import write_atomically
from progbench.report import figures, html, latex, markdown, schema, spreadsheet
from progbench.report.report import Report


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
        **spreadsheet.files(shown),
        **drawn,
    }
    for name, content in written.items():
        write_atomically(folder / name, content)
    return [folder / name for name in written]
