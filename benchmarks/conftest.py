"""The only place that knows pytest: options, the fixtures, and the report at the end of every session."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from progbench import environment
from progbench.errors import BadInput
from progbench.judging import verdict
from progbench.judging.claims import Claim, ClaimVerdict, not_judged, unreadable
from progbench.judging.expected import Cell
from progbench.judging.verdict import Variant, Verdict
from progbench.recipes import reading
from progbench.report import text, writing
from progbench.report.cells import junit_properties
from progbench.report.report import Report
from progbench.report.speed import Speed
from progbench.session import reference, reporting
from progbench.session.suite import Suite

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = ROOT / "expected"
SUITE = pytest.StashKey[Suite]()
FOLDERS = ("GLUE_DIR", "SQUAD_DIR", "PROGBENCH_MODELS")


def pytest_addoption(parser):
    group = parser.getgroup("progbench", "does the paper reproduce?")
    group.addoption("--suite", choices=reading.suites(), default="paper", help="which suite to judge (default: paper)")
    group.addoption("--seeds", type=int, metavar="N", help="seeds 0 to N-1 (default: the suite's own number)")
    group.addoption("--device", choices=("cpu", "cuda", "auto"), help="where to train (default: the suite's own)")
    group.addoption("--variants", action="store_true", help="also run the recipes' variants and show which is closest")
    group.addoption("--no-train", action="store_true", help="judge the results that exist and train nothing")
    group.addoption("--runs", type=Path, metavar="DIR", default=ROOT / "runs", help="where results are kept")
    group.addoption("--report", type=Path, metavar="DIR", help="also write the report there: report.html and more")
    group.addoption("--require-gpu", action="store_true", help="refuse to start without a GPU")
    group.addoption("--update-reference", action="store_true", help="record this session's runs as our own reference")


def pytest_configure(config):
    options = config.option
    for variable in FOLDERS:
        if (folder := os.environ.get(variable)) and not Path(folder).is_dir():
            raise pytest.UsageError(f"{variable} is set to {folder}, which is not a folder")
    if options.seeds is not None and options.seeds < 1:
        raise pytest.UsageError(f"--seeds {options.seeds}: at least 1")
    if options.require_gpu and not environment.gpu_count():
        raise pytest.UsageError("--require-gpu: the CUDA driver shows this process no GPU")
    seeds = options.seeds or 0
    if options.update_reference:
        if options.suite == "paper":
            raise pytest.UsageError("--update-reference: the paper's numbers are the paper's; only own suites have one")
        seeds = seeds or reference.REFERENCE_SEEDS
        if not hasattr(config, "workerinput"):
            try:
                reference.refuse_dirty_tree(ROOT)
            except BadInput as problem:
                raise pytest.UsageError(f"--update-reference: {problem}") from None
    for option, folder in (("--runs", options.runs), ("--report", options.report)):
        if folder and folder.exists() and not folder.is_dir():
            raise pytest.UsageError(f"{option} {folder}: not a folder")
    try:
        suite = Suite(
            options.suite, ANSWERS, options.runs, seeds=seeds, device=options.device or "", train=not options.no_train
        )
    except BadInput as problem:
        raise pytest.UsageError(str(problem)) from None
    config.stash[SUITE] = suite
    config.pluginmanager.register(Collector(config, suite), "progbench-collector")


def pytest_collection_modifyitems(config, items):
    """Measuring speed takes minutes and judges nothing: only who asks for it gets it."""
    asked = "speed" in config.option.markexpr or any("test_speed" in argument for argument in config.args)
    slow = [] if asked else [item for item in items if item.get_closest_marker("speed")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_generate_tests(metafunc):
    """One test a cell of the table the test is named for (test_table1), and one a claim.

    A file that cannot be read is one test, which fails saying why.
    """
    suite = metafunc.config.stash[SUITE]
    if "cell" in metafunc.fixturenames:
        table = suite.table(metafunc.function.__name__.removeprefix("test_"))
        cells = [BadInput(table.problem)] if table.problem else table.cells
        metafunc.parametrize("cell", [_cell_parameter(cell, table.name) for cell in cells])
    if "claim" in metafunc.fixturenames:
        found = suite.claims()
        claims = [found] if isinstance(found, BadInput) else found
        metafunc.parametrize("claim", [pytest.param(claim, id=getattr(claim, "id", "claims")) for claim in claims])


def _cell_parameter(cell: Cell | BadInput, table: str):
    if isinstance(cell, BadInput):
        return pytest.param(cell, id=table)
    return pytest.param(cell, id=cell.id, marks=[pytest.mark.params] if cell.kind == "counted" else [])


@pytest.fixture(scope="module")
def made(request):
    """Train what this module's cells need, before the first of them is judged: a table's cells are judged together.

    Trained is what the session's selected tests need, and of that whatever this module's tables hold, also where a test
    of another module asks for it: then a verdict does not depend on the order of modules, nor, with xdist, on what
    another worker is at. Cells that nobody selected are judged by the results they have.
    """
    suite, variants = request.config.stash[SUITE], request.config.option.variants
    wanted, tables = {}, {}
    for item in request.session.items:
        asked = _asked(item)
        if isinstance(asked, Claim):
            wanted |= suite.needed(asked)
        if isinstance(asked, Cell):
            wanted |= suite.needed(asked, variants=variants)
            tables |= {asked.file: None} if item.module is request.module else {}
    cells = [cell for table in tables for cell in suite.table(table).cells]
    here = {name for cell in cells for name in suite.needed(cell, variants=variants)}
    with _progress_shown(request.config) as say:
        suite.make([one for name, one in wanted.items() if name in here], say)


@pytest.fixture
def judged(request, record_property, made):
    """Judge a cell by the runs there are, put the verdict into the report, and show it as pytest's outcome."""
    suite = request.config.stash[SUITE]

    def judge(cell: Cell | BadInput) -> None:
        if isinstance(cell, BadInput):
            pytest.fail(str(cell), pytrace=False)
        found = suite.verdict(cell)
        record_property("progbench", asdict(found))
        for name, value in junit_properties(found).items():
            record_property(name, value)
        for warning in suite.warnings(cell) if found.observed is not None else ():
            record_property("progbench-warning", warning)
        if request.config.option.variants:
            variants = suite.variants(cell, found)
            record_property("progbench-variants", [asdict(variant) for variant in variants])
            for variant in variants:
                if variant.error:
                    pytest.fail(f"variant {variant.variant}: {variant.error}", pytrace=False)
        if found.outcome in ("deviates", "error"):
            pytest.fail(f"{found.outcome}: {found.sentence}", pytrace=False)
        if found.outcome == "disputed":
            pytest.xfail(found.sentence)
        if found.outcome in ("missing", "inconclusive"):
            pytest.skip(f"{found.outcome}: {found.sentence}")

    return judge


