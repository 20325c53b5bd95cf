"""Recorded runs that are compared with the reference made from them have no reference."""

import shutil

from made_up import result, suite

from progbench.runs import results
from progbench.session import copied


def test_a_run_that_is_the_recorded_one_byte_by_byte_has_no_reference(smoke_recipe, tmp_path):
    wanted = smoke_recipe()
    made = {wanted: [result(wanted, 0, {"sst2": {"accuracy": 0.5}})]}
    results.save(tmp_path / "runs", made[wanted][0])
    shutil.copytree(tmp_path / "runs", tmp_path / "copies")

    assert copied.themselves(tmp_path / "runs", tmp_path / "copies", made) == copied.THEMSELVES


def test_a_run_made_again_has_the_recorded_one_as_its_reference(smoke_recipe, tmp_path):
    wanted = smoke_recipe()
    made = {wanted: [result(wanted, 0, {"sst2": {"accuracy": 0.5}})]}
    results.save(tmp_path / "copies", made[wanted][0])
    results.save(tmp_path / "runs", result(wanted, 0, {"sst2": {"accuracy": 0.5}}, seconds=8.0))

    assert copied.themselves(tmp_path / "runs", tmp_path / "copies", made) == ""


def test_a_suites_own_recorded_runs_are_unjudged(answers):
    recorded = answers / "mini" / "runs"
    verdict = suite(answers, recorded, "mini", seeds=None, train=False).verdicts("table1")["minilm-constant-cola"]

    assert (verdict.outcome, verdict.sentence.partition(";")[0]) == ("unjudged", copied.THEMSELVES)
