"""The paper's tables as it prints them: verdicts in rows, columns and spans. Layouts are data: tables.toml."""

import shlex
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from progbench.files import read_toml
from progbench.judging.expected import THEMSELVES
from progbench.judging.verdict import Verdict
from progbench.recipes.recipe import split_id
from progbench.report import cells

BOLD = "Bold: the best mean of the rows that are compared, which says nothing of chance."


@dataclass(frozen=True)
class Row:
    """One printed row. `span` is how many rows its first stub stands for, 0 where the stub above does.

    `first` is whether a new group of rows, which are compared with each other, begins here.
    """

    stubs: tuple[str, ...]
    cells: tuple[Verdict | None, ...]
    group: tuple[str, str]
    span: int = 1
    first: bool = False


@dataclass(frozen=True)
class PrintedTable:
    """A table of the paper, with this session's verdicts in its places; None where a cell was not asked for.

    `waiting` says which command fills it where nothing of it was run, `recording` which one makes that a reference:
    none for a suite from a person's own folder.
    """

    name: str
    caption: str
    note: str
    stubs: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    unlike: frozenset[str] = frozenset()
    waiting: str = ""
    recording: str = ""

    @property
    def alone(self) -> str:
        """Where there is nothing to compare ours with: why, or which command records that; else, or if none, ""."""
        ran = [one for row in self.rows for one in row.cells if one and one.observed is not None]
        if any(one and one.expected is not None for row in self.rows for one in row.cells) or not ran:
            return ""
        if any(one.sentence.startswith(THEMSELVES) for one in ran):
            return "There is nothing to compare it with: these runs are themselves the recorded reference."
        return f"There is nothing yet to compare it with. {self.recording}" if self.recording else ""

    @property
    def run(self) -> bool:
        """Whether there is a number of ours in it."""
        return any(one and one.observed is not None for row in self.rows for one in row.cells)

    def best(self, quantity: str) -> set[tuple[int, int]]:
        """Where the best scores stand, as (row, column), by "expected" or "observed": in each group of a column.

        Counts have no best, nor what seeds an error left, nor a group in which only one row has a value.
        """
        found = set()
        for j, column in enumerate(self.columns):
            groups: dict[tuple[str, str], dict[int, float | None]] = {}
            for i, row in enumerate(self.rows):
                cell = row.cells[j]
                if cell and cell.kind != "counted" and cell.outcome != "error" and column not in self.unlike:
                    groups.setdefault(row.group, {})[i] = getattr(cell, quantity)
            for group in groups.values():
                # of two that look alike, neither is the better
                values = {i: round(value, 2) for i, value in group.items() if value is not None}
                if len(values) > 1:
                    found |= {(i, j) for i, value in values.items() if value == max(values.values())}
        return found


def printed_tables(suite: str, verdicts: Sequence[Verdict], folder: str = "") -> list[PrintedTable]:
    """The tables among these verdicts that the paper prints as tables; its figures are not among them.

    `folder` is the included one that the suite is from, "" for a suite of the project.
    """
    layouts = read_toml(Path(__file__).with_suffix(".toml"))
    names = sorted({one.table for one in verdicts} & set(layouts))
    own = layouts.get(suite, {})
    asked = f"--suite {suite}" + (f" --include {shlex.quote(folder)}" if folder else "")
    record = "" if folder else "This records these runs as our reference: pytest benchmarks {} --update-reference"
    return [
        _table(asked, record, name, layouts[name], own.get(name, {}), [one for one in verdicts if one.table == name])
        for name in names
    ]


@dataclass(frozen=True)
class Shown:
    """A place of a table in one view: its text, whether it is the best of its group, and the verdict behind it."""

    text: str
    best: bool
    verdict: Verdict | None


@dataclass(frozen=True)
class View:
    """A table as expected ("paper" or "reference"), as "ours", or as "difference": a line of places for each row."""

    name: str
    title: str
    lines: tuple[tuple[Shown, ...], ...]


