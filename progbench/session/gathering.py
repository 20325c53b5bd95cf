"""What a session's tests find: a verdict as a test's outcome, and all of them as a report, also those not reached."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from progbench.errors import BadInput
from progbench.judging import claims, verdict
from progbench.judging.claims import Claim, ClaimVerdict
from progbench.judging.expected import Cell
from progbench.judging.verdict import Variant, Verdict
from progbench.recipes.recipe import Recipe
from progbench.report.cells import junit_properties
from progbench.report.report import Report
from progbench.session import reporting
from progbench.session.suite import Suite

CLAIMS = "claims"  # in the place of a table's name: the test is for a claim
Found = tuple[str, Any]
_OUTCOMES = {  # of cells, and of claims
    "reproduced": "passed",
    "consistent": "passed",
    "deviates": "failed",
    "error": "failed",
    "disputed": "xfailed",
    "missing": "skipped",
    "unjudged": "skipped",
    "not printed": "skipped",
    "inconclusive": "skipped",
    "holds": "passed",
    "within noise": "skipped",
    "does not hold": "failed",
    "undecided": "skipped",
}
_IS = ("within noise", "undecided")  # what an answer is, where the others are what a sentence does


def to_train(suite: Suite, asked: Iterable[Cell | Claim], tables: Iterable[str], *, variants: bool) -> list[Recipe]:
    """The recipes that `asked` needs, as far as these tables' cells are judged by them.

    So a verdict depends neither on the order of tables nor on other processes. A cell that nobody asked for is judged
    by the results on file.
    """
    wanted = suite.needed(*asked, variants=variants)
    here = suite.needed(*(cell for table in tables for cell in suite.table(table).cells), variants=variants)
    return [recipe for name, recipe in wanted.items() if name in here]


def properties_of(suite: Suite, cell: Cell, judged: Verdict, variants: Iterable[Variant] | None) -> list[Found]:
    """What a cell's test hands to the session, which may be another process: names and plain values."""
    warnings = suite.warnings(cell) if judged.observed is not None else ()
    return [
        ("progbench", asdict(judged)),
        *junit_properties(judged).items(),
        *(("progbench-warning", warning) for warning in warnings),
        *([] if variants is None else [("progbench-variants", [asdict(variant) for variant in variants])]),
    ]


def properties_of_claim(judged: ClaimVerdict) -> list[Found]:
    """What a claim's test hands to the session."""
    return [("progbench-claim", asdict(judged))]


def to_property(name: str, value: Any) -> Found:
    """A property as JUnit files can hold it: ours in JSON, others unchanged.

    >>> to_property("progbench", {"n": 5}), to_property("verdict.n", "5")
    (('progbench', '{"n": 5}'), ('verdict.n', '5'))
    """
    return name, json.dumps(value) if name.startswith("progbench") else value


def from_property(name: str, value: Any) -> Found:
    """The property behind `to_property`.

    >>> from_property("progbench", '{"n": 5}')
    ('progbench', {'n': 5})
    """
    return name, json.loads(value) if name.startswith("progbench") and isinstance(value, str) else value


def of_cell(verdict: Verdict) -> tuple[str, str]:
    """The outcome of a cell's test, and its words.

    >>> from progbench.judging.verdict import unreadable
    >>> of_cell(unreadable("table1", "malformed"))
    ('failed', 'error: malformed')
    """
    words = verdict.sentence if verdict.outcome == "disputed" else f"{verdict.outcome}: {verdict.sentence}"
    return _OUTCOMES[verdict.outcome], words


def of_claim(verdict: ClaimVerdict) -> tuple[str, str]:
    """The outcome of a claim's test, and its words: the answer of the print, and that of our runs.

    >>> from progbench.judging.claims import unreadable
    >>> of_claim(unreadable("malformed"))[0]
    'failed'
    """
    said = f"is {verdict.on_print}" if verdict.on_print in _IS else verdict.on_print
    ours = "by counting" if verdict.by_counts else "on our runs"
    words = f"{ours}: {verdict.our_words}"
    words = f"on the print it {said}: {verdict.print_words}; {words}" if verdict.printed else words
    lead = f"{verdict.disputed}; " if verdict.outcome == "disputed" else f"{verdict.outcome}: "
    return _OUTCOMES[verdict.outcome], lead + words


