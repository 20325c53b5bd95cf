"""Outcomes of single cells: counts, scores against the paper, and what is not there."""

import dataclasses
import math

import pytest

from progbench.judging.expected import Cell, Expectation
from progbench.judging.judge import judge, judge_table
from progbench.judging.verdict import Observed, compare_variants

CELL = Cell(
    "m-constant-rte", "paper", "table1", "Table 1", "M FT", "RTE", "scored", "points", "glue", "m", "full", "constant",
    "a test",
)  # fmt: skip

FIRST = " (fix their number first: who looks after each and stops when it suits errs more often)"


def against_paper(values, printed="66.5", margin=2.9, family=54):
    """The verdict on a cell with these seeds, in a table of so many cells of which no other was run."""
    cell = dataclasses.replace(CELL, expectation=Expectation(printed=printed, margin=margin))
    others = [dataclasses.replace(cell, id=f"other-{i}") for i in range(family - 1)]
    return judge_table([cell, *others], {cell.id: Observed(dict(enumerate(values)))})[cell.id]


def count(printed="", exact=None, counted=0, unit="M parameters"):
    cell = dataclasses.replace(CELL, kind="counted", unit=unit, expectation=Expectation(printed=printed, exact=exact))
    return judge(cell, Observed(count=counted))


@pytest.mark.parametrize(
    ("counted", "printed", "way"),
    [
        (1_005_431_814, "1005.4", "both"),  # section 4.2
        (703_122_438, "703.1", "both"),
        (217_786_372, "217.7", "truncated"),  # Table 2
        (217_786_372, "217.8", "rounded"),
        (70_963_200, "70.9", "truncated"),  # Table 3
        (149_999, "0.1", "both"),
        (150_000, "0.1", "truncated"),
        (150_000, "0.2", "rounded"),
    ],
)
def test_a_count_that_rounds_or_truncates_to_the_print_is_reproduced_and_says_which(counted, printed, way):
    verdict = count(printed, counted=counted)

    assert (verdict.outcome, verdict.rounding) == ("reproduced", way)


@pytest.mark.parametrize(("counted", "direction"), [(1_005_349_999, "low"), (1_005_500_000, "high")])
def test_a_count_that_does_neither_deviates(counted, direction):
    verdict = count("1005.4", counted=counted)

    assert (verdict.outcome, verdict.direction, verdict.rounding) == ("deviates", direction, "")
    assert "neither rounds nor truncates to the printed 1005.4 M" in verdict.sentence


@pytest.mark.parametrize(("counted", "outcome"), [(635_656, "consistent"), (635_657, "deviates")])
def test_our_own_counts_are_exact(counted, outcome):
    assert count(exact=635_656, counted=counted, unit="parameters").outcome == outcome


def test_a_count_that_the_paper_draws_without_a_number_is_not_printed_and_not_missing():
    expectation = Expectation(not_printed="Figure 4 draws this bar without a number")
    verdict = judge(dataclasses.replace(CELL, kind="counted", expectation=expectation), Observed(count=328_451_334))

    assert (verdict.outcome, verdict.observed) == ("not printed", 328_451_334)
    assert verdict.sentence == "Figure 4 draws this bar without a number"


def test_a_count_with_nothing_to_judge_it_by_is_unjudged():
    verdict = count(counted=328_451_334)

    assert (verdict.outcome, verdict.observed) == ("unjudged", 328.451334)


@pytest.mark.parametrize("value", [66.5, 40.0])
def test_one_seed_decides_nothing_against_the_paper(value):
    verdict = against_paper([value])

    assert verdict.outcome == "inconclusive"
    assert (verdict.sd, verdict.spread, verdict.df, verdict.low, verdict.p) == (None,) * 5
    assert f"{value:.2f} (n=1) against the printed 66.5: " in verdict.sentence
    assert "one seed decides nothing, the paper's number is a mean of 5" in verdict.sentence


SPREAD = (-1.118, -0.559, 0, 0.559, 1.118)


