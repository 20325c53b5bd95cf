import dataclasses
import math

import pytest

from progbench.expected import Cell, Expectation, Reference
from progbench.verdict import Observed, judge

CELL = Cell(
    "m-constant-rte", "paper", "table1", "Table 1", "M FT", "RTE", "scored", "points", "glue", "m", "full", "constant",
    "a test",
)  # fmt: skip


def against_paper(values, printed="66.5", margin=2.9, comparisons=54):
    cell = dataclasses.replace(CELL, expectation=Expectation(printed=printed, margin=margin))
    return judge(cell, Observed(dict(enumerate(values))), comparisons)


def against_reference(values, seeds, sd, margin=0.8, df=8, comparisons=1):
    reference = Reference(dict(enumerate(seeds)), {}, sd, df)
    cell = dataclasses.replace(CELL, expectation=Expectation(reference=reference, margin=margin))
    return judge(cell, Observed(dict(enumerate(values))), comparisons)


def count(printed="", exact=None, counted=0, unit="M parameters"):
    cell = dataclasses.replace(CELL, kind="counted", unit=unit, expectation=Expectation(printed=printed, exact=exact))
    return judge(cell, Observed(count=counted))


@pytest.mark.parametrize(
    ("counted", "printed"),
    [
        (1_005_431_814, "1005.4"),  # section 4.2, rounded
        (703_122_438, "703.1"),
        (217_786_372, "217.7"),  # Table 2, truncated
        (217_786_372, "217.8"),
        (70_963_200, "70.9"),  # Table 3, truncated
    ],
)
def test_a_count_that_rounds_or_truncates_to_the_print_is_reproduced(counted, printed):
    assert count(printed, counted=counted).outcome == "reproduced"


@pytest.mark.parametrize(("counted", "direction"), [(1_005_349_999, "low"), (1_005_500_000, "high")])
def test_a_count_that_does_neither_deviates(counted, direction):
    verdict = count("1005.4", counted=counted)

    assert (verdict.outcome, verdict.direction) == ("deviates", direction)
    assert "neither rounds nor truncates to the printed 1005.4 M" in verdict.sentence


@pytest.mark.parametrize(("counted", "outcome"), [(635_656, "reproduced"), (635_657, "deviates")])
def test_our_own_counts_are_exact(counted, outcome):
    assert count(exact=635_656, counted=counted, unit="parameters").outcome == outcome


def test_a_count_without_a_printed_number_is_shown_and_not_judged():
    verdict = count(counted=328_451_334)

    assert (verdict.outcome, verdict.observed) == ("missing", 328.451334)


@pytest.mark.parametrize("value", [66.5, 40.0])
def test_one_seed_decides_nothing_against_the_paper(value):
    verdict = against_paper([value])

    assert verdict.outcome == "inconclusive"
    assert verdict.sd is None


def test_a_mean_surely_within_the_margin_is_reproduced():
    # mean 66.5, sd 0.158, error 0.158 * sqrt(1/5 + 1/5) = 0.1, t(0.95, 4) = 2.13: 0.21 < 2.9
    assert against_paper([66.3, 66.4, 66.5, 66.6, 66.7]).outcome == "reproduced"


def test_a_mean_beyond_margin_and_chance_deviates_with_its_direction():
    # 10 points, error 0.1, t at 0.05 / 2 / 54 with 4 degrees of freedom about 8.9
    verdict = against_paper([76.3, 76.4, 76.5, 76.6, 76.7])

    assert (verdict.outcome, verdict.direction) == ("deviates", "high")
    assert verdict.difference == pytest.approx(10.0)


def test_a_difference_beyond_chance_within_the_margin_is_no_deviation():
    assert against_paper([67.5, 67.51, 67.52, 67.53, 67.54]).outcome == "reproduced"


def test_a_difference_within_chance_beyond_the_margin_is_no_deviation():
    # mean 70 against 66.5, sd 4.06, error 2.57: 3.5 is 1.4 errors
    assert against_paper([65, 68, 70, 72, 75]).outcome == "inconclusive"


