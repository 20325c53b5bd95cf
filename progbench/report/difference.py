"""Two folders of results side by side, for a terminal, as Markdown, HTML and JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from markupsafe import Markup

from progbench.files import write_atomically
from progbench.judging.against import CHANGED, UNDECIDED, WITHIN, Change, Difference
from progbench.report import cells, html, markdown, text
from progbench.report.grids import Grid

SCHEMA_VERSION = 1
MOST = 3  # values of a field that are listed
LINES = 10  # of what a terminal lists to give an idea: differences within chance, and times
_TITLES = {
    CHANGED: "Changed beyond chance",
    UNDECIDED: "Undecided: no seed was repeated, so there is no spread to judge by",
    WITHIN: "Within chance, by p and then by size",
}
_TIMES = "Step time and peak memory, first as a multiple of second, the slowest first"


def as_text(found: Difference) -> str:
    """For a terminal, in 100 columns; of what is within chance, and of times, only the first few are listed."""
    lines = [*text.wrapped(found.headline), *(line for note in _notes(found) for line in text.wrapped(note))]
    for table in _tables(found):
        shown = table.rows[:LINES] if table.title in (_TITLES[WITHIN], _TIMES) else table.rows
        more = [f"and {len(table.rows) - len(shown)} more"] if len(shown) < len(table.rows) else []
        lines += ["", table.title, text.grid(shown, table.headers, table.align), *more]
    for title, names in _lists(found):
        lines += ["", *text.wrapped(title), *(line for name in names for line in text.wrapped(name, "    ", "  "))]
    return "\n".join(lines)


def as_markdown(found: Difference) -> str:
    """For a code host or a note."""
    return html.filled("difference.md", markdown.escape, **_shown(found), grid=_pipes)


def as_html(found: Difference) -> str:
    """As one file: no script, nothing fetched."""
    return html.page("difference.html", title=f"progbench: {found.headline}", **_shown(found))


def write(found: Difference, folder: Path) -> list[Path]:
    """Write difference.md, difference.html and difference.json, which has every score, the bit-identical ones too."""
    content = {"schema_version": SCHEMA_VERSION, "headline": found.headline, **asdict(found)}
    written = {
        "difference.md": as_markdown(found),
        "difference.html": as_html(found),
        "difference.json": json.dumps(content, indent=1, allow_nan=False) + "\n",
    }
    for name, page in written.items():
        write_atomically(folder / name, page)
    return [folder / name for name in written]


def _shown(found: Difference) -> dict[str, object]:
    return {"found": found, "notes": _notes(found), "tables": _tables(found), "lists": _lists(found)}


def _pipes(table: Grid) -> Markup:
    return Markup(markdown.grid(table.rows, table.headers, table.align))


def _notes(found: Difference) -> list[str]:
    notes = [f"First: {found.folders[0]}. Second: {found.folders[1]}. Differences are first less second, in points."]
    if others := sorted({one.recipe for one in found.changes if one.digests[0] != one.digests[1]}):
        notes.append(
            f"{len(others)} recipes (or SCORES_VERSION) differ between the two, so that a change may be meant: "
            f"{', '.join(others[:MOST])}{' and others' if len(others) > MOST else ''}."
        )
    if unlike := [name for name in ("data", "weights") if name in found.environment]:
        notes.append(f"The two were made on unlike {' and '.join(unlike)}, so that a change may be theirs.")
    for what, (first, second) in found.doubtful.items():
        notes.append(f"{first} results of the first and {second} of the second are {what}.")
    return notes


def _tables(found: Difference) -> list[Grid]:
    suites = {one.recipe.partition("/")[0] for one in found.ratios}
    suite = f"{suites.pop()}/" if len(suites) == 1 else ""
    headers = ("score", "first", "second", "difference [95 %]", "p")
    tables = []
    for outcome, title in _TITLES.items():
        chosen = [one for one in found.changes if one.outcome == outcome]
        chosen.sort(key=lambda one: (1.0 if one.p is None else one.p, -abs(one.difference)))
        rows = [_row(one, suite) for one in chosen]
        tables.append(Grid(headers, rows, "left right right right right", title))
    slower = []
    for one in sorted(found.ratios, key=lambda one: -(one.step_seconds or 0.0)):
        ratios = (cells.number(ratio, ".2f") or "unknown" for ratio in (one.step_seconds, one.memory))
        slower.append([one.recipe.removeprefix(suite), *ratios])
    tables.append(Grid(("recipe", "step time", "peak memory"), slower, "left right right", _TIMES))
    about = [[name, *map(_values, sides)] for name, sides in found.environment.items()]
    tables.append(Grid(("differs in", "first", "second"), about, "left left left", "Where they were made"))
    return [table for table in tables if table.rows]


def _lists(found: Difference) -> list[tuple[str, list[str]]]:
    """What there is to show as lists: title and lines."""
    lists = [(f"Only in {folder}", [*only]) for folder, only in zip(found.folders, found.only, strict=True)]
    for folder, errors in zip(found.folders, found.errors, strict=True):
        lists.append((f"Errors in {folder}", [f"{name}: {why}" for name, why in errors.items()]))
    return [one for one in lists if one[1]]


def _row(one: Change, suite: str) -> list[str]:
    interval = "" if one.low is None else f" [{one.low:+z.2f}, {one.high:+z.2f}]"
    means = [
        f"{mean:.2f}{f' ± {sd:.2f}' if sd is not None else ''} ({seeds})"
        for mean, sd, seeds in zip(one.means, one.sds, one.seeds, strict=True)
    ]
    name = f"{one.recipe.removeprefix(suite)} {one.score}"
    return [name, *means, f"{one.difference:+z.2f}{interval}", cells.number(one.p, ".3f")]


def _values(values: Sequence[str]) -> str:
    shown = ", ".join(values[:MOST])
    return shown if len(values) <= MOST else f"{shown} and {len(values) - MOST} more"
