"""What a session's tests find, gathered test by test, and the report on all of them, also those not reached."""

import json
from collections.abc import Callable, Iterable
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


def to_train(suite: Suite, asked: Iterable[Cell | Claim], tables: Iterable[str], *, variants: bool) -> list[Recipe]:
    """The recipes that `asked` needs, as far as these tables' cells are judged by them.

    So a verdict depends neither on the order of tables nor on other processes. A cell that nobody asked for is judged
    by the results on file.
    """
    wanted: dict[str, Recipe] = {}
    for item in asked:
        wanted |= suite.needed(item, variants=variants and isinstance(item, Cell))
    cells = [cell for table in dict.fromkeys(tables) for cell in suite.table(table).cells]
    here = {name for cell in cells for name in suite.needed(cell, variants=variants)}
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


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of one of our dataclasses; JSON has made lists of its tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


class Gathered:
    """The verdicts of one session's tests, by test; a test is whatever its runner calls it.

    `select` names the tests, and the table and cell, or CLAIMS and the claim, that each is for. `add` takes what a test
    hands over (`properties_of`), and `fail` the message of a test without a verdict. A cell counts once, also under
    pytest-repeat's --count.
    """

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.selected: dict[str, tuple[str, str]] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._claims: dict[str, ClaimVerdict] = {}
        self._variants: dict[str, list[Variant]] = {}
        self._failures: dict[str, str] = {}
        self._warnings: dict[str, None] = {}

    def select(self, test: str, table: str, name: str) -> None:
        self.selected[test] = (table, self._known(table, name))

    def add(self, test: str, name: str, value: Any) -> None:
        """Take one property of a test, however often it comes; other plugins' are passed over."""
        takers: dict[str, Callable[[Any], None]] = {
            "progbench": lambda content: self._verdicts.update({test: Verdict(**_plain(content))}),
            "progbench-claim": lambda content: self._claims.update({test: ClaimVerdict(**content)}),
            "progbench-warning": lambda warning: self._warnings.update({warning: None}),
            "progbench-variants": lambda content: self._variants.update({test: [Variant(**each) for each in content]}),
        }
        if name in takers:
            takers[name](value)

    def fail(self, test: str, message: str) -> None:
        """Note why a test failed, unless its verdict says it."""
        if test not in self._verdicts and test not in self._claims:
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
        return list({(cell.file, cell.id): cell for cell in self._cells().values()}.values())

    def report(self) -> Report:
        """Every selected cell and claim, judged or not, with the runs behind them."""
        variants = list(dict.fromkeys(variant for variants in self._variants.values() for variant in variants))
        return reporting.assembled(
            self.suite, self.cells(), self._all_verdicts(), self._warnings, variants, self._all_claims()
        )

    def _known(self, table: str, name: str) -> str:
        """The cell or claim that a test's id means: another plugin may have added words before or behind it."""
        if table == CLAIMS:
            known = self.suite.claims()
            names = [] if isinstance(known, BadInput) else [claim.id for claim in known]
        else:
            names = [cell.id for cell in self.suite.table(table).cells]
        if name in names:
            return name
        meant = [candidate for candidate in names if name.startswith(f"{candidate}-") or name.endswith(f"-{candidate}")]
        return max(meant, key=len, default=name)

    def _subjects(self) -> dict[tuple[str, str], str]:
        """Each tested cell or claim, with the test that says most of it: one with a verdict, else one that failed."""
        tests: dict[tuple[str, str], str] = {}
        for test, subject in self.selected.items():
            best = tests.setdefault(subject, test)
            if self._says(test) > self._says(best):
                tests[subject] = test
        return tests

    def _says(self, test: str) -> int:
        return 2 * (test in self._verdicts or test in self._claims) + (test in self._failures)

    def _cells(self) -> dict[str, Cell]:
        """The selected cells by test."""
        by_test: dict[str, Cell] = {}
        for test, (table, name) in self.selected.items():
            cells = () if table == CLAIMS else self.suite.table(table).cells
            by_test.update((test, cell) for cell in cells if cell.id == name)
        return by_test

    def _all_verdicts(self) -> list[Verdict]:
        cells, verdicts = self._cells(), []
        for (table, name), test in self._subjects().items():
            failure = self._failures.get(test)
            if test in self._verdicts:
                verdicts.append(self._verdicts[test])
            elif test in cells and failure:
                verdicts.append(verdict.error(cells[test], failure))
            elif test in cells:
                verdicts.append(verdict.missing(cells[test], "session stopped before this cell"))
            elif failure and table != CLAIMS:
                verdicts.append(verdict.unreadable(name, failure))
        return verdicts

    def _all_claims(self) -> list[ClaimVerdict]:
        """The verdicts on claims, also on those that failed to be judged or were not reached."""
        known = self.suite.claims()
        verdicts = []
        for (table, name), test in self._subjects().items():
            if test in self._claims:
                verdicts.append(self._claims[test])
            elif table == CLAIMS and isinstance(known, BadInput):
                verdicts.append(claims.unreadable(str(known)))
            elif table == CLAIMS:
                failure = self._failures.get(test, "")
                verdicts += [claims.not_judged(claim, failure) for claim in known if claim.id == name]
        return verdicts
