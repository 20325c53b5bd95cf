"""A difference taken apart into seeds, examples and the rest: by hand, against scipy, and against a bootstrap."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from progbench.judging import effect
from progbench.judging.effect import Components, Estimate

# two seeds and three examples: means by seed 1 and 4, by example 0, 3 and 4.5; 2.5 in all
SMALL = np.array([[0.0, 3.0, 0.0], [0.0, 3.0, 9.0]])


def drawn(seeds=5, examples=50, of_seeds=1.0, of_examples=3.0, rest=10.0, number=0):
    random = np.random.default_rng(number)
    values = random.normal(0, of_seeds, (seeds, 1)) + random.normal(0, of_examples, (1, examples))
    return values + random.normal(0, rest, (seeds, examples))


def test_the_parts_of_a_difference_by_hand():
    components = effect.taken_apart([SMALL])

    assert components.mean == 2.5
    assert components.by_seeds == pytest.approx(4.5 / 2)  # var(1, 4) = 4.5
    assert components.by_examples == pytest.approx(5.25 / 3)  # var(0, 3, 4.5) = 5.25
    # what is neither: ±1.5, ±1.5, ±3 in both seeds: 2·(2.25 + 2.25 + 9) = 27, over 1·2·2·3
    assert components.by_rest == pytest.approx(27 / 12)


def test_the_parts_are_those_of_a_two_way_analysis_of_variance():
    # expected mean squares: of seeds S·N·V_S, of examples S·N·V_N, of the rest S·N·V_E; they add up to the whole
    values = drawn()
    seeds, examples = values.shape
    found = effect.taken_apart([values])
    rest = found.by_rest * (seeds - 1) * (examples - 1)
    squares = seeds * examples * np.array([found.by_seeds * (seeds - 1), found.by_examples * (examples - 1), rest])

    assert squares.sum() == pytest.approx(np.square(values - values.mean()).sum())


def test_on_this_set_it_is_scipys_paired_t_test_where_seeds_vary_more_than_the_rest():
    values = drawn(of_seeds=5.0)
    found = effect.on_this_set(effect.taken_apart([values]))
    theirs = ttest_1samp(values.mean(-1), 0, alternative="greater")
    two_sided = ttest_1samp(values.mean(-1), 0).confidence_interval(0.9)

    assert effect.p_above(found, 0.0) == pytest.approx(theirs.pvalue)
    assert effect.interval(found, 0.05) == pytest.approx((two_sided.low, two_sided.high))


def test_seeds_that_happen_to_agree_have_the_floor_that_is_measured():
    values = np.array([[100.0, 0.0, 0.0, 0.0], [0.0, 100.0, 0.0, 0.0], [0.0, 0.0, 100.0, 0.0]])  # 25 points each
    components = effect.taken_apart([values])

    assert components.by_seeds == 0
    assert effect.on_this_set(components).variance == components.by_rest > 0


def test_for_such_examples_it_is_a_bootstraps_of_seeds_and_examples():
    values = drawn(seeds=40, examples=400, of_seeds=2.0, of_examples=40.0, rest=10.0)
    random = np.random.default_rng(1)
    means = [
        values[random.integers(0, 40, 40)][:, random.integers(0, 400, 400)].mean() for _ in range(1000)
    ]  # of both, Multi-Bootstrap's way (arXiv 2106.16163)
    found = effect.for_such_examples(effect.taken_apart([values]))

    assert np.sqrt(found.variance) == pytest.approx(np.std(means), rel=0.05)


def test_degrees_of_freedom_by_hand():
    # variances 2 and max(0, 6 - 1) = 5, with 4 and 99: 7² / (4/4 + 25/99) = 39.1
    components = Components(np.array(0.0), 5, 100, np.array(2.0), np.array(6.0), np.array(1.0))
    found = effect.for_such_examples(components)

    assert found.variance == 7.0
    assert found.df == pytest.approx(49 / (1 + 25 / 99))


def test_they_are_never_fewer_than_those_of_the_seeds():
    components = Components(np.array(0.0), 5, 3, np.array(0.01), np.array(6.0), np.array(0.0))

    assert effect.for_such_examples(components).df == 4.0  # Satterthwaite's would be 2.0


def test_two_evaluation_sets_of_one_run_vary_together_over_seeds_and_apart_over_examples():
    shared = np.random.default_rng(0).normal(0, 5, (5, 1))
    matched, mismatched = (shared + drawn(examples=n, of_seeds=0.0, number=n) for n in (60, 40))
    both = effect.taken_apart([matched, mismatched])
    alone = [effect.taken_apart([one]) for one in (matched, mismatched)]
    by_seed = (matched.mean(-1) + mismatched.mean(-1)) / 2

    assert both.mean == pytest.approx(by_seed.mean())
    assert both.by_seeds == pytest.approx(by_seed.var(ddof=1) / 5)
    assert both.by_examples == pytest.approx((alone[0].by_examples + alone[1].by_examples) / 4)
    assert both.examples == 100


def test_scores_alone_have_no_floor_but_the_one_that_is_given_and_no_answer_for_other_examples():
    components = effect.from_scores([0.4, 0.4, 0.4, 0.4], least=0.2)

    assert effect.on_this_set(components).variance == pytest.approx(0.04 / 4)
    assert effect.for_such_examples(components) is None


def test_tasks_of_unlike_numbers_of_seeds_are_averaged_each_with_its_own():
    few, many = effect.from_scores([0.0, 1.0, 2.0]), effect.from_scores(np.arange(20.0))
    found = effect.average([effect.on_this_set(few), effect.on_this_set(many)], [0.5, 0.5])
    first, second = 1 / 3 / 4, 35 / 20 / 4  # variances of means, halved twice

    assert found.mean == pytest.approx((1 + 9.5) / 2)
    assert found.variance == pytest.approx(first + second)
    assert found.df == pytest.approx((first + second) ** 2 / (first**2 / 2 + second**2 / 19))


def test_equal_predictions_differ_by_nothing_for_sure():
    found = effect.on_this_set(effect.taken_apart([np.zeros((3, 4))]))

    assert effect.interval(found, 0.05) == (0.0, 0.0)
    assert (effect.p_above(found, 0.0), effect.p_above(found, -0.5)) == (1.0, 0.0)


def test_many_comparisons_are_each_as_if_alone():
    values = np.stack([drawn(number=i) for i in range(3)])
    together = effect.for_such_examples(effect.taken_apart([values]))
    alone = [effect.for_such_examples(effect.taken_apart([one])) for one in values]

    assert together.variance == pytest.approx([one.variance for one in alone])
    assert together.df == pytest.approx([one.df for one in alone])
    assert effect.interval(Estimate(*together), 0.05)[0] == pytest.approx(
        [effect.interval(one, 0.05)[0] for one in alone]
    )