@pytest.fixture
def weighed(request, record_property):
    """Judge a claim on the print and on our runs (training what is missing), and show it as pytest's outcome."""
    suite = request.config.stash[SUITE]

    def weigh(claim: Claim | BadInput) -> None:
        if isinstance(claim, BadInput):
            pytest.fail(str(claim), pytrace=False)
        with _progress_shown(request.config) as say:
            suite.make(suite.needed(claim).values(), say)
        found = suite.claim(claim)
        record_property("progbench-claim", asdict(found))
        words = f"on the print it {found.on_print}: {found.print_words}; on our runs: {found.our_words}"
        if found.outcome in ("does not hold", "error"):
            pytest.fail(f"{found.outcome}: {words}", pytrace=False)
        if found.outcome == "disputed":
            pytest.xfail(f"{found.disputed}; {words}")
        if found.outcome == "undecided":
            pytest.skip(f"undecided: {words}")

    return weigh


def _cell_of(suite: Suite, nodeid: str) -> Cell | None:
    """The cell a test is for, by its id, which names the table and the cell: …::test_table1[bert-base-…]."""
    function, _, name = nodeid.rpartition("::")[2].partition("[")
    cells = suite.table(function.removeprefix("test_")).cells if function != "test_claims" else ()
    return next((cell for cell in cells if cell.id == name.rstrip("]")), None)


def _asked(item) -> Cell | Claim | BadInput | None:
    """What a test is for."""
    given = item.callspec.params if hasattr(item, "callspec") else {}
    return given.get("cell", given.get("claim"))


@contextmanager
def _progress_shown(config):
    """On a terminal, lift pytest's capture so that the trainer's progress bar is seen; gives what says a line there."""
    terminal, capture = (config.pluginmanager.getplugin(name) for name in ("terminalreporter", "capturemanager"))
    if terminal is None or capture is None or not terminal.isatty:
        yield lambda line: None
        return
    with capture.global_and_fixture_disabled():
        yield terminal.write_line


