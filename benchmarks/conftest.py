"""What pytest is told of the benchmarks: options, fixtures, and the report at the end of every session."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from progbench import environment, places
from progbench.errors import BadInput
from progbench.judging.claims import Claim
from progbench.judging.expected import Cell
from progbench.method.schedule import in_our_words
from progbench.recipes import reading
from progbench.report import text
from progbench.report.cells import plain
from progbench.report.report import Report
from progbench.session import adopting, advice, gathering, marks, sharing, stopping, tracking
from progbench.session import options as session_options
from progbench.session.gathering import CLAIMS, Gathered, from_property, to_property
from progbench.session.suite import Suite

ROOT = Path(__file__).resolve().parents[1]
SUITE = pytest.StashKey[Suite]()
NOT_OF_SUITE = pytest.StashKey[list[str]]()  # the tables whose tests were left out
SHARE = "progbench-share"  # what a worker of xdist is told to have for its own
OWN = "own"  # in the place of a table's name: the test is for all tables that no other is named for
NONE = object()  # in the place of a cell: the suite has no such table


def pytest_addoption(parser):
    group = parser.getgroup("progbench", "does the paper reproduce?")
    group.addoption("--suite", metavar="NAME", default="paper", help="which suite to judge (default: paper)")
    group.addoption(
        "--include", action="append", type=Path, metavar="DIR", default=[], help="a folder of your own, with suites"
    )
    group.addoption("--seeds", type=int, metavar="N", help="seeds 0 to N-1 (default: the suite's own number)")
    group.addoption("--device", choices=("cpu", "cuda", "auto"), help="where to train (default: the suite's own)")
    group.addoption("--variants", action="store_true", help="also run the recipes' variants and show which is closest")
    group.addoption("--no-train", action="store_true", help="judge the results that exist and train nothing")
    group.addoption(
        "--runs", type=Path, metavar="DIR", default=Path("runs"), help="where results are kept (default: runs)"
    )
    group.addoption("--report", type=Path, metavar="DIR", help="also write the report there: report.html and more")
    group.addoption("--log-to", choices=tracking.PACKAGES, default="", help="also send each run's scores there")
    group.addoption("--require-gpu", action="store_true", help="refuse to start without a GPU")
    group.addoption("--update-reference", action="store_true", help="record this session's runs as our own reference")


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, which need not be there
def pytest_xdist_auto_num_workers(config):
    """`-n auto` is a worker for each GPU where the suite trains on GPUs, and one of a single GPU needs no worker."""
    try:
        places.include(config.option.include)
        device = config.option.device or reading.settings(config.option.suite).device
    except BadInput:  # which is said where the suite is opened
        return None
    if device == "cpu" or "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ or not environment.gpu_count():
        return None  # as xdist has it: one for each core
    return environment.gpu_count() if environment.gpu_count() > 1 else 0


def pytest_configure(config):
    # before anything asks the driver for GPUs, or loads torch
    os.environ.update(getattr(config, "workerinput", {}).get(SHARE, {}))
    options = config.option
    options.keyword = in_our_words(options.keyword)
    for name, words in marks.WORDS.items():
        config.addinivalue_line("markers", f"{name}: {words}")
    places.include(options.include)
    try:
        advice.require_marks(options.markexpr, config.getini("markers"), options.suite)
        suite = session_options.opened(
            options.suite,
            options.runs,
            ROOT,
            report=options.report,
            seeds=options.seeds,
            device=options.device or "",
            train=not options.no_train,
            require_gpu=options.require_gpu,
            update_reference=options.update_reference,
            log_to=options.log_to,
            session=getattr(config, "workerinput", {}).get("testrunuid", ""),  # xdist's name for it
            worker=hasattr(config, "workerinput"),
        )
    except BadInput as problem:
        raise pytest.UsageError(plain(problem)) from None
    ending = ExitStack()
    ending.enter_context(stopping.interrupted_when_told())
    config.add_cleanup(ending.close)
    config.stash[SUITE] = suite
    config.pluginmanager.register(Collector(config, suite), "progbench-collector")
    config.pluginmanager.register(Sharing(), "progbench-sharing")


@pytest.hookimpl(trylast=True)  # of what -m and -k leave
def pytest_collection_modifyitems(config, items):
    """Leave out what is not of this suite, and what measures speed: that takes minutes, and judges nothing."""
    asked = "speed" in config.option.markexpr or any("test_speed" in argument for argument in config.args)
    strange = [item for item in items if _given(item) is NONE]
    config.stash[NOT_OF_SUITE] = sorted({_table(item.function) for item in strange} - {OWN})
    left_out = strange + ([] if asked else [item for item in items if item.get_closest_marker("speed")])
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_generate_tests(metafunc):
    """One test a cell of the table the test is named for (test_table1), and one a claim.

    A file that cannot be read is one test, which fails saying why. What the suite does not list is left out.
    """
    suite, name = metafunc.config.stash[SUITE], _table(metafunc.function)
    if not {"cell", "claim"} & {*metafunc.fixturenames}:
        return
    if name == OWN:
        tables = [suite.table(name) for name in marks.own(suite)]
        given = [(BadInput(table.problem), table.name) for table in tables if table.problem]
        given += [(cell, f"{table.name}/{cell.id}") for table in tables for cell in table.cells]
        metafunc.parametrize("cell", [_parameter(*pair) for pair in given or [(NONE, OWN)]])
        return
    if not suite.has(name):
        given: list[Any] = [NONE]
    elif "cell" in metafunc.fixturenames:
        table = suite.table(name)
        given = [BadInput(table.problem)] if table.problem else [*table.cells]
    else:
        claims = suite.claims()
        given = [claims] if isinstance(claims, BadInput) else [*claims]
    kind = "cell" if "cell" in metafunc.fixturenames else "claim"
    metafunc.parametrize(kind, [_parameter(item, getattr(item, "id", name)) for item in given])


def _parameter(given: Any, name: str):
    """A test's parameter. A table that cannot be read may have had counts: its test runs among them, too."""
    counted = given.kind == "counted" if isinstance(given, Cell) else isinstance(given, BadInput) and name != CLAIMS
    return pytest.param(given, id=name, marks=[pytest.mark.params] if counted else [])


