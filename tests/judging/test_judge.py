"""Tables judged at once: shared spreads, one rate of false alarms, and the two tiers of our own references."""

import dataclasses
import itertools

import pytest

from progbench.judging.expected import Cell, Expectation
from progbench.judging.judge import judge_table
from progbench.judging.references import Reference
from progbench.judging.verdict import Observed

CELL = Cell(
    "a", "paper", "table1", "Table 1", "M FT", "RTE", "scored", "points", "glue", "m", "full", "constant", "a test",
    evaluation_set="rte", metric="accuracy", expectation=Expectation("66.5", margin=2.9),
)  # fmt: skip
STEADY = [66.3, 66.4, 66.5, 66.6, 66.7]  # variance 0.1 / 4 = 0.025
WILD = [64.5, 65.5, 66.5, 67.5, 68.5]  # variance 2.5

FIRST = " (fix their number first: who looks after each and stops when it suits errs more often)"


def table(**rows):
    """The verdicts on cells like CELL: by id, the values of its seeds and what else is different about it."""
    cells = [dataclasses.replace(CELL, id=name, **changes) for name, (_, changes) in rows.items()]
    return judge_table(cells, {name: Observed(dict(enumerate(values))) for name, (values, _) in rows.items()})


def test_a_spread_is_pooled_over_the_rows_of_one_model_tuning_and_column():
    # (4 * 0.025 + 4 * 2.5) / 8 = 1.2625
    found = table(a=(STEADY, {}), b=(WILD, {"schedule": "shrinking"}))

    assert [(one.spread, one.df) for one in found.values()] == [(pytest.approx(1.2625**0.5), 8)] * 2
    assert found["a"].sd == pytest.approx(0.025**0.5)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "other"},
        {"tuning": "lora"},
        {"evaluation_set": "mrpc"},
        {"metric": "f1"},
        {"kind": "derived", "mean_of": {"rte": "accuracy"}},
    ],
)
def test_nothing_is_pooled_over_unlike_cells(changes):
    found = table(a=(STEADY, {}), b=(WILD, changes))

    assert (found["a"].spread, found["a"].df) == (pytest.approx(0.025**0.5), 4)
    assert {one.df for one in table(a=(STEADY, changes), b=(WILD, changes)).values()} == {8}


def test_one_seed_with_its_siblings_spread_has_an_interval_and_is_still_undecided():
    # error sqrt(0.025) * sqrt(1 + 1/5) = 0.1732, t(0.95, 4) = 2.132: 10 +- 0.369
    found = table(a=([76.5], {}), b=(STEADY, {}))["a"]

    assert found.outcome == "inconclusive"
    assert (found.low, found.high) == pytest.approx((10 - 0.369, 10 + 0.369), abs=1e-3)


def test_one_seed_says_how_many_more_would_decide_by_its_siblings_spread_and_asks_for_a_second_without():
    found = table(a=([66.5], {}), b=(STEADY, {}))["a"]

    assert table(a=([66.5], {}))["a"].sentence.endswith("a mean of 5; a second seed would tell the spread")
    assert found.sentence.endswith(
        "a mean of 5; 1 more seed would decide if mean and spread stayed as they are" + FIRST
    )


def test_a_cell_with_an_error_lends_nobody_its_spread():
    cells = [CELL, dataclasses.replace(CELL, id="b")]
    left = Observed(dict(enumerate(WILD[:4])), errors={4: "out of memory"})
    found = judge_table(cells, {"a": Observed(dict(enumerate(STEADY))), "b": left})

    assert (found["a"].df, found["b"].outcome) == (4, "error")


OTHER = "not the published data: it read 32 rows of train (published: 2,490)"


def on_other_data(values, **changes):
    return Observed(dict(enumerate(values)), other_data=OTHER, **changes)


@pytest.mark.parametrize(("values", "difference"), [(STEADY, "+0.00"), ([v + 9 for v in STEADY], "+9.00")])
def test_a_score_on_other_data_is_neither_reproduced_nor_deviates(values, difference):
    found = judge_table([CELL], {"a": on_other_data(values)})["a"]

    assert (found.outcome, found.p, found.tier) == ("inconclusive", None, "paper")
    assert found.sentence.endswith(f"(n=5) against the printed 66.5: {difference}; not judged: {OTHER}")


