"""What a sweep removes of what runs left on the way to their results, and what it keeps for the next start."""

import pytest

from progbench.runs import cleanup, results
from progbench.runs.results import EpochResult, RunResult


@pytest.fixture
def path(tmp_path, smoke_recipe):
    """Where a seed's result lies, with two checkpoints beside it, and two of another seed whose name begins alike."""
    path = results.path_of(tmp_path, smoke_recipe(), 1)
    path.parent.mkdir(parents=True)
    for name in ("seed1.checkpoint-ab-1-cd", "seed1.checkpoint-ab-2-ef", "seed10.checkpoint-ab-1-cd"):
        (path.parent / name).touch()
    return path


def left(path):
    return sorted(one.name for one in path.parent.glob("seed1.checkpoint*"))


def good(recipe):
    return RunResult(recipe, 1, (EpochResult({"sst2": {"accuracy": 0.9}}, 7, 0.5, 1.0),))


def test_checkpoints_of_a_run_without_a_result_stay(tmp_path, path):
    cleanup.sweep_results(tmp_path / "smoke")

    assert len(left(path)) == 2
    assert not list(path.parent.glob("*.lock"))


def test_checkpoints_of_a_run_with_a_result_go_and_no_others(tmp_path, smoke_recipe, path):
    results.save(tmp_path, good(smoke_recipe()))
    cleanup.sweep_results(tmp_path / "smoke")

    assert sorted(one.name for one in path.parent.iterdir()) == ["seed1.json", "seed10.checkpoint-ab-1-cd"]


@pytest.mark.parametrize(("final", "stay"), [(True, 0), (False, 2)])
def test_checkpoints_stay_with_an_error_that_is_tried_again(tmp_path, smoke_recipe, path, final, stay):
    results.save(tmp_path, RunResult(smoke_recipe(), 1, error="out of memory", final=final))
    cleanup.sweep_results(tmp_path / "smoke")

    assert len(left(path)) == stay


def test_checkpoints_stay_with_a_result_that_cannot_be_read(tmp_path, path):
    path.write_text("{")
    cleanup.sweep_results(tmp_path / "smoke")

    assert len(left(path)) == 2


def test_checkpoints_of_a_run_that_is_being_made_stay(tmp_path, smoke_recipe, path):
    results.save(tmp_path, good(smoke_recipe()))
    with results.lock(tmp_path, smoke_recipe(), 1):
        cleanup.sweep_results(tmp_path / "smoke")

        assert len(left(path)) == 2
