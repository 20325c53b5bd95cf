"""Paired runs and what is said of them: by hand, and on hostile families."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from progbench.judging import effect
from progbench.judging.compare import compare, together
from progbench.judging.compared import Paired
from progbench.judging.effect import Estimate
from progbench.judging.terms import Looks, Terms

SPREAD = (-1.0, -0.5, 0.0, 0.5, 1.0)  # sd 0.79


def task(name="RTE", mean=0.0, spread=0.2, **values):
    """Five paired seeds whose differences have this mean, and an sd of 0.79 times `spread`."""
    left = tuple(70 + mean + spread * x for x in SPREAD)
    return replace(Paired(name, 1, tuple(range(5)), left, (70.0,) * 5), **values)


def judged(*tasks, terms=None, **others):
    return compare("Table 1", "shrinking", "constant", {"m": tasks, **others}, terms or Terms())


def test_a_task_by_hand():
    # sd 0.79 · 0.2; t(0.95, 4) = 2.132
    (found,) = judged(task(mean=0.3))
    half = 2.131847 * 0.2 * 0.790569 / np.sqrt(5)

    assert (found.low, found.high) == pytest.approx((0.3 - half, 0.3 + half))
    assert (found.task, found.seeds, found.examples, found.level) == ("RTE", (5, 5), 0, 0.05)
    assert found.p == pytest.approx(2 * t.sf(0.3 / (half / 2.131847), 4), rel=1e-5)


def test_the_sentence_says_what_it_is_an_answer_to():
    first, *_, average = judged(task("RTE", 0.1), task("MRPC", -0.1))

    assert first.on_this_set == (
        "over 5 paired seeds, on this development set, Progtuning scores +0.10 [-0.05, +0.25] points on RTE: "
        "not worse than fine-tuning by 1"
    )
    assert average.on_this_set == (
        "over 5 paired seeds, on this development set, Progtuning scores +0.00 [-0.09, +0.09] points on average: "
        "not worse than fine-tuning by 0.5"
    )
    assert (
        first.for_such_examples == "for examples like these: unknown, since not all of these results kept predictions"
    )


def test_examples_answer_the_second_question():
    random = np.random.default_rng(0)
    differences = random.normal(0.5, 0.2, (5, 1)) + random.normal(0, 30, 100) + random.normal(0, 5, (5, 100))
    (found,) = judged(task(differences=(differences,)))

    assert found.examples == 100
    assert found.other_high - found.other_low > 3 * (found.high - found.low)
    assert found.other_word == "undecided"


def test_mnlis_two_columns_weigh_two_ninths_in_the_papers_average():
    seven = [task(name, mean=0.0) for name in "abcdefg"]
    *_, average = judged(*seven, task("MNLI", mean=0.9, columns=2))

    assert average.difference == pytest.approx(0.9 * 2 / 9)
    assert (len(average.over), average.of) == (8, 8)


def test_an_average_is_over_the_tasks_that_are_there_each_with_its_own_seeds():
    few = Paired("CoLA", 1, (0, 1, 2), (61.0, 62.0, 63.0), (60.0, 60.0, 60.0))
    *_, average = judged(task("RTE"), few, Paired("SST-2", missing="not run"))

    assert (average.over, average.of, average.seeds) == (("RTE", "CoLA"), 3, (3, 5))
    assert average.difference == pytest.approx(1.0)
    assert average.share == 1.0  # of the three seeds that both have: (0.5 · (-0.2 + 1), …)


def test_two_pairs_are_too_few_and_one_task_has_no_average():
    two = Paired("CoLA", 1, (0, 1), (61.0, 62.0), (60.0, 60.0))

    assert [one.task for one in judged(two, task())] == ["RTE"]
    assert judged(two) == []


def test_a_table_without_averages_has_none():
    found = compare("Table 5", "shrinking", "growing", {"m": [task("RTE"), task("MRPC")]}, Terms(), average=False)

    assert [one.task for one in found] == ["RTE", "MRPC"]


def test_a_task_is_better_only_where_it_is_among_all_of_its_models_tasks():
    # alone t = 2.9 of four degrees of freedom is p = 0.044, two-sided; among two it is not below 5 %
    mean = 2.9 * 0.2 * 0.790569 / np.sqrt(5)
    (alone,) = judged(task(mean=mean))
    among, *_ = judged(task(mean=mean), task("MRPC"))

    assert (alone.word, among.word) == ("better", "not worse")
    assert among.low > 0
    assert among.p == pytest.approx(2 * alone.p)


def test_of_several_models_each_must_be_better_among_them():
    # the average of two such tasks: t = 2.5 of eight degrees of freedom, p = 0.018 one-sided; three models want 0.017
    mean = 2.5 * 0.2 * 0.790569 / np.sqrt(5) / np.sqrt(2)
    good, rest = [task("RTE", mean), task("MRPC", mean)], [task("RTE"), task("MRPC")]
    alone = judged(*good)[-1]
    among = next(one for one in judged(*good, b=rest, c=rest) if one.body == "m" and one.task == "average")

    assert (alone.word, among.word) == ("better", "not worse")


def test_an_average_says_what_it_is_without_the_task_that_makes_most_of_it():
    *_, average = judged(task("RTE", -3.0), task("MRPC", 0.3), task("CoLA", 0.1))
    rest = judged(task("MRPC", 0.3), task("CoLA", 0.1))[-1]

    assert average.notes == (f"without RTE, which has the largest share in it, the average is {rest.number}",)


def test_the_seeds_that_are_needed_are_those_of_the_suites_own_level():
    # one schedule's sd over both: 1.5 · sqrt(2) and 0; seeds_needed(1.5, 1.0) is 30 at a level of 5 %
    wide = task(spread=1.5 * 2**0.5 / 0.790569)
    five, three = (judged(wide, terms=Terms(looks=Looks((5,), level)))[0].needed for level in (0.05, 0.03))

    assert (five, three) == (30, 36)


def test_not_worse_on_every_task_needs_all_of_them():
    fine, poor = task("RTE", 0.0), task("MRPC", -1.5)

    assert judged(fine, task("MRPC"))[-1].every_task is True
    assert judged(fine, poor)[-1].every_task is False


def test_two_looks_have_wider_intervals_and_an_unplanned_number_of_seeds_is_said():
    one, two = (judged(task(), terms=Terms(looks=looks))[0] for looks in (Looks(), Looks((5, 10), 0.03)))
    (odd,) = judged(task(), terms=Terms(looks=Looks((3, 10), 0.03)))

    assert two.high - two.low == pytest.approx((one.high - one.low) * t.ppf(0.97, 4) / t.ppf(0.95, 4))
    assert (one.notes, two.notes) == ((), ())
    assert odd.notes == (
        "5 seeds are not the 3, then 10 fixed beforehand: whoever stops when it suits errs more often",
    )


def ten(name, first, second):
    """Ten paired seeds: the differences of the first five have this mean, those of the others that one."""
    left = tuple(70 + mean + 0.2 * x for mean in (first, second) for x in SPREAD)
    return Paired(name, 1, tuple(range(10)), left, (70.0,) * 10)


def test_what_the_look_before_said_stands_beside_the_later_one():
    terms = Terms(looks=Looks((5, 10), 0.03))
    tasks = [("RTE", -0.6, 0.6), ("MRPC", -0.6, 0.6)]
    now = judged(*(ten(*one) for one in tasks), terms=terms)
    then = judged(*(task(name, first) for name, first, _ in tasks), terms=terms)

    assert [one.word for one in then] == ["lower, by less than the margin"] * 2 + ["lower"]
    assert [look.short for one in now for look in one.earlier] == [
        f"with 5 seeds {one.number}, {one.says}" for one in then
    ]
    assert now[-1].word == "not worse"
    assert {one.earlier for one in then} == {()}


def test_of_the_look_before_examples_are_judged_with_its_seeds_alone():
    random = np.random.default_rng(0)
    differences = (random.normal(0.5, 0.2, (10, 1)) + random.normal(0, 5, (10, 100)),)
    terms = Terms(looks=Looks((5, 10), 0.03))
    (now,) = judged(replace(ten("RTE", 0.0, 0.0), differences=differences), terms=terms)
    (then,) = judged(task(differences=(differences[0][:5],)), terms=terms)

    assert [look.for_such_examples for look in now.earlier] == [then.for_such_examples]


def test_a_look_before_had_the_seeds_numbered_below_it_and_not_the_first_pairs():
    seeds = (0, 1, 3, 4, 5, 6, 7, 8, 9)  # the runs of seed 2 are no pair
    gap = replace(ten("RTE", -0.6, 0.6), seeds=seeds, left=ten("RTE", -0.6, 0.6).left[1:], right=(70.0,) * 9)
    (now,) = judged(gap, terms=Terms(looks=Looks((5, 10), 0.03)))

    assert [look.seeds for look in now.earlier] == ["4"]


def test_what_any_look_showed_is_known():
    now = judged(ten("RTE", -0.6, 0.6), ten("MRPC", -0.6, 0.6), terms=Terms(looks=Looks((5, 10), 0.03)))

    assert now[-1].shown == ("not worse", "lower")


def test_a_task_that_has_no_seed_more_than_at_the_look_before_says_nothing_twice():
    terms = Terms(looks=Looks((5, 10), 0.03))
    more, same, average = judged(ten("CoLA", 0.0, 0.0), task("RTE"), terms=terms)

    assert (len(more.earlier), same.earlier, len(average.earlier)) == (1, (), 1)


@pytest.mark.parametrize(
    ("mean", "printed", "word"),
    [
        (0.1, 0.2, "the printed effect"),
        (0.1, 2.2, "another than the printed effect"),
        (0.1, 0.6, "not told from the printed effect"),
    ],
)
def test_whether_ours_is_the_printed_effect(mean, printed, word):
    # half a gap's interval: both have the sd of five seeds, the print is rounded: 2.13 · √(2 · 0.045 + 0.0017) = 0.65
    (found,) = judged(task(mean=mean, spread=0.6, printed=printed))

    assert (found.print_word, found.printed) == (word, printed)
    assert found.print_low < mean - printed < found.print_high


def test_an_unprinted_effect_is_compared_with_nothing():
    (found,) = judged(task())

    assert (found.printed, found.print_low, found.print_word) == (None, None, "")


def test_scores_that_are_all_equal_have_the_least_spread_that_is_believed():
    found, other = together([task(spread=0.0)])

    assert found.variance == pytest.approx(0.05**2 / 5)  # half a printed unit
    assert other is None


def test_lower_is_said_of_an_average_that_surely_is():
    *_, average = judged(task("RTE", -0.3), task("MRPC", -0.3))

    assert average.word == "lower, by less than the margin"
    assert judged(task("RTE", -3.0), task("MRPC", -3.0))[-1].word == "worse"


def test_holms_correction_is_over_models_for_not_worse_and_better_apart():
    # p of not worse (by 1): t = 2 of 10 is 0.037; among two models the smaller must be below 0.025
    found = effect.of_models(Estimate(np.array([0.0, 9.0]), np.array([0.25, 0.25]), np.array([10.0, 10.0])), 1.0, 0.05)

    assert found.not_worse.tolist() == [True, True]  # the second is far below 0.025, so that the first may have 0.05
    assert found.better.tolist() == [False, True]
    assert effect.of_models(Estimate(np.zeros(2), np.full(2, 0.25), np.full(2, 10.0)), 1.0, 0.05).p == pytest.approx(
        2 * t.sf(2, 10)
    )
