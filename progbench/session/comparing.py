"""Which schedules of a suite's tables are compared, and the verdicts on our runs and on the print alone."""

from collections.abc import Iterator, Sequence

from progbench.judging.compared import Compared, Paired, PrintAlone
from progbench.judging.expected import Cell, Table
from progbench.judging.terms import LEAST_SEEDS, Terms
from progbench.session.observing import columns_of
from progbench.session.pairing import Source, paired, printed
from progbench.tasks import catalog


def schedules(table: Table) -> list[tuple[str, str]]:
    """The pairs of schedules that a table compares: Progtuning less fine-tuning, or else less each other schedule.

    A table of counts compares none, and neither does one without Progtuning.
    """
    there = dict.fromkeys(cell.schedule for cell in table.cells if cell.kind != "counted")
    if "shrinking" not in there:
        return []
    others = ["constant"] if "constant" in there else [schedule for schedule in there if schedule != "shrinking"]
    return [("shrinking", other) for other in others]


def of_table(source: Source, table: Table, terms: Terms) -> tuple[list[Compared], list[str]]:
    """The verdicts on a table's schedules, and why some of its tasks or seeds have none.

    A model with its tuning has a verdict for each task, and one for the average if the table prints averages.
    """
    lines: list[Compared] = []
    left_out: list[str] = []
    averaged = any(cell.kind == "derived" for cell in table.cells)
    for left, right in schedules(table):
        bodies: dict[str, list[Paired]] = {}
        for sides in _columns(table, left, right):
            bodies.setdefault(body_of(sides[0]), []).extend(paired(source, sides[:1], sides[1:]))
        left_out += [why for body, tasks in bodies.items() for why in _left_out(body, tasks)]
        if any(task.enough for tasks in bodies.values() for task in tasks):
            from progbench.judging.compare import compare

            lines += compare(table.cells[0].table, left, right, bodies, terms, average=averaged)
    return lines, left_out


def _left_out(body: str, tasks: Sequence[Paired]) -> list[str]:
    """Why some of a body's tasks are not compared: something is wrong with them, or they have too few pairs."""
    reasons = []
    for task in tasks:
        few = f"{len(task.seeds)} paired seeds, and a difference takes {LEAST_SEEDS}"
        said = task.broken or task.notes or (task.seeds and any(other.enough for other in tasks))
        if said and not task.enough:
            reasons += [f"{body}, {task.task}: not compared: {task.missing or few}"]
            reasons += [f"{body}, {note}" for note in task.notes]
    return reasons


def of_print(table: Table, terms: Terms) -> list[PrintAlone]:
    """The print's own verdicts on the averages of a table's schedules."""
    sides = [both for pair in schedules(table) for both in _columns(table, *pair) if both[0].kind == "derived"]
    return [answer for both in sides if (answer := alone(table, *both, terms))]


def alone(table: Table, left: Cell, right: Cell, terms: Terms) -> PrintAlone | None:
    """The print's own verdict on one cell less another; None if one of their columns is not printed."""
    gaps = {column: printed(table, left, right, column) for column, _ in columns_of(left)}
    if None in gaps.values():
        return None
    known = {column: (catalog.task_of(column).name, gap) for column, gap in gaps.items()}
    from progbench.judging.on_print import by_print

    return by_print(left.table, body_of(left), known, terms.spreads, terms.average)


def body_of(cell: Cell) -> str:
    """The model of a cell, with its tuning if that is not full.

    >>> from progbench.judging.expected import Cell
    >>> body_of(Cell(*[""] * 6, "scored", "points", "glue", "bert-base", "lora", "constant", ""))
    'bert-base-lora'
    """
    return cell.model if cell.tuning == "full" else f"{cell.model}-{cell.tuning}"


def _columns(table: Table, left: str, right: str) -> Iterator[tuple[Cell, Cell]]:
    """A table's cells of one schedule, each with the other schedule's; an average replaces its columns."""
    cells = {(body_of(cell), cell.schedule, cell.column): cell for cell in table.cells if not cell.problem}
    for (body, schedule, column), cell in cells.items():
        other = cells.get((body, right, column))
        if schedule != left or other is None or cell.kind == "counted":
            continue
        rows = [sibling for sibling in table.cells if (body_of(sibling), sibling.schedule) == (body, left)]
        means = {column for sibling in rows for column in sibling.mean_of}
        if cell.kind == "derived" or cell.evaluation_set not in means:
            yield cell, other