class Collector:
    """Gathers every verdict of the session, also from xdist workers, and prints the report at its end."""

    def __init__(self, config, suite: Suite) -> None:
        self.config = config
        self.suite = suite
        self.selected: dict[str, None] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.claims: dict[str, ClaimVerdict] = {}
        self.variants: list[Variant] = []
        self.failures: dict[str, str] = {}
        self.warnings: dict[str, None] = {}
        self.speed = Speed()

    def pytest_collection_finish(self, session):
        self.selected.update(dict.fromkeys(item.nodeid for item in session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node, ids):
        self.selected.update(dict.fromkeys(ids))

    def pytest_runtest_logreport(self, report):
        for name, value in report.user_properties:
            if name == "progbench":
                self.verdicts[report.nodeid] = Verdict(**value)
            if name == "progbench-claim":
                self.claims[report.nodeid] = ClaimVerdict(**value)
            if name.startswith("progbench-speed-") and report.when == "call":
                self.speed.add(name.removeprefix("progbench-speed-"), value)
            if name == "progbench-warning":
                self.warnings[value] = None
            if name == "progbench-variants" and report.when == "call":
                self.variants += [Variant(**variant) for variant in value]
        if report.failed and not {report.nodeid} & {*self.verdicts, *self.claims}:
            self.failures[report.nodeid] = str(report.longrepr).strip().splitlines()[-1]

    def pytest_terminal_summary(self, terminalreporter):
        if not self.selected:
            return
        folder = self.config.option.report
        if self.speed:
            terminalreporter.section("speed")
            terminalreporter.write_line(self.speed.as_text())
            if folder:
                terminalreporter.write_line(f"written: {self.speed.write(folder, environment.describe())}")
        if all("/test_speed.py::" in nodeid for nodeid in self.selected):
            return
        report = Report(
            self.suite.name,
            self._all_verdicts(),
            environment.describe(),
            list(self.warnings),
            claims=self._all_claims(),
            variants=self.variants,
            ledger=reporting.behind(self.suite, self._cells().values()),
            runs=self.suite.folder,
        )
        terminalreporter.section("progbench")
        terminalreporter.write_line(text.render(report))
        if folder:
            terminalreporter.write_line(f"written: {', '.join(map(str, writing.write(report, folder)))}")
        if self.config.option.update_reference:
            self._update_reference(terminalreporter)

    def _cells(self) -> dict[str, Cell]:
        """The selected cells by test id."""
        found = {nodeid: _cell_of(self.suite, nodeid) for nodeid in self.selected}
        return {nodeid: cell for nodeid, cell in found.items() if cell}

    def _all_claims(self) -> list[ClaimVerdict]:
        """The claims that were judged, and those whose judging itself failed or was not reached."""
        known = self.suite.claims()
        found = dict(self.claims)
        for nodeid in self.selected:
            function, _, name = nodeid.rpartition("::")[2].partition("[")
            if function != "test_claims" or nodeid in found:
                continue
            if isinstance(known, BadInput):
                found[nodeid] = unreadable(str(known))
            for claim in () if isinstance(known, BadInput) else known:
                if claim.id == name.rstrip("]"):
                    found[nodeid] = not_judged(claim, self.failures.get(nodeid, ""))
        return [found[nodeid] for nodeid in self.selected if nodeid in found]

    def _all_verdicts(self) -> list[Verdict]:
        cells = self._cells()
        verdicts = []
        for nodeid in self.selected:
            if nodeid in self.verdicts:
                verdicts.append(self.verdicts[nodeid])
            elif nodeid in cells:
                failure = self.failures.get(nodeid)
                verdicts.append(
                    verdict.error(cells[nodeid], failure)
                    if failure
                    else verdict.missing(cells[nodeid], "session stopped before this cell")
                )
            elif nodeid in self.failures and "::test_claims[" not in nodeid and "/test_speed.py::" not in nodeid:
                verdicts.append(verdict.unreadable(nodeid.partition("[")[2].rstrip("]"), self.failures[nodeid]))
        return verdicts

    def _update_reference(self, terminalreporter):
        try:
            gathered = reference.gather(self.suite, self._cells().values())
            old = reference.read_reference(ANSWERS, self.suite.name)
        except BadInput as problem:
            terminalreporter.write_line(f"reference not updated: {problem}", red=True)
            return
        terminalreporter.write_line(reference.changes(old, gathered))
        terminalreporter.write_line(f"reference: {reference.record(ANSWERS, self.suite.name, gathered)}")
