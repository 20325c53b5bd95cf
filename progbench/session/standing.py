"""How the question stands without a run of one's own: what the paper prints, what counting gives, what is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from progbench.files import temporary_folder
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.report.report import Report
from progbench.session import reference, reporting
from progbench.session.contrasts import contrasts
from progbench.session.suite import Suite


@dataclass(frozen=True)
class Standing:
    """A report on a paper's print, and one for each suite of our own whose reference runs are recorded."""

    printed: Report
    recorded: tuple[Report, ...]


def standing(answers: Path, suite: str = "paper") -> Standing:
    """The state of a suite that has printed values, and of all others that have references. Trains nothing.

    A suite of random models is left out: it asks nothing of the paper.
    """
    with temporary_folder() as folder:  # without a result in it
        printed = reporting.report(Suite(suite, answers, Path(folder) / "runs", seeds=None, train=False))
    names = [name for name in reading.suites() if name != suite]
    others = [_recorded(reference.on_copies(answers, name)) for name in names]
    return Standing(printed, tuple(report for report in others if report.contrasts))


def _recorded(suite: Suite) -> Report:
    """What the recorded runs of a suite answer; a report without contrasts where they do not."""
    tables = [suite.table(name) for name in suite.tables()]
    cells = [cell for table in tables for cell in table.cells if not spec(cell.model).random]
    differences, *_ = reporting.compared(suite, cells)
    ledger = reporting.behind(suite, cells)
    answered = [contrast for contrast in contrasts(suite, cells, differences) if contrast.mean is not None]
    return Report(suite.name, [], {}, ledger=ledger, contrasts=answered, purpose=suite.purpose)
