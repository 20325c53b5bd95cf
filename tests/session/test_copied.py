"""Recorded runs that are compared with the reference made from them have no reference."""

import pytest
from made_up import result, suite

from progbench.judging.expected import THEMSELVES
from progbench.runs import results
from progbench.session import observing


@pytest.mark.parametrize(("seconds", "why"), [(9.0, THEMSELVES), (8.0, "")], ids=["it", "made again"])
def test_a_run_that_is_the_recorded_one_byte_by_byte_has_no_reference(smoke_recipe, tmp_path, seconds, why):
    wanted = smoke_recipe()
    made = {wanted: [result(wanted, 0, {"sst2": {"accuracy": 0.5}})]}
    results.save(tmp_path / "copies", made[wanted][0])
    results.save(tmp_path / "runs", result(wanted, 0, {"sst2": {"accuracy": 0.5}}, seconds=seconds))

    assert observing.themselves(tmp_path / "runs", tmp_path / "copies", made) == why


def test_a_suites_own_recorded_runs_are_unjudged(answers):
    recorded = answers / "mini" / "runs"
    verdict = suite(answers, recorded, "mini", seeds=None, train=False).verdicts("table1")["minilm-constant-cola"]

    assert (verdict.outcome, verdict.sentence.partition(";")[0]) == ("unjudged", THEMSELVES)