def test_a_score_on_other_data_lends_nobody_its_spread_and_stays_in_the_family():
    cells = [CELL, dataclasses.replace(CELL, id="b")]
    alone, beside = (
        judge_table(cells, {"a": Observed(dict(enumerate(STEADY))), **more})["a"]
        for more in ({}, {"b": on_other_data(WILD)})
    )

    assert beside == alone


def test_a_score_on_other_data_is_disputed_with_both_reasons_and_an_error_or_missing_as_any_other():
    found = judge_table([dataclasses.replace(CELL, disputed="it cannot be")], {"a": on_other_data(STEADY)})["a"]

    assert (found.outcome, found.sentence.endswith(f"{OTHER}; it cannot be")) == ("disputed", True)
    assert judge_table([CELL], {"a": on_other_data(STEADY, errors={4: "x"})})["a"].outcome == "error"
    assert judge_table([CELL], {"a": on_other_data([])})["a"].sentence == "not run"


def test_against_our_own_reference_the_fingerprint_says_which_data_it_was():
    reference = Reference(dict(enumerate(STEADY)), {}, 0.158, 4)
    cell = dataclasses.replace(CELL, expectation=Expectation(reference=reference, margin=0.8))

    assert judge_table([cell], {"a": on_other_data(STEADY)})["a"].outcome == "consistent"


def test_holms_correction_is_over_the_tables_scored_cells_run_or_not():
    # p = 0.374 alone (one error off, 4 degrees of freedom); with another cell that was not run, twice that
    one = [66.4, 66.5, 66.6, 66.7, 66.8]

    assert table(a=(one, {}))["a"].p == pytest.approx(0.374, abs=5e-4)
    assert table(a=(one, {}), b=([], {}))["a"].p == pytest.approx(0.748, abs=1e-3)
    for kind in ("derived", "counted"):
        assert table(a=(one, {}), b=([], {"kind": kind}))["a"].p == pytest.approx(0.374, abs=5e-4)
    average = {"kind": "derived", "mean_of": {"rte": "accuracy"}}  # a family of their own
    assert table(a=(one, average), b=([], {}))["a"].p == pytest.approx(0.374, abs=5e-4)
    assert table(a=(one, average), b=([], average))["a"].p == pytest.approx(0.748, abs=1e-3)


def test_the_second_least_p_is_corrected_for_one_cell_less():
    # Holm: 3 times the least, 2 times the next; the third was not run
    found = table(a=([69.4, 69.5, 69.6, 69.7, 69.8], {"model": "x"}), b=([67, 67.1, 67.2, 67.3, 67.4], {}), c=([], {}))
    alone = {name: table(**{name: rows})["a" if name == "a" else "b"].p for name, rows in {
        "a": ([69.4, 69.5, 69.6, 69.7, 69.8], {"model": "x"}), "b": ([67, 67.1, 67.2, 67.3, 67.4], {}),
    }.items()}  # fmt: skip

    assert found["a"].p == pytest.approx(3 * alone["a"])
    assert found["b"].p == pytest.approx(2 * alone["b"])


def test_a_verdict_does_not_depend_on_the_order_of_the_cells():
    rows = {"a": (STEADY, {}), "b": (WILD, {}), "c": ([76.5, 76.6], {"model": "other"}), "d": ([], {})}
    orders = [table(**dict(order)) for order in itertools.permutations(rows.items())]

    assert all(found == orders[0] for found in orders)


@pytest.mark.parametrize(
    ("observed", "changes", "tier"),
    [
        (Observed(dict(enumerate(STEADY))), {}, "paper"),
        (Observed(), {}, ""),
        (Observed(errors={0: "out of memory"}), {}, ""),
        (Observed(count=5), {"kind": "counted", "expectation": Expectation(exact=5)}, "count"),
        (Observed({0: 66.5}), {"expectation": Expectation()}, ""),
    ],
)
def test_a_verdict_says_what_it_was_judged_against_and_read_from(observed, changes, tier):
    observed = dataclasses.replace(observed, recipes=("m-constant-rte/0123abcd",))
    found = judge_table([dataclasses.replace(CELL, **changes)], {"a": observed})["a"]

    assert (found.tier, found.recipes) == (tier, observed.recipes)


@pytest.mark.parametrize(
    ("expectation", "tolerance"), [(Expectation(exact=5), 0.0), (Expectation("0.1"), 0.1), (Expectation("0.13"), 0.01)]
)
def test_the_tolerance_of_a_count_is_a_unit_of_the_last_printed_digit_and_none_of_an_exact_one(expectation, tolerance):
    cell = dataclasses.replace(CELL, kind="counted", unit="M parameters", expectation=expectation)

    assert judge_table([cell], {"a": Observed(count=5)})["a"].tolerance == pytest.approx(tolerance)


