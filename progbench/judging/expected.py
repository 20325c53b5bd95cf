"""A table's cells and what is expected of each, read from expected/<suite>/. No torch, no training.

A file has the paper's shape: columns, and rows of printed strings. A suite of our own lists its rows; its values are
the raw scores of reference runs in reference.json.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from progbench import kinds
from progbench.errors import BadInput
from progbench.files import read_toml
from progbench.judging import guards, references
from progbench.judging.references import Reference
from progbench.method.schedule import ours, require_name
from progbench.recipes.recipe import run_id
from progbench.tasks.catalog import task_of, tasks

THEMSELVES = "no reference: these runs are themselves the recorded reference"


@dataclass(frozen=True)
class Expectation:
    """What a cell should be: a printed string, an exact integer, or reference runs; and how near is near enough.

    `not_printed` says where the paper draws it without a number, so that nothing can be expected.
    """

    printed: str = ""
    exact: int | None = None
    reference: Reference | None = None
    margin: float = 0.0
    margin_reason: str = ""
    no_reference: str = "no reference to judge by"
    not_printed: str = ""


@dataclass(frozen=True)
class Cell:
    """One number of a table: the runs that it is read from, and what is expected of it.

    `kind` is "scored" (one metric of one evaluation set), "derived" (the mean of other columns, per seed) or "counted"
    (updated parameters). `file` is the table's file, without its ending. `problem` says why the cell cannot be judged
    at all, for example because its file was edited; `disputed`, why its printed value cannot follow from the paper's
    own equations. `basis` is what a printed count rests on, one of `guards.BASES`, and `basis_words` why.
    """

    id: str
    suite: str
    file: str
    table: str
    row: str
    column: str
    kind: str
    unit: str
    recipe_file: str
    model: str
    tuning: str
    schedule: str
    source: str
    evaluation_set: str = ""
    metric: str = ""
    mean_of: Mapping[str, str] = field(default_factory=dict)
    count_task: str = ""
    expectation: Expectation = Expectation()
    problem: str = ""
    disputed: str = ""
    basis: str = ""
    basis_words: str = ""


@dataclass(frozen=True)
class Table:
    """One file of expected/<suite>/: its cells, or its problem."""

    name: str
    cells: tuple[Cell, ...] = ()
    problem: str = ""


def read(root: Path, suite: str, name: str) -> Table:
    """The table in expected/<suite>/<name>.toml. Never raises for a bad file, which becomes the table's problem."""
    try:
        cells = tuple(_cells(root, suite, name))
    except BadInput as problem:
        return Table(name, problem=str(problem))
    return Table(name, cells)


