"""Workers of pytest-xdist on a machine with two GPUs, or with one; a stand-in gives runs their results."""

import importlib.util
import os
from types import SimpleNamespace

import pytest

HERE = os.path.dirname(__file__)
MADE = [
    "tiny-bert-shrinking-squad1",
    *(f"tiny-roberta-constant-{task}" for task in ("cola", "mnli", "sst2")),
]
WANTED = "(tiny-roberta-constant and (cola or sst2 or mnli)) or tiny-bert-shrinking-squad1"


@pytest.fixture(scope="module")
def session(benches):
    """`-n auto` where the driver shows two GPUs, of which the person asks for the fourth and the sixth.

    Scores of Table 1 and of Table 2, and a count.
    """
    bench = benches("cards")
    bench.done = bench(
        "-p", "cards", "-p", "stand_in", "--suite", "smoke", "--device", "cuda", "-n", "auto", "-v", "-k", WANTED,
        cold=True, PYTHONPATH=os.pathsep.join([HERE, os.path.dirname(HERE)]), STAND_IN=str(bench.folder / "noted"),
        CARDS=str(bench.folder / "cards"), CUDA_VISIBLE_DEVICES="3,5",
    )  # fmt: skip
    return bench


def test_auto_is_a_worker_for_each_gpu_which_has_it_for_itself_before_torch_is_loaded(session):
    noted = sorted((session.folder / "cards").read_text().splitlines())

    assert noted == ["gw0 3 without torch", "gw1 5 without torch", "main 3,5 without torch"], session.done.stdout


def test_workers_share_the_runs_and_each_is_made_once(session):
    """On one list, with the result files' locks as its queue: see session/making.py. EM and F1 are one run."""
    makers, made = zip(*session.noted(), strict=True)

    assert len(set(makers)) == 2
    assert sorted(made) == MADE
    assert sorted(path.parents[1].name for path in session.runs.rglob("seed*.json")) == MADE


def test_the_session_writes_one_report_and_its_workers_none(session):
    writers = (session.folder / "noted.reports").read_text().split()

    assert len(writers) == 1
    assert writers[0] not in {maker for maker, _ in session.noted()}


def test_workers_send_their_verdicts_to_the_one_report(session):
    lines = [line for line in session.done.stdout.splitlines() if line.startswith("[gw")]

    assert session.done.returncode == 0, session.done.stdout
    assert len({line.split("]")[0] for line in lines}) == 2
    assert set(session.outcomes().values()) == {"consistent"}
    # three columns of Table 2, and four of Table 1: MNLI has two
    assert session.done.stdout.count("7 of 7 judged: 7 consistent") == 1


@pytest.fixture
def conftest(monkeypatch):
    path = os.path.join(HERE, "..", "..", "benchmarks", "conftest.py")
    spec = importlib.util.spec_from_file_location("benchmarks_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    return module


@pytest.mark.parametrize(
    ("suite", "device", "cards", "workers"),
    [
        ("paper", None, 8, 8),
        ("paper", None, 1, 0),  # no worker: the one process says what it is at
        ("paper", None, 0, None),  # xdist's own number: a worker for each core
        ("paper", "cpu", 8, None),
        ("smoke", None, 8, None),
        ("mini", None, 2, 2),
    ],
)
def test_how_many_workers_auto_is(conftest, monkeypatch, suite, device, cards, workers):
    monkeypatch.setattr(conftest.environment, "gpu_count", lambda: cards)
    config = SimpleNamespace(option=SimpleNamespace(suite=suite, device=device, include=[]))

    assert conftest.pytest_xdist_auto_num_workers(config) == workers


def test_a_number_of_workers_that_a_person_set_stays(conftest, monkeypatch):
    monkeypatch.setattr(conftest.environment, "gpu_count", lambda: 8)
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "3")
    config = SimpleNamespace(option=SimpleNamespace(suite="paper", device=None, include=[]))

    assert conftest.pytest_xdist_auto_num_workers(config) is None


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ("???", "no verdict came from its test; pytest says: running the test EXITED with status 3"),  # as --forked
        ("call", "running the test EXITED with status 3"),
    ],
)
def test_an_error_that_is_of_no_phase_of_a_test_is_said_to_be_pytests(conftest, answers, tmp_path, when, sentence):
    config = SimpleNamespace()
    collector = conftest.Collector(config, conftest.Suite("smoke", answers, tmp_path, train=False))
    test = "benchmarks/test_table1_glue.py::test_table1[tiny-bert-constant-rte]"
    report = SimpleNamespace(
        nodeid=test, user_properties=[], when=when, failed=True, longrepr="a\nrunning the test EXITED with status 3"
    )
    collector.pytest_xdist_node_collection_finished(None, [test])
    collector.pytest_runtest_logreport(report)

    assert [(one.outcome, one.sentence) for one in collector.gathered.report().verdicts] == [("error", sentence)]
