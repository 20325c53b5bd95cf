"""What the judgement of a difference promises, by simulation: benchmarks/difference_rates.py with fewer draws.

Beside each statement is its promise (shared with expected/README.md), which was simulated with 700 draws or more. A
share may be above it by two standard errors of both simulations.
"""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from progbench.judging import terms

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import difference_rates as rates

ONCE = 700  # draws that a promise rests on, at the least


@pytest.fixture
def random():
    return np.random.default_rng(2506)


def at_most(promised, draws):
    variance = max(promised * (1 - promised), 1 / ONCE)  # none, or all, of so many is no promise of none or all
    return promised + 2 * math.sqrt(variance * (1 / draws + 1 / ONCE))


def at_least(promised, draws):
    return promised - (at_most(promised, draws) - promised)


PROMISED = [(rates.RTE, 3, 0.009, 0.015), (rates.RTE, 5, 0.026, 0.007), (rates.MRPC, 5, 0.008, 0.0)]


@pytest.mark.parametrize(("task", "seeds", "on_this_set", "other"), PROMISED)
def test_equal_on_this_set_is_seldom_called_better(random, task, seeds, on_this_set, other):
    draws = 250 if task.f1 else 1500
    found = rates.false_better(random, task, draws, seeds, such=False)

    assert found["D"] <= at_most(on_this_set, draws)
    assert found["E"] <= at_most(other, draws)
    assert found["seeds alone"] <= at_most(0.05, draws)


@pytest.mark.parametrize(("seeds", "promised", "alone"), [(3, 0.039, 0.091), (5, 0.040, 0.106)])
def test_equal_for_such_examples_is_seldom_called_better_and_by_seeds_alone_too_often(random, seeds, promised, alone):
    found = rates.false_better(random, rates.RTE, 1500, seeds, such=True)

    assert found["E"] <= at_most(promised, 1500)
    assert found["seeds alone"] >= at_least(alone, 1500)


def test_a_bootstrap_of_seeds_alone_would_err_twice_as_often(random):
    # 0.099 promised for five seeds: their percentiles know nothing of a t distribution
    values = rates.differences(random, rates.RTE, 1000, 5, such=False).mean(-1)
    means = values[:, random.integers(0, 5, (400, 5))].mean(-1)

    assert (np.quantile(means, 0.05, axis=-1) > 0).mean() == pytest.approx(
        0.099, abs=2 * math.sqrt(0.09 * (1 / 1000 + 1 / ONCE))
    )


def test_minis_two_looks_err_as_often_as_one(random, answers):
    looks = terms.read(answers, "mini").looks

    assert rates.better_at_either_look(random, rates.RTE, 1500, looks.seeds, looks.level) <= at_most(0.05, 1500)


@pytest.mark.parametrize(("last", "share"), [(6, 0.07), (10, 0.11), (20, 0.17)])
def test_looking_after_each_seed_errs_more_often(random, last, share):
    found = rates.better_at_either_look(random, rates.RTE, 600, range(5, last + 1), 0.05)

    assert at_least(share, 600) <= found <= at_most(share, 600)


# three models, eight tasks: by true average and seeds, how often one is called not worse by 0.5, and better
MODELS = {
    (-0.5, 3): (0.004, 0.0), (-0.5, 5): (0.008, 0.0), (-0.5, 10): (0.013, 0.0),
    (0.0, 3): (0.25, 0.003), (0.0, 5): (0.62, 0.009), (0.0, 10): (0.96, 0.015),
    (0.25, 3): (0.63, 0.04), (0.25, 5): (0.96, 0.14), (0.25, 10): (1.0, 0.38),
    (0.7, 3): (0.98, 0.55), (0.7, 5): (1.0, 0.93), (0.7, 10): (1.0, 1.0),
}  # fmt: skip


@pytest.mark.parametrize(("average", "seeds"), MODELS)
def test_three_models_averages(random, average, seeds):
    draws = 400
    not_worse, better = MODELS[average, seeds]
    found = rates.models(random, draws, seeds, average)
    shares = found.not_worse.mean(), found.better.mean()

    if average == -0.5:  # false
        assert shares[0] <= at_most(not_worse, draws)
    else:  # true
        assert shares[0] >= at_least(not_worse, draws)
    if average <= 0:
        assert shares[1] <= at_most(better, draws)
    else:
        assert shares[1] >= at_least(better, draws)


def test_any_of_three_equal_models_is_called_better_in_at_most_five_percent(random):
    found = rates.models(random, 1500, 5, 0.0)

    assert found.better.any(-1).mean() <= at_most(0.05, 1500)


def test_any_of_three_models_half_a_point_lower_is_called_not_worse_in_at_most_five_percent(random):
    found = rates.models(random, 1500, 5, -0.5)

    assert found.not_worse.any(-1).mean() <= at_most(0.05, 1500)


def test_the_script_prints_its_three_tables(capsys):
    rates.main(20)
    printed = capsys.readouterr().out

    assert [line for line in ("false better", "at either of mini's looks", "true average") if line in printed] == [
        "false better", "at either of mini's looks", "true average",
    ]  # fmt: skip