def _cells(root: Path, suite: str, name: str) -> list[Cell]:
    path = root / suite / f"{name}.toml"
    content = _table(path)
    margins = _margins(root / suite / "tolerance.toml")
    recorded = _recorded(root, suite)
    printed = any("printed" in row for row in content["rows"])
    own = [f"{name}.toml", "tolerance.toml", "disputed.toml", "basis.toml", "reference.json"]
    problem = guards.edited(root / suite, own, printed)
    if "columns_of" in content:
        columns = root / suite / content["columns_of"]
        problem = problem or guards.edited(columns.parent.resolve(), [columns.name], printed)
    disputes = {cell: why for (file, cell), why in guards.disputed(root, suite)["cells"].items() if file == name}
    bases = guards.bases(root, suite)
    bases.require_known(str(path), name, [_row_id(row) for row in content["rows"]])
    cells: dict[str, Cell] = {}
    for row in content["rows"]:
        rests_on = bases.of(name, _row_id(row))
        tuning = row.get("tuning", "full")
        siblings = [other for other in content["rows"] if _body(other) == _body(row)]
        for column_name, column in content["columns"].items():
            cell_id = run_id(row["model"], tuning, row["schedule"], column_name)
            if cell_id in cells:
                raise BadInput(f"{path}: two rows have the cell {cell_id}: one of them would be lost")
            mean_of = {averaged: content["columns"][averaged]["metric"] for averaged in column.get("mean_of", ())}
            metric = row.get("metric", {}).get(column_name, column.get("metric", ""))
            evaluation_set = "" if mean_of or "count" in column else column.get("set", column_name)
            margin = margins.get(column_name if metric == column.get("metric", "") else f"{column_name}/{metric}", {})
            metrics = {} if "count" in column else mean_of or {evaluation_set: metric}
            reference, wrong = _reference(recorded, row, siblings, metrics, root / suite / "reference.json")
            expectation = Expectation(
                printed=row.get("printed", {}).get(column_name, ""),
                exact=row.get("exact", {}).get(column_name),
                reference=reference,
                margin=margin.get("points", 0.0),
                margin_reason=margin.get("reason", ""),
                not_printed=bases.not_printed.get(name, ""),
            )
            counted = "count" in column and bool(expectation.printed)
            if metrics and (reference or expectation.printed) and not margin:
                wrong = f"{root / suite / 'tolerance.toml'}: no margin for {column_name} ({metric or 'the mean'})"
            cells[cell_id] = Cell(
                id=cell_id,
                suite=suite,
                file=name,
                table=content["table"],
                row=row["label"],
                column=column["label"],
                kind="derived" if mean_of else "counted" if "count" in column else "scored",
                unit=_unit(content["unit"], column, expectation),
                recipe_file=content["recipe"],
                model=row["model"],
                tuning=tuning,
                schedule=row["schedule"],
                source=content["source"],
                evaluation_set=evaluation_set,
                metric=metric,
                mean_of=mean_of,
                count_task=column.get("count", {}).get("task", ""),
                expectation=expectation,
                problem=problem or wrong or _unprintable(expectation, cell_id, path),
                disputed=disputes.get(cell_id, ""),
                basis=rests_on[0] if counted else "",
                basis_words=rests_on[1] if counted else "",
            )
    guards.require_known(str(path), set(disputes), set(cells))
    return list(cells.values())


def _unit(unit: str, column: dict, expectation: Expectation) -> str:
    """What a cell is measured in; an unprinted count among points is one of parameters."""
    if expectation.exact is not None:
        return "parameters"
    counted = "count" in column and unit == "points" and not expectation.printed
    return column.get("unit", "parameters" if counted else unit)


def _row_id(row: dict) -> str:
    return run_id(row["model"], row.get("tuning", "full"), row["schedule"], "").removesuffix("-")


def _body(row: dict) -> tuple[str, str]:
    """What rows must share to pool their spreads: the model and what of it trains."""
    return row["model"], row.get("tuning", "full")


def _recorded(root: Path, suite: str) -> dict[str, Any] | BadInput:
    """The suite's references; an unreadable file of them is no problem of counts."""
    try:
        return references.read(root, suite)
    except BadInput as problem:
        return problem


def _reference(
    recorded: dict[str, Any] | BadInput, row: dict, siblings: list[dict], metrics: Mapping[str, str], path: Path
) -> tuple[Reference | None, str]:
    """A scored cell's reference, and its problem, which is its cells' and no other's."""
    if not metrics or not recorded:
        return None, ""
    if isinstance(recorded, BadInput):
        return None, str(recorded)
    try:
        return references.of_row(recorded, row, siblings, metrics, path), ""
    except BadInput as problem:
        return None, str(problem)


_TABLE = dict.fromkeys(("table", "source", "recipe"), kinds.TEXT) | {
    "unit": kinds.choice("points", "parameters", "M parameters"),
    "columns": ("a table of columns", lambda value: isinstance(value, dict) and bool(value)),
    "rows": kinds.TABLES,
}
_ROW = dict.fromkeys(("model", "schedule", "label"), kinds.TEXT)
_BY_COLUMN = {
    "printed": kinds.ANY_TEXT,  # one that is no number is its own cell's problem
    "exact": kinds.whole(0, 10**15),
    "metric": kinds.TEXT,
}
_COLUMN = {
    "metric": kinds.TEXT,
    "set": kinds.TEXT,
    "mean_of": kinds.TEXTS,
    "count": kinds.TABLE,
    "unit": _TABLE["unit"],
    "reason": kinds.TEXT,
}


