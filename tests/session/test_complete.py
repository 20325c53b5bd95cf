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


@pytest.mark.parametrize(("there", "seeds"), [
    pytest.param({"m-constant-rte": {0}, "m-shrinking-rte": {0, 1}}, [1, 1], id="both schedules wait for each other"),
    pytest.param(
        {"m-constant-rte": {0, 1}, "m-shrinking-rte": {0, 1}, "m-growing-rte": {0}}, [2, 2, 1],
        id="another schedule keeps nobody waiting",
    ),
    pytest.param({"m-shrinking-rte": {0}, "m-growing-rte~late": {0, 1}}, [1, 1], id="a variant waits for progtuning"),
    pytest.param(
        {"m-constant-rte": {0, 1}, "m-shrinking-cola": {0}, "m-lora-shrinking-rte": {0}}, [2, 1, 1],
        id="tasks, tunings and models do not wait for each other",
    ),
])  # fmt: skip
def test_a_seed_counts_where_those_it_is_compared_with_have_it(there, seeds):
    assert [one.seeds for one in counts(there).values()] == seeds
