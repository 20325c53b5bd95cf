"""Which other runs use a device at the same time."""

import subprocess
import sys
import tempfile

import pytest

from progbench import environment, files
from progbench.session import neighbours


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """A temporary folder of this test's own: other tests' runs are none of its neighbours."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_who_comes_later_is_met_by_who_was_there_and_the_other_way_round():
    with neighbours.at("cpu") as first, neighbours.at("cpu") as second:
        assert (neighbours.met(first), neighbours.met(second)) == (1, 1)


def test_who_has_come_and_gone_was_met_all_the_same():
    with neighbours.at("cpu") as first:
        with neighbours.at("cpu"):
            pass

        assert neighbours.met(first) == 1


def test_a_run_alone_met_nobody_nor_who_has_gone_before():
    for _ in range(2):
        with neighbours.at("cpu") as place:
            assert neighbours.met(place) == 0


def test_another_process_is_met(own_folder):
    code = "from progbench.session.neighbours import at, met\nwith at('cpu') as place:\n    print(met(place))"
    with neighbours.at("cpu") as place:
        done = subprocess.run(
            [sys.executable, "-c", code], env={"TMPDIR": str(own_folder)}, capture_output=True, text=True, check=True
        )

        assert (done.stdout, neighbours.met(place)) == ("1\n", 1)


def test_a_killed_run_is_not_met(own_folder):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    left = own_folder / f"progbench-{process.pid}@{files._machine()}-abc"
    left.mkdir()
    (left / "at-cpu").touch()
    with neighbours.at("cpu") as place:
        assert neighbours.met(place) == 0


def test_two_cards_are_two_devices_though_each_process_calls_its_own_cuda(monkeypatch):
    cards = iter(["one", "two", "one"])
    monkeypatch.setattr(environment, "gpu_uuid", lambda: next(cards))
    with neighbours.at("cuda") as first, neighbours.at("cuda") as second, neighbours.at("cuda") as third:
        assert [neighbours.met(place) for place in (first, second, third)] == [1, 0, 1]
