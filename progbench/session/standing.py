"""How the question stands without a run of one's own: what the paper prints, what counting gives, what is recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from progbench.files import temporary_folder
from progbench.recipes import reading
from progbench.report.report import Report
from progbench.session import reporting
from progbench.session.contrasts import contrasts, recorded
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
        others = [_recorded(Suite(name, answers, Path(folder) / "runs", train=False)) for name in reading.suites()]
    return Standing(printed, tuple(one for one in others if one.contrasts and one.suite != suite))


def _recorded(suite: Suite) -> Report:
    cells = [cell for name in suite.tables() for cell in suite.table(name).cells if cell.expectation.reference]
    found = contrasts(suite, cells, observed=recorded)
    return replace(Report(suite.name, [], {}), contrasts=found, purpose=suite.purpose)
