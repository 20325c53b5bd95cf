"""Which seeds are whole: without a gap, and as many as those they are compared with."""

import pytest

from progbench.session.adopting import Count, counts


@pytest.mark.parametrize(
    ("seeds", "count", "why"),
    [
        ({0, 1, 2}, 3, ""),
        ({0, 1, 3, 4}, 2, "seeds 3, 4 are left out: there is no seed 2"),
        ({7}, 0, "seed 7 is left out: there is no seed 0"),
    ],
)
def test_seeds_count_up_to_the_first_gap(seeds, count, why):
    assert counts({"m-constant-rte": seeds}) == {"m-constant-rte": Count(count, why)}


def test_fine_tuning_and_progtuning_wait_for_each_other():
    found = counts({"m-constant-rte": {0}, "m-shrinking-rte": {0, 1}})
    assert [one.seeds for one in found.values()] == [1, 1]


def test_another_schedule_keeps_nobody_waiting():
    found = counts({"m-constant-rte": {0, 1}, "m-shrinking-rte": {0, 1}, "m-growing-rte": {0}})
    assert [one.seeds for one in found.values()] == [2, 2, 1]


def test_a_variant_has_no_seed_that_progtuning_has_not():
    found = counts({"m-shrinking-rte": {0}, "m-growing-rte~late": {0, 1}})
    assert found["m-growing-rte~late"].seeds == 1


def test_tasks_tunings_and_models_do_not_wait_for_each_other():
    found = counts({"m-constant-rte": {0, 1}, "m-shrinking-cola": {0}, "m-lora-shrinking-rte": {0}})
    assert [one.seeds for one in found.values()] == [2, 1, 1]
