"""Processes that kill themselves: nothing is lost but what came after the last checkpoint, and no number is another."""

import json
import os
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
KILLS = 6


@pytest.fixture(scope="module")
def found(tmp_path_factory, warm):
    """What runs ended with that were killed at steps, within a checkpoint's write, and beside a file's move."""
    ours = {"PYTHONPATH": os.pathsep.join(map(str, (HERE, HERE.parents[1])))}
    done = warm("killed", tmp_path_factory.mktemp("killed"), cwd=HERE, env=os.environ | ours)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_runs_killed_at_six_moments_end_with_the_scores_and_weights_of_runs_that_were_not(found, reliability):
    same = [kill for kill in found["killed"] if without_notes(kill["ended"]) == without_notes(found["whole"])]

    assert [kill["signals"] for kill in found["killed"]] == [[-9, 0]] * KILLS
    assert len(same) == KILLS
    reliability(
        "Running, on one machine or on many",
        "SIGKILL at six chosen moments, during writes too",
        happens=f"{len(same)} of {KILLS} end with the scores and the hash of all weights of a run that was not killed",
        kept="all up to the last checkpoint, which is left after each epoch, and every ten minutes within one",
    )


def without_notes(ended):
    return {name: {what: value for what, value in run.items() if what != "notes"} for name, run in ended.items()}


def test_a_run_that_was_killed_says_where_it_went_on(found):
    notes = [run["notes"] for kill in found["killed"] for run in kill["ended"].values()]

    assert all(len(one) <= 1 for one in notes)
    # of the moments that are chosen one may lie before the first checkpoint, and one at a run's end
    assert sum(one[0].startswith("resumed after ") for one in notes if one) >= KILLS - 2


def test_checkpoints_go_when_the_result_is_filed(found):
    assert {tuple(run["left"]) for run in found["whole"].values()} == {("seed0.json", "seed0.predictions.json.gz")}