@pytest.mark.parametrize(
    ("values", "changes", "outcome", "direction"),
    [
        # mean 66.5, sd 0.158, error 0.158 * sqrt(1/5 + 1/5) = 0.1, t(0.95, 4) = 2.13: 0.21 < 2.9
        ([66.3, 66.4, 66.5, 66.6, 66.7], {}, "reproduced", None),
        # 10 points, error 0.1, t at 0.05 / 2 / 54 with 4 degrees of freedom about 8.9
        ([76.3, 76.4, 76.5, 76.6, 76.7], {}, "deviates", "high"),
        ([67.5, 67.51, 67.52, 67.53, 67.54], {}, "reproduced", None),  # beyond chance, within the margin
        ([65, 68, 70, 72, 75], {}, "inconclusive", None),  # mean 70, sd 4.06, error 2.57: 3.5 is 1.4 errors
        # no spread is taken as 0.05: error 0.042 with two seeds, t(1 - 0.05 / 108, 1) about 690: 29 > 13.8
        ([52.7] * 2, {}, "inconclusive", None),
        ([52.7] * 5, {}, "deviates", "low"),
        # a constant answer: MRPC's F1 of all-positive is 2 * 279 / (2 * 279 + 129); its Matthews correlation is 0
        ([81.2227] * 5, {"printed": "89.9", "margin": 2.2}, "deviates", "low"),
        ([0.0] * 5, {"printed": "58.2", "margin": 2.2}, "deviates", "low"),
        ([-88.3, -88.5, -88.1, -88.4, -88.6], {"printed": "88.4", "margin": 0.7}, "deviates", "low"),  # wrong sign
        # difference 3.2, error 0.5: 6.4 errors; t at 0.025 is 2.8, at 0.05 / 2 / 54 about 8.9
        ([69.7 + d for d in SPREAD], {"margin": 1.0, "family": 1}, "deviates", "high"),
        ([69.7 + d for d in SPREAD], {"margin": 1.0, "family": 54}, "inconclusive", None),
    ],
)
def test_a_score_deviates_beyond_margin_and_chance_and_is_reproduced_surely_within_the_margin(
    values, changes, outcome, direction
):
    verdict = against_paper(values, **changes)

    assert (verdict.outcome, verdict.direction) == (outcome, direction)


def test_a_verdict_holds_the_statistics_it_was_judged_by():
    # mean 66.5, sd sqrt(0.1 / 4) = 0.158, error sd * sqrt(2 / 5) = 0.1, t(0.95, 4) = 2.132
    verdict = against_paper([66.4, 66.5, 66.6, 66.7, 66.8], family=1)

    assert (verdict.tier, verdict.df) == ("paper", 4)
    assert verdict.spread == pytest.approx(0.158, abs=5e-4)
    assert (verdict.low, verdict.high) == pytest.approx((0.1 - 0.213, 0.1 + 0.213), abs=5e-4)
    assert verdict.p == pytest.approx(0.374, abs=5e-4)  # one error off: P(|t| > 1) at 4 degrees of freedom


def test_inconclusive_says_how_many_more_seeds_would_decide():
    # difference 0, sd 1.58, error 1.0, t = 2.13: 2.13 > 2.1; with six seeds t = 2.02, error 0.957: 1.93 < 2.1
    verdict = against_paper([64.5, 65.5, 66.5, 67.5, 68.5], margin=2.1)

    assert verdict.outcome == "inconclusive"
    assert verdict.sentence.endswith("; 1 more seed would decide if mean and spread stayed as they are" + FIRST)


def test_inconclusive_says_when_the_papers_own_five_seeds_are_the_limit():
    # sd 3.27: even with no error of ours the paper's is 3.27 / sqrt(5) = 1.46, and 1.645 times that is above 2.0
    verdict = against_paper([62.5, 65.5, 66.5, 67.5, 71.5], margin=2.0)

    assert verdict.sentence.endswith(
        "no number of seeds would decide: the paper's own mean of 5, taken to be as noisy as ours, is the limit"
    )


def test_what_would_take_more_than_a_hundred_seeds_is_not_said_to_have_no_answer():
    # difference 0.2 and 1.645 * 3.27 / sqrt(5) = 2.407: below 2.62 in the limit, but with 105 seeds 2.68
    verdict = against_paper([62.5, 65.5, 66.5, 67.5, 71.5], margin=2.62)

    assert verdict.sentence.endswith("; more than 100 more seeds would be needed if mean and spread stayed as they are")


def test_a_difference_that_more_seeds_would_make_a_deviation_counts_them_too():
    # difference 2, sd 1.58, so with n seeds 2 / (1.58 * sqrt(1/n + 1/5)) errors; t(0.975, n - 1) is below that first
    # at ten: 2.268 < 2.306 with nine, 2.309 > 2.262 with ten
    verdict = against_paper([66.5, 67.5, 68.5, 69.5, 70.5], margin=1.0, family=1)

    assert verdict.sentence.endswith("; 5 more seeds would decide if mean and spread stayed as they are" + FIRST)