def test_two_equal_seeds_far_off_are_not_yet_a_deviation_and_five_are():
    # no spread is taken as 0.05: error 0.042 with two seeds, t(1 - 0.05 / 108, 1) about 690: 29 > 13.8
    assert against_paper([52.7] * 2).outcome == "inconclusive"
    assert against_paper([52.7] * 5).outcome == "deviates"


def test_inconclusive_says_how_many_more_seeds_would_decide():
    # difference 0, sd 1.58, error 1.0, t = 2.13: 2.13 > 2.1; with six seeds t = 2.02, error 0.957: 1.93 < 2.1
    verdict = against_paper([64.5, 65.5, 66.5, 67.5, 68.5], margin=2.1)

    assert verdict.outcome == "inconclusive"
    assert "1 more seeds like these would decide" in verdict.sentence


def test_inconclusive_says_when_the_papers_own_five_seeds_are_the_limit():
    # sd 3.27: even with no error of ours the paper's is 3.27 / sqrt(5) = 1.46, and 1.66 times that is above 2.0
    verdict = against_paper([62.5, 65.5, 66.5, 67.5, 71.5], margin=2.0)

    assert "not even 100 would decide: the paper's own mean of 5 is the limit" in verdict.sentence


def test_a_longer_table_asks_for_more_before_a_cell_deviates():
    # difference 3.2, error 0.5: 6.4 errors; t at 0.025 is 2.8, at 0.05 / 2 / 54 about 8.9
    values = [69.7 + d for d in (-1.118, -0.559, 0, 0.559, 1.118)]

    assert against_paper(values, margin=1.0, comparisons=1).outcome == "deviates"
    assert against_paper(values, margin=1.0, comparisons=54).outcome == "inconclusive"


def test_one_seed_is_judged_against_our_own_raw_seeds_by_prediction_interval():
    # t(0.975, 8) = 2.306 times 1.0 * sqrt(1 + 1/5) = 1.0954: 2.526
    verdict = against_reference([92.5], [88, 89, 90, 91, 92], sd=1.0)

    assert verdict.tolerance == pytest.approx(2.526, abs=1e-3)
    assert verdict.outcome == "reproduced"
    assert against_reference([92.6], [88, 89, 90, 91, 92], sd=1.0).outcome == "deviates"


def test_below_the_floor_a_difference_from_our_reference_is_none():
    # five equal seeds have no spread, and another CPU may still tip two examples
    assert against_reference([90.8], [90] * 5, sd=0.0).outcome == "reproduced"
    assert against_reference([90.9], [90] * 5, sd=0.0).outcome == "deviates"


def test_without_a_reference_the_value_is_shown_and_missing():
    verdict = judge(CELL, Observed({0: 90.0}))

    assert (verdict.outcome, verdict.observed) == ("missing", 90.0)


def test_what_was_not_run_is_missing_with_its_reason():
    verdict = judge(CELL, Observed(missing="no GPU"))

    assert (verdict.outcome, verdict.sentence, verdict.observed) == ("missing", "no GPU", None)


def test_one_seed_with_an_error_makes_the_cell_an_error_that_still_shows_the_others():
    verdict = judge(CELL, Observed({0: 70.0, 2: 72.0}, errors={1: "epoch 1, step 3: the loss is nan"}))

    assert verdict.outcome == "error"
    assert verdict.sentence == "seed 1: epoch 1, step 3: the loss is nan"
    assert (verdict.observed, verdict.n) == (71.0, 2)


def test_a_cell_whose_file_was_edited_is_an_error_whatever_was_observed():
    cell = dataclasses.replace(CELL, problem="table1.toml was edited", expectation=Expectation(printed="66.5"))

    assert judge(cell, Observed({0: 66.5, 1: 66.5})).outcome == "error"


def test_every_number_of_a_verdict_is_finite_or_none():
    for verdict in (
        against_paper([66.5]),
        count("703.1", counted=703_122_438),
        judge(CELL, Observed(missing="no GPU")),
    ):
        numbers = [value for value in dataclasses.asdict(verdict).values() if isinstance(value, float)]
        assert all(math.isfinite(number) for number in numbers)