class Gathered:
    """The verdicts of one session's tests, by test; a test is whatever its runner calls it.

    `select` names the tests, and the table and cell, or CLAIMS and the claim, that each is for. `add` takes what a test
    hands over (`properties_of`), and `fail` the message of a test without a verdict. A cell counts once, also under
    pytest-repeat's --count.
    """

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.selected: dict[str, tuple[str, str]] = {}
        self._judged: dict[str, Verdict | ClaimVerdict] = {}
        self._failures: dict[str, str] = {}
        self._variants: dict[Variant, None] = {}
        self._warnings: dict[str, None] = {}

    def select(self, test: str, table: str, name: str) -> None:
        self.selected[test] = (table, self._known(table, name))

    def add(self, test: str, name: str, value: Any) -> None:
        """Take one property of a test, however often it comes; other plugins' are passed over."""
        if name == "progbench":  # JSON has made lists of its tuples
            fields = {field: tuple(one) if isinstance(one, list) else one for field, one in value.items()}
            self._judged[test] = Verdict(**fields)
        elif name == "progbench-claim":
            self._judged[test] = ClaimVerdict(**value)
        elif name == "progbench-variants":
            self._variants |= dict.fromkeys(Variant(**each) for each in value)
        elif name == "progbench-warning":
            self._warnings[value] = None

    def fail(self, test: str, message: str) -> None:
        """Note why a test failed, unless its verdict says it."""
        if test not in self._judged:
            self._failures[test] = message

    def unread(self) -> list[str]:
        """The problems of unreadable files without a selected test: a cell that was asked for by name may be in one."""
        problems = {name: self.suite.table(name).problem for name in self.suite.tables()}
        if isinstance(known := self.suite.claims(), BadInput):
            problems[CLAIMS] = str(known)
        selected = {table for table, _ in self.selected.values()}
        return list(dict.fromkeys(problem for name, problem in problems.items() if problem and name not in selected))

    def cells(self) -> list[Cell]:
        """The cells that the selected tests are for, each once."""
        wanted = dict.fromkeys(self.selected.values())
        return [cell for table, name in wanted if table != CLAIMS for cell in self._there(table) if cell.id == name]

    def report(self) -> Report:
        """Every selected cell and claim, judged or not, with the runs behind them."""
        verdicts: list[Verdict] = []
        on_claims: list[ClaimVerdict] = []
        tests: dict[tuple[str, str], str] = {}  # of each cell or claim the test that says most: a verdict, or a failure
        for test, subject in self.selected.items():
            both = (tests.setdefault(subject, test), test)
            tests[subject] = max(both, key=lambda one: (one in self._judged, one in self._failures))
        for (table, name), test in tests.items():
            judged, failure = self._judged.get(test), self._failures.get(test, "")
            there = [one for one in self._there(table) if one.id == name]
            if isinstance(judged, ClaimVerdict):
                on_claims.append(judged)
            elif judged:
                verdicts.append(judged)
            elif table == CLAIMS and isinstance(known := self.suite.claims(), BadInput):
                on_claims.append(claims.unreadable(str(known)))
            elif table == CLAIMS:
                on_claims += [claims.not_judged(claim, failure) for claim in there]
            elif failure:
                verdicts.append(verdict.error(there[0], failure) if there else verdict.unreadable(name, failure))
            elif there:
                verdicts.append(verdict.missing(there[0], "session stopped before this cell"))
        return reporting.assembled(self.suite, self.cells(), verdicts, self._warnings, list(self._variants), on_claims)

    def _there(self, table: str) -> Sequence[Any]:
        """A table's cells, or the claims; none where that file cannot be read."""
        known = self.suite.claims() if table == CLAIMS else self.suite.table(table).cells
        return [] if isinstance(known, BadInput) else known

    def _known(self, table: str, name: str) -> str:
        """The cell or claim that a test's id means: another plugin may have added words before or behind it."""
        names = [one.id for one in self._there(table)]
        meant = [candidate for candidate in names if name.startswith(f"{candidate}-") or name.endswith(f"-{candidate}")]
        return name if name in names else max(meant, key=len, default=name)
