"""The only place that knows pytest: options, the fixtures, and the report at the end of every session."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from progbench import environment
from progbench.errors import BadInput
from progbench.judging.claims import Claim
from progbench.judging.expected import Cell
from progbench.recipes import reading
from progbench.report import text, writing
from progbench.report.speed import Speed
from progbench.session import gathering, opening, outcomes, reference, stopping
from progbench.session.gathering import Gathered
from progbench.session.suite import Suite

ROOT = Path(__file__).resolve().parents[1]
SUITE = pytest.StashKey[Suite]()


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
    asked = opening.Asked(
        options.suite,
        options.runs,
        options.report,
        seeds=options.seeds,
        device=options.device or "",
        train=not options.no_train,
        require_gpu=options.require_gpu,
        update_reference=options.update_reference,
        session=getattr(config, "workerinput", {}).get("testrunuid", ""),  # xdist's name for it
    )
    try:
        suite = opening.opened(asked, ROOT, worker=hasattr(config, "workerinput"))
    except BadInput as problem:
        raise pytest.UsageError(str(problem)) from None
    ending = ExitStack()
    ending.enter_context(stopping.interrupted_when_told())
    config.add_cleanup(ending.close)
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
    """Train what this module's cells need, before the first of them is judged: a table's cells are judged together."""
    suite, variants = request.config.stash[SUITE], request.config.option.variants
    asked = [(item, given) for item in request.session.items if isinstance(given := _asked(item), Cell | Claim)]
    tables = [given.file for item, given in asked if isinstance(given, Cell) and item.module is request.module]
    wanted = gathering.to_train(suite, [given for _, given in asked], tables, variants=variants)
    with _progress_shown(request.config) as say:
        suite.make(wanted, say)


@pytest.fixture
def judged(request, record_property, made):
    """Judge a cell by the runs there are, put the verdict into the report, and show it as pytest's outcome."""
    suite = request.config.stash[SUITE]

    def judge(cell: Cell | BadInput) -> None:
        if isinstance(cell, BadInput):
            pytest.fail(str(cell), pytrace=False)
        found = suite.verdict(cell)
        variants = suite.variants(cell, found) if request.config.option.variants else None
        for name, value in gathering.properties_of(suite, cell, found, variants):
            record_property(name, value)
        for variant in variants or ():
            if variant.error:
                pytest.fail(f"variant {variant.variant}: {variant.error}", pytrace=False)
        _show(*outcomes.of_cell(found))

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
        for name, value in gathering.properties_of_claim(found):
            record_property(name, value)
        _show(*outcomes.of_claim(found))

    return weigh


def _show(outcome: str, words: str) -> None:
    if outcome == "failed":
        pytest.fail(words, pytrace=False)
    if outcome == "xfailed":
        pytest.xfail(words)
    if outcome == "skipped":
        pytest.skip(words)


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
    """Hands what tests found to the session's report, also from xdist workers, and prints that at the end."""

    def __init__(self, config, suite: Suite) -> None:
        self.config = config
        self.suite = suite
        self.gathered = Gathered(suite)
        self.speed = Speed()

    def pytest_collection_finish(self, session):
        self._select(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node, ids):
        self._select(ids)

    def _select(self, nodeids):
        """A test's id names the table and the cell: …::test_table1[bert-base-…]."""
        for nodeid in nodeids:
            function, _, name = nodeid.rpartition("::")[2].partition("[")
            if "/test_speed.py::" not in nodeid:
                self.gathered.select(nodeid, function.removeprefix("test_"), name.rstrip("]"))

    def pytest_runtest_logreport(self, report):
        for name, value in report.user_properties:
            self.gathered.add(report.nodeid, name, value)
            if name.startswith("progbench-speed-") and report.when == "call":
                self.speed.add(name.removeprefix("progbench-speed-"), value)
        if report.failed:
            self.gathered.fail(report.nodeid, str(report.longrepr).strip().splitlines()[-1])

    def pytest_terminal_summary(self, terminalreporter):
        folder = self.config.option.report
        if self.speed:
            terminalreporter.section("speed")
            terminalreporter.write_line(self.speed.as_text())
            if folder:
                terminalreporter.write_line(f"written: {self.speed.write(folder, environment.describe())}")
        if not self.gathered.selected:
            return
        report = self.gathered.report()
        terminalreporter.section("progbench")
        terminalreporter.write_line(text.render(report))
        if folder:
            terminalreporter.write_line(f"written: {', '.join(map(str, writing.write(report, folder)))}")
        if self.config.option.update_reference:
            try:
                lines, colour = reference.updated(self.suite, self.gathered.cells()), {}
            except BadInput as problem:
                lines, colour = [f"reference not updated: {problem}"], {"red": True}
            for line in lines:
                terminalreporter.write_line(line, **colour)