def test_without_a_reference_a_trained_score_is_shown_and_unjudged():
    verdict = judge(CELL, Observed({0: 90.0}))

    assert (verdict.outcome, verdict.observed) == ("unjudged", 90.0)


def test_a_trained_score_that_the_paper_does_not_print_is_not_printed():
    cell = dataclasses.replace(CELL, expectation=Expectation(not_printed="Figure 1 is drawn without numbers"))

    assert judge(cell, Observed({0: 90.0})).outcome == "not printed"
    assert judge(cell, Observed(missing="no GPU")).outcome == "missing"


def test_what_was_not_run_is_missing_with_its_reason():
    verdict = judge(CELL, Observed(missing="no GPU"))

    assert (verdict.outcome, verdict.sentence, verdict.observed) == ("missing", "no GPU", None)


def test_one_seed_with_an_error_makes_the_cell_an_error_that_still_shows_the_others():
    verdict = judge(CELL, Observed({0: 70.0, 2: 72.0}, errors={1: "epoch 1, step 3: the loss is nan"}))

    assert verdict.outcome == "error"
    assert verdict.sentence == "seed 1: epoch 1, step 3: the loss is nan"
    assert (verdict.observed, verdict.n) == (71.0, 2)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_an_error_and_no_score(score):
    verdict = against_paper([66.5, score, 66.7, 66.4, 66.6])

    assert (verdict.outcome, verdict.sentence) == ("error", f"seed 1: the score is {score}")
    assert (verdict.n, verdict.observed) == (4, pytest.approx(66.55))


def test_several_seeds_with_an_error_are_all_named():
    verdict = judge(CELL, Observed({0: math.nan}, errors={2: "out of memory"}))

    assert verdict.sentence == "seed 0: the score is nan (seeds with an error: 0, 2)"


def test_where_the_paper_itself_prints_the_majority_class_a_constant_reproduces_it():
    # Table 5: 68.5; 279 of 408 is 68.38. No spread is taken as 0.05
    verdict = against_paper([100 * 279 / 408] * 5, "68.5", margin=2.4)

    assert (verdict.outcome, verdict.spread) == ("reproduced", 0.05)


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


def variants_of(values, **others):
    """A cell's variants against a print of 66.5: the primary's values, and each other's."""
    cell = dataclasses.replace(CELL, expectation=Expectation("66.5", margin=1.0))
    primary = judge(cell, Observed(dict(enumerate(values))))
    return compare_variants(cell, primary, {name: Observed(dict(enumerate(found))) for name, found in others.items()})


@pytest.mark.parametrize(
    ("values", "others", "closest"),
    [
        ([66.0], {"near": [66.6], "far": [70.0]}, ["near"]),
        ([66.4], {"near": [66.0], "far": [70.0]}, [""]),
        ([66.0], {"above": [67.0], "far": [70.0]}, ["", "above"]),
        ([], {"near": [66.6], "far": [70.0]}, ["near"]),
        ([66.0], {"none": [], "far": [70.0]}, [""]),
    ],
)
def test_the_closest_variant_is_the_one_nearest_to_the_print(values, others, closest):
    assert [one.variant for one in variants_of(values, **others) if one.closest] == closest


def test_where_nothing_is_expected_no_variant_is_the_closest():
    primary = judge(CELL, Observed({0: 66.0}))

    assert not any(one.closest for one in compare_variants(CELL, primary, {"other": Observed({0: 67.0})}))


def test_a_single_value_has_no_deviation_in_a_variant_and_two_have():
    # of 66 and 67: sqrt(0.5)
    found = {one.variant: one.sd for one in variants_of([66.0], one=[67.0], two=[66.0, 67.0])}

    assert found == {"": None, "one": None, "two": pytest.approx(0.5**0.5)}


def test_a_variant_that_leaves_a_count_as_it_is_is_left_out():
    cell = dataclasses.replace(CELL, kind="counted", unit="M parameters", expectation=Expectation("0.1"))
    primary = judge(cell, Observed(count=100_000))
    found = compare_variants(cell, primary, {"same": Observed(count=100_000), "other": Observed(count=130_000)})

    assert [one.variant for one in found] == ["", "other"]