def _table(function) -> str:
    """The table, or "claims", that a test is named for."""
    return function.__name__.removeprefix("test_")


def pytest_report_collectionfinish(config):
    """Say which tables were asked for and are none of the suite's."""
    suite, names = config.stash[SUITE], config.stash.get(NOT_OF_SUITE, [])
    return f"not in the suite {suite.name}: {', '.join(names)}" if names else []


@pytest.fixture(scope="module")
def made(request):
    """Train what this module's cells need, before the first of them is judged: a table's cells are judged together."""
    suite, variants = request.config.stash[SUITE], request.config.option.variants
    asked = [(item, given) for item in request.session.items if isinstance(given := _given(item), Cell | Claim)]
    tables = [given.file for item, given in asked if isinstance(given, Cell) and item.module is request.module]
    wanted = gathering.to_train(suite, [given for _, given in asked], tables, variants=variants)
    with _progress_shown(request.config) as say:
        suite.obtain(wanted, say, aloud=_on_terminal(request.config))


@pytest.fixture
def record_property(request):
    """As pytest's own, but in JSON, and without its warning that a JUnit file of today's kind holds no properties."""
    return lambda name, value: request.node.user_properties.append(to_property(name, value))


@pytest.fixture
def judged(request, record_property, made):
    """Judge a cell by the runs there are, put the verdict into the report, and show it as pytest's outcome."""
    suite = request.config.stash[SUITE]

    def judge(cell: Cell | BadInput) -> None:
        if isinstance(cell, BadInput):
            _show("failed", str(cell))
        verdict = suite.verdict(cell)
        variants = suite.variants(cell, verdict) if request.config.option.variants else None
        for name, value in gathering.properties_of(suite, cell, verdict, variants):
            record_property(name, value)
        for variant in variants or ():
            if variant.error:
                _show("failed", f"variant {variant.variant}: {variant.error}")
        _show(*gathering.of_cell(verdict))

    return judge


@pytest.fixture
def weighed(request, record_property):
    """Judge a claim on the print and on our runs (training what is missing), and show it as pytest's outcome."""
    suite = request.config.stash[SUITE]

    def weigh(claim: Claim | BadInput) -> None:
        if isinstance(claim, BadInput):
            _show("failed", str(claim))
        with _progress_shown(request.config) as say:
            suite.obtain(suite.needed(claim).values(), say, aloud=_on_terminal(request.config))
        verdict = suite.claim(claim)
        for name, value in gathering.properties_of_claim(verdict):
            record_property(name, value)
        _show(*gathering.of_claim(verdict))

    return weigh


def _show(outcome: str, words: str) -> None:
    words = plain(words)  # they may quote a file, which must not move a terminal's cursor
    if outcome == "failed":
        pytest.fail(words, pytrace=False)
    if outcome == "xfailed":
        pytest.xfail(words)
    if outcome == "skipped":
        pytest.skip(words)


def _given(item) -> Any:
    """What a test is for: a cell, a claim, what is wrong with its table, NONE, or None where it is for none of them."""
    given = item.callspec.params if hasattr(item, "callspec") else {}
    return given.get("cell", given.get("claim"))


def _on_terminal(config) -> bool:
    terminal = config.pluginmanager.getplugin("terminalreporter")
    return bool(terminal and terminal.isatty)