def _table(path: Path) -> dict[str, Any]:
    """A table's file. Raises BadInput for one of another shape."""
    content = read_toml(path)
    if "columns_of" in content:
        kinds.require(content["columns_of"], kinds.TEXT, f"{path}: columns_of")
        if "columns" in content:
            raise BadInput(f"{path}: columns and columns_of: allowed is one of them")
        content = content | {"columns": read_toml(path.parent / content["columns_of"]).get("columns")}
    kinds.fields(content, str(path), _TABLE, {"columns_of": kinds.TEXT, "caption": kinds.TEXT})
    columns = content["columns"]
    for name, column in columns.items():
        _require_column(name, column, columns, f"{path}: column {name}")
    for number, row in enumerate(content["rows"], start=1):
        where = f"{path}: row {number}"
        kinds.fields(row, where, _ROW, {"tuning": kinds.TEXT} | dict.fromkeys(_BY_COLUMN, kinds.TABLE))
        require_name(row["schedule"], where)
        for group, kind in _BY_COLUMN.items():
            for name, value in row.get(group, {}).items():
                if name not in columns:
                    raise BadInput(f"{where} ({row['label']}): {group} has the unknown column {kinds.shown(name)}")
                kinds.require(value, kind, f"{where} ({row['label']}): {group} of {name}")
                if group == "metric":
                    _require_metric(columns[name].get("set", name), value, f"{where} ({row['label']})")
    return content | {"rows": [row | {"schedule": ours(row["schedule"])} for row in content["rows"]]}


def _require_column(name: str, column: Any, columns: dict[str, Any], where: str) -> None:
    """Raise BadInput unless a column is a metric, a count, or a mean of columns with a metric."""
    kinds.fields(column, where, {"label": kinds.TEXT}, _COLUMN)
    if len({"metric", "count", "mean_of"} & set(column)) != 1:
        raise BadInput(f"{where}: one of metric, count and mean_of must say what it holds")
    if "metric" in column:
        _require_metric(column.get("set", name), column["metric"], where)
    if "count" in column:
        kinds.fields(column["count"], f"{where}: count", {"task": kinds.choice(*tasks())})
    for averaged in column.get("mean_of", ()):
        if not isinstance(columns.get(averaged), dict) or "metric" not in columns[averaged]:
            raise BadInput(f"{where}: mean_of names {kinds.shown(averaged)}, which is no column with a metric")


def _require_metric(evaluation_set: str, metric: str, where: str) -> None:
    try:
        known = task_of(evaluation_set).metrics
    except BadInput as problem:
        raise BadInput(f"{where}: {kinds.shown(evaluation_set)}: {problem}") from None
    kinds.require(metric, kinds.choice(*known), f"{where}: metric of {evaluation_set}")


_MARGIN = {"points": kinds.number("from 0 to 100", lambda x: 0 <= x <= 100), "reason": kinds.TEXT}
_RESTS_ON = {  # the numbers that a margin of the paper's follows from, which a test recomputes
    "kind": kinds.TEXT,
    "score": kinds.number("", lambda x: True),
    "examples": kinds.whole(1, 10**9),
    "positives": kinds.whole(1, 10**9),
    "seeds": kinds.TABLE,
    "of": kinds.TEXTS,
}


def _margins(path: Path) -> dict[str, dict[str, Any]]:
    """The margins in tolerance.toml, by column; empty if a suite has no such file."""
    if not path.is_file():
        return {}
    content = kinds.fields(read_toml(path), str(path), {"margin": kinds.TABLE})
    for column, margin in content["margin"].items():
        kinds.fields(margin, f"{path}: margin {column}", _MARGIN, _RESTS_ON)
    return content["margin"]


def _unprintable(expectation: Expectation, cell_id: str, path: Path) -> str:
    if expectation.printed and not kinds.PRINTED[1](expectation.printed):
        return f"{path}: {cell_id} prints {kinds.shown(expectation.printed)}, which is not a number"
    return ""