def views(table: PrintedTable, yardstick: str) -> list[View]:
    """The three views of a table; `yardstick` names what it is compared with.

    A view that would have no number in it is left out.
    """

    def view(name: str, title: str, write: Callable[[Verdict], str], quantity: str = "") -> View:
        best = table.best(quantity) if quantity else set()
        lines = [
            [Shown(write(one) if one else "", (i, j) in best, one) for j, one in enumerate(row.cells)]
            for i, row in enumerate(table.rows)
        ]
        return View(name, title, tuple(map(tuple, lines)))

    def ours(one: Verdict) -> str:
        return f"{cells.observed(one)} {cells.spread(one)}".strip()

    expected = view("expected", "As printed" if yardstick == "paper" else "Our reference", cells.expected, "expected")
    known = any(shown.text for line in expected.lines for shown in line)
    if not table.run:
        return [expected] if known else []
    scored = any(one and one.kind != "counted" for row in table.rows for one in row.cells)
    own = view("ours", "Ours: mean ± sd (seeds)" if scored else "Ours: counted", ours, "observed")
    return (
        [expected, own, view("difference", f"Difference: ours less {yardstick}", cells.difference)] if known else [own]
    )


def _table(suite: str, record: str, name: str, layout: dict, own: dict, verdicts: Sequence[Verdict]) -> PrintedTable:
    datasets = (*layout.get("datasets", ()), "")  # what belongs to none is printed, too
    of = {one.cell: next(name for name in datasets if one.column.startswith(name)) for one in verdicts}
    models = Counter(row.rpartition(" ")[0] for row in {one.row for one in verdicts})
    # a label of the project's suites, which have a `record`, ends with its method; a person's own is not known
    shared = {model for model, count in models.items() if model and (record or count > 1)}
    columns: dict[str, None] = {}
    rows: list[tuple[tuple[str, ...], tuple[str, str], dict[str, Verdict]]] = []
    for dataset in datasets:
        for verdict in (one for one in verdicts if of[one.cell] == dataset):
            column = verdict.column.removeprefix(dataset).strip()
            if verdict.unit == "parameters":  # suites of ours have the paper's columns, and exact counts
                column = column.removesuffix(" (M)")
            columns[column] = None
            stubs = _stubs(verdict.row, dataset, len(layout["stubs"]), shared)
            # two cells of one row and column, as a badly labelled suite may have, are both shown
            place = next((places for found, _, places in rows if found == stubs and column not in places), None)
            if place is None:
                place = {}
                rows.append((stubs, (dataset, split_id(verdict.cell)[0]), place))
            place[column] = verdict
    unlike = own.get("unlike", {})
    asked = f"-m {layout['mark']} {suite}"
    return PrintedTable(
        name=name,
        caption=own.get("caption", ""),
        note=" ".join(unlike.values()),
        stubs=tuple(layout["stubs"]),
        columns=tuple(columns),
        rows=tuple(_spanned([Row(stubs, tuple(map(places.get, columns)), group) for stubs, group, places in rows])),
        unlike=frozenset(unlike),
        waiting=f"None of its {len(verdicts)} cells was run. This runs them: progbench reproduce {asked}",
        recording=record.format(asked),
    )


def _stubs(label: str, dataset: str, count: int, shared: Set[str]) -> tuple[str, ...]:
    """The first texts of a row. A label is split before its last word only where the words before it are `shared`."""
    if count == 1:
        return (label,)
    if dataset:
        return (dataset, label)
    model, _, method = label.rpartition(" ")
    return (model, method) if model in shared else (label, "")


def _spanned(rows: Sequence[Row]) -> list[Row]:
    found = []
    for i, row in enumerate(rows):
        above = rows[i - 1] if i else None
        first = above is None or above.group != row.group
        continues = len(row.stubs) > 1 and above is not None and above.stubs[0] == row.stubs[0]
        below = next((j for j in range(i + 1, len(rows)) if rows[j].stubs[0] != row.stubs[0]), len(rows))
        span = 0 if continues else below - i if len(row.stubs) > 1 else 1
        found.append(Row(row.stubs, row.cells, row.group, span, first and i > 0))
    return found