@contextmanager
def _progress_shown(config):
    """Lift pytest's capture so that the trainer's progress is seen; gives what says a line. A worker says nothing."""
    terminal, capture = (config.pluginmanager.getplugin(name) for name in ("terminalreporter", "capturemanager"))
    if terminal is None or capture is None:
        yield lambda line: None
        return
    with capture.global_and_fixture_disabled():
        yield lambda line: terminal.write_line(plain(line))


class Sharing:
    """Gives each worker of xdist a GPU and threads of its own, and those of one that died to who takes its place."""

    def __init__(self) -> None:
        self.shares: sharing.Shares | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node):
        self.shares = self.shares or sharing.Shares.here(node.workerinput["workercount"])
        node.workerinput[SHARE] = dict(self.shares.take(node.gateway.id))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        self.shares.give_back(node.gateway.id)


def _views(report: Report, folder: Path) -> list[Path]:
    from progbench.report import writing  # loads what makes pages and figures

    return writing.write(report, folder)


class Collector:
    """Hands what tests found to the session's report, also from xdist workers, and prints that at the end."""

    def __init__(self, config, suite: Suite) -> None:
        self.config = config
        self.suite = suite
        self.gathered = Gathered(suite)
        self.speed: list[tuple[str, Any]] = []

    def pytest_collection_finish(self, session):
        self._select(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node, ids):
        self._select(ids)

    def _select(self, nodeids):
        """A test's id names the table and the cell: …::test_table1[bert-base-…], or …::test_own[table7/bert-base-…]."""
        for nodeid in nodeids:
            function, _, name = nodeid.rpartition("::")[2].partition("[")
            table, name = function.removeprefix("test_"), name.rstrip("]")
            if table == OWN:
                table, _, cell = name.partition("/")
                name = cell or table
            if "/test_speed.py::" not in nodeid:
                self.gathered.select(nodeid, table, name)

    def pytest_runtest_logreport(self, report):
        for name, value in (from_property(*pair) for pair in report.user_properties):
            self.gathered.add(report.nodeid, name, value)
            if name.startswith("progbench-speed-") and report.when == "call":
                self.speed.append((name.removeprefix("progbench-speed-"), value))
        if report.failed:
            words = str(report.longrepr).strip().splitlines()[-1]
            # what is no phase of a test comes from a plugin that ran it elsewhere, as --forked does
            ours = report.when in ("setup", "call", "teardown")
            self.gathered.fail(report.nodeid, words if ours else f"no verdict came from its test; pytest says: {words}")

    def pytest_sessionstart(self, session):
        self.session = session

    def pytest_terminal_summary(self, terminalreporter):
        if hasattr(self.config, "workerinput"):  # a worker knows its own tests only
            return
        if self.speed:
            from speed_tables import Speed  # beside this file, as what is measured with

            speed = Speed()
            for kind, record in self.speed:
                speed.add(kind, record)
            terminalreporter.section("speed")
            self._say(speed.as_text())
            self._written(lambda folder: [speed.write(folder, environment.describe())])
        for problem in self.gathered.unread() if self.config.option.keyword else []:
            self._say(f"not searched by -k, as it cannot be read: {plain(problem)}")
        if not self.gathered.selected:
            if self.config.option.keyword:
                self._say(plain(advice.for_keyword(self.suite, self.config.option.keyword)))
            return
        if self.config.option.collectonly:  # then no test has judged anything
            return
        report = self.gathered.report()
        terminalreporter.section("progbench")
        self._say(text.render(report))
        self._written(lambda folder: _views(report, folder))
        if advised := advice.without_gpu(self.suite, self.config.option.markexpr, self.config.option.runs):
            self._say(plain(advised))
        if self.config.option.update_reference:
            try:
                self._say("\n".join(adopting.updated(self.suite, self.gathered.cells(), ROOT)))
            except BadInput as problem:
                self._fail(f"reference not updated: {problem}")
            except OSError as problem:
                self._fail(f"reference not updated: it cannot be written ({problem.strerror or problem})")

    def _written(self, write):
        """Write to the folder of --report, if there is one, and say what, or why not."""
        if folder := self.config.option.report:
            try:
                self._say(f"written: {', '.join(map(plain, write(folder)))}")
            except OSError as problem:
                self._fail(f"--report {folder}: cannot be written: {problem.strerror or problem}")

    def _say(self, words: str) -> None:
        """Line by line: where the terminal's encoding lacks a sign, pytest spells out all that it is given at once."""
        for line in words.split("\n"):
            self.config.pluginmanager.getplugin("terminalreporter").write_line(line)

    def _fail(self, words: str) -> None:
        """Say what went wrong after the last test; the session has failed, whatever its tests found."""
        self.config.pluginmanager.getplugin("terminalreporter").write_line(plain(words), red=True)
        self.session.exitstatus = self.session.exitstatus or pytest.ExitCode.TESTS_FAILED