def against_reference(values, seeds, sd=1.0, df=8, floor=0.8, same=None, family=1):
    """The verdict on a cell with these seeds, by a reference with those, in a table of so many cells."""
    reference = Reference(dict(enumerate(seeds)), {}, sd, df)
    cell = dataclasses.replace(CELL, expectation=Expectation(reference=reference, margin=floor))
    others = [dataclasses.replace(cell, id=f"other-{i}") for i in range(family - 1)]
    return judge_table([cell, *others], {"a": Observed(dict(enumerate(values)), same=same or {})})["a"]


def test_one_seed_is_judged_against_our_own_raw_seeds_by_prediction():
    # t(0.975, 8) = 2.306 times 1.0 * sqrt(1 + 1/5) = 1.0954: 2.526
    found = against_reference([92.5], [88, 89, 90, 91, 92])

    assert (found.outcome, found.tier) == ("consistent", "reference, statistical")
    assert found.sentence == (
        "92.50 (n=1) against our reference 90.00 (n=5): +2.50, beyond the floor of 0.8 but within chance "
        "(p = 0.052 among 1 cell)"
    )


@pytest.mark.parametrize(
    ("value", "changes", "outcome"),
    [
        (92.6, {"family": 1}, "deviates"),
        (92.6, {"family": 40}, "consistent"),  # a longer table asks for more
        # five equal seeds are taken to have a spread of 0.05, and another CPU may still tip two examples
        (90.8, {"seeds": [90] * 5, "sd": 0.0}, "consistent"),
        (90.9, {"seeds": [90] * 5, "sd": 0.0}, "deviates"),
    ],
)
def test_a_prediction_fails_beyond_the_floor_and_beyond_chance(value, changes, outcome):
    assert against_reference([value], **({"seeds": [88, 89, 90, 91, 92]} | changes)).outcome == outcome


def test_a_prediction_holds_its_statistics():
    # t(0.95, 8) = 1.860 times 1.0954: 2.037
    found = against_reference([92.5], [88, 89, 90, 91, 92])

    assert (found.low, found.high) == pytest.approx((0.463, 4.537), abs=1e-3)
    assert (found.spread, found.df, found.tolerance) == (1.0, 8, 0.8)


def test_seeds_made_as_the_references_were_are_consistent_with_it_bit_for_bit():
    found = against_reference([88.0, 89.0], [88, 89, 90, 91, 92], same={0: True, 1: True, 2: True})

    assert (found.outcome, found.tier, found.tolerance) == ("consistent", "reference, exact", 0.0)
    assert found.sentence == "88.50 ± 0.71 (n=2), bit for bit the scores of our reference's seeds 0, 1"


def test_an_exact_comparison_is_with_the_same_seeds_alone():
    found = against_reference([88.0], [88, 89, 90, 91, 92], same={0: True})

    assert (found.expected, found.difference, found.p) == (88.0, 0.0, None)


def test_where_scores_must_be_the_same_the_least_difference_deviates():
    found = against_reference([88.0, 89.00000000000001], [88, 89, 90, 91, 92], same={0: True, 1: False})

    assert (found.outcome, found.direction, found.tier) == ("deviates", "high", "reference, exact")
    assert found.sentence == (
        "seed 1: 89.00000000000001 against our reference's 89, though recipe, machine, threads and versions are the "
        "same: something that moves scores has changed without a new SCORES_VERSION, or this machine does not repeat "
        "itself"
    )


def test_equal_points_of_unlike_scores_are_said_to_be_that():
    found = against_reference([88.0], [88.0, 89, 90, 91, 92], same={0: False})

    assert (found.outcome, found.direction) == ("deviates", None)
    assert "seed 0: 88.0 against our reference's 88.0 (as points; the recorded scores differ), though" in found.sentence


def test_one_seed_that_the_reference_does_not_have_makes_the_comparison_statistical():
    found = against_reference([88.0] * 6, [88, 89, 90, 91, 92], same=dict.fromkeys(range(5), True))

    assert found.tier == "reference, statistical"


def test_a_seed_that_does_not_repeat_deviates_whatever_further_seeds_there_are():
    found = against_reference([88.5, 89.0, 90.0], [88, 89, 90, 91, 92], same={0: False, 1: True})

    assert (found.outcome, found.tier, found.n) == ("deviates", "reference, exact", 2)
