"""Every test runs offline on the CPU, and a warning nobody expected is a failure."""

import contextlib
import dataclasses
import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from progbench import files
from progbench.recipes import reading
from progbench.session.options import FOLDERS

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["COLUMNS"] = "100"  # whatever the terminal has
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # of the processes that tests start, the first compiles for all
os.environ["OMP_NUM_THREADS"] = "1"  # tiny models gain nothing from a second thread, and wait for it on a busy machine

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser):
    parser.addoption("--clusters", action="store_true", help="also start a Slurm and a Ray cluster (minutes)")
    parser.addoption("--all-kinds", action="store_true", help="hold the fast trainer to the plain one in all 400 ways")
    parser.addoption("--fuzz", type=int, default=20, metavar="N", help="damage each kind of file N times (default: 20)")


def pytest_configure(config):
    # not in pyproject.toml: in a benchmark session a library's warning must not become a cell's error
    config.addinivalue_line("filterwarnings", "error")
    config.addinivalue_line("markers", "speed: of a benchmark, whose module some tests import")


@pytest.fixture(scope="module")
def clusters(pytestconfig):
    """For tests that start many processes, each of which loads torch: together they take minutes."""
    if not pytestconfig.getoption("--clusters"):
        pytest.skip("this is tried with --clusters")


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    """Run modules in processes in which torch is loaded already."""
    from warm import Warm

    with contextlib.closing(Warm(tmp_path_factory.mktemp("warm"))) as run:
        yield run


@pytest.fixture(scope="session")
def installed(tmp_path_factory, warm):
    """Make somebody who has installed the wheel, and works in a new folder of this name, or in a folder."""
    from installed import Person, install

    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "installed"
    shared.mkdir(exist_ok=True)
    site = install(shared)

    def person(name):
        return Person(warm, site, tmp_path_factory.mktemp("persons") / name)

    return person


@pytest.fixture
def answers():
    """The expected/ folder of this checkout."""
    return ROOT / "expected"


@pytest.fixture
def copied(answers, tmp_path, monkeypatch):
    """A copy of expected/ to damage; the suites of our own have and need no checksums here: they would say so first."""
    read = reading.settings
    monkeypatch.setattr(reading, "settings", lambda suite: dataclasses.replace(read(suite), checksums=False))
    shutil.copytree(answers, tmp_path / "expected")
    for sums in (tmp_path / "expected").glob("*/SHA256SUMS"):
        if sums.parent.name != "paper":
            sums.unlink()
    files.read_toml.cache_clear()
    yield tmp_path / "expected"
    files.read_toml.cache_clear()


@pytest.fixture(scope="module", autouse=True)
def no_garbage_in_what_was_imported():
    """Runs collect garbage: to look through all that was imported took longer than most of a tiny one."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def folders():
    """The folders that this person's variables name; no test sees the variables but those that ask for real files."""
    with pytest.MonkeyPatch.context() as patch:
        found = {variable: os.environ.get(variable, "") for variable in FOLDERS}
        for variable in FOLDERS:
            patch.delenv(variable, raising=False)
        yield found


@pytest.fixture(scope="session", autouse=True)
def temporary(tmp_path_factory):
    """A place of the tests' own for temporary folders: by these, runs of one machine know each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))
        patch.setattr(tempfile, "tempdir", None)
        yield


@pytest.fixture
def real_files(folders, monkeypatch):
    """The folder that a variable names, where it is set to one, and the variable set as it was."""

    def at(variable):
        if not folders[variable]:
            pytest.skip(f"{variable} is not set: no real files here")
        if not Path(folders[variable]).is_dir():
            pytest.fail(f"{variable} is {folders[variable]}, and there is no such folder", pytrace=False)
        monkeypatch.setenv(variable, folders[variable])
        return Path(folders[variable])

    return at


@pytest.fixture
def glue_dir(real_files):
    """Real GLUE files, where GLUE_DIR points to them."""
    return real_files("GLUE_DIR")


@pytest.fixture
def squad_dir(real_files):
    """Real SQuAD files, where SQUAD_DIR points to them."""
    return real_files("SQUAD_DIR")


@pytest.fixture
def smoke_recipe():
    """A smoke recipe with any of its fields replaced."""

    def make(model="tiny-bert", schedule="shrinking", task="sst2", **changes):
        file = "squad" if task.startswith("squad") else "glue"
        read = reading.read("smoke", file, model=model, schedule=schedule, task=task)
        return dataclasses.replace(read, **changes)

    return make


@pytest.fixture
def few_rows(tmp_path, monkeypatch):
    """32 generated rows of each task of GLUE to train on, and 32 to score, for tests that ask not what is learnt."""
    from progbench.tasks import catalog, toy

    for name in toy.SIZES:
        monkeypatch.setitem(toy.SIZES, name, 32)
    toy.write(tmp_path / "few rows")
    monkeypatch.setitem(catalog._GENERATED, "GLUE_DIR", lambda: tmp_path / "few rows")


@pytest.fixture
def made_in():
    """Where the runs of `trained` say they were made."""
    return {"commit": "c" * 40, "torch": "2.13.0", "cpu": "EPYC", "device": "cpu", "threads": 2}


@pytest.fixture
def trained(monkeypatch, made_in):
    """Replace training by a table of scores; returns the (recipe, seed) pairs that were 'trained'."""
    from progbench.runs.results import EpochResult, RunResult
    from progbench.tasks.catalog import tasks
    from progbench.training import train

    calls = []

    def fake(recipe, seed, device, threads, kept):
        calls.append((recipe.id, seed))
        task = tasks()[recipe.task]
        scores = {part: dict.fromkeys(task.metrics, 0.9 - seed / 100) for part in task.evaluate}
        epochs = tuple(EpochResult(scores, each, 0.5, 1.0) for each in recipe.planned_by_epoch())
        rows = {part: counts[0] for part, counts in task.rows.items()}
        return RunResult(recipe, seed, epochs, fingerprints={"data": "sha256:1"}, examples=rows, environment=made_in)

    monkeypatch.setattr(train, "train", fake)
    return calls


@pytest.fixture
def reliability(tmp_path):
    """Hold a row of docs/reliability.md to what a test has just seen; with PROGBENCH_WRITE_DOCS=1 write it there.

    `happens` is what was said, where something was: the test's own folder is cut from it.
    """
    page = ROOT / "docs" / "reliability.md"

    def hold(section, fault, *, happens, kept):
        cells = [fault, str(happens).replace(f"{tmp_path}/", ""), kept]
        row = "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
        before, head, rest = page.read_text(encoding="utf-8").partition(f"## {section}\n")
        assert head, f"docs/reliability.md has no section {section!r}"
        if os.environ.get("PROGBENCH_WRITE_DOCS"):
            table, blank, after = rest.partition("\n## ")
            start, rule, rows = table.partition("| --- | --- | --- |\n")
            others = [one for one in rows.splitlines() if one and not one.startswith(f"| {fault} |")]
            written = start + rule + "\n".join(sorted([*others, row])) + "\n" + blank + after
            page.write_text(before + head + written, encoding="utf-8")
        else:
            assert row in rest.partition("\n## ")[0].splitlines(), "write it anew with PROGBENCH_WRITE_DOCS=1, and -n 0"

    return hold
