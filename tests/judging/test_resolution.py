"""At the edge: binary fractions, and spreads that so many examples cannot show."""

import dataclasses
import json
import math

import numpy as np
import pytest
from made_up import recipes, result
from scipy.stats import t

from progbench.judging import against, claims, decision, resolution
from progbench.judging.claims import Claim, Comparison
from progbench.judging.counts import agrees_with_print
from progbench.judging.expected import Cell, Expectation
from progbench.judging.judge import judge_table
from progbench.judging.references import Reference
from progbench.judging.verdict import Observed, compare_variants
from progbench.runs import results
from progbench.session.suite import Suite

CELL = Cell(
    "a", "smoke", "table1", "Table 1", "M FT", "SST-2", "scored", "points", "glue", "m", "full", "constant", "a test",
    evaluation_set="sst2", metric="accuracy",
)  # fmt: skip
STEP = 0.4  # one of 250 examples, in points


def against_reference(right, family=36, floor=0.8, least_sd=0.2, theirs=243):
    """The verdict on one seed that has so many of 250 examples right, by five that all have the same number."""
    reference = Reference(dict.fromkeys(range(5), 100 * (theirs / 250)), {}, 0.0, 4)
    cell = dataclasses.replace(CELL, expectation=Expectation(reference=reference, margin=floor))
    others = [dataclasses.replace(cell, id=f"other-{i}") for i in range(family - 1)]
    return judge_table([cell, *others], {"a": Observed({0: 100 * (right / 250)}, least_sd=least_sd)})["a"]


def test_two_of_250_examples_are_just_the_floor_of_0_8_and_not_beyond_it(reliability):
    # 100 * 0.964 - 100 * 0.972 is -0.8000000000000114
    found = against_reference(241)

    assert found.difference < -0.8
    assert found.outcome == "consistent"
    assert ": -0.80, within the floor of 0.8 (p = 0.78 among 36 cells)" in found.sentence
    reliability(
        "Keeping results", "a score two of 250 examples below five equal ones, with a floor of two examples",
        happens=found.sentence, kept="the score, as what it is: no deviation",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("right", "least_sd", "spread", "outcome"),
    [
        (241, 0.2, 0.2, "consistent"),  # half an example: 0.2 * sqrt(1 + 1/5) = 0.2191; -0.8 is 3.65 of it
        (241, 0.0, 0.05, "consistent"),  # of an unknown number of examples half a printed unit
        (225, 0.2, 0.2, "deviates"),  # 7.2 points, 33 errors
    ],
)
def test_a_difference_from_five_equal_seeds_is_judged_by_the_least_spread(right, least_sd, spread, outcome):
    found = against_reference(right, family=1, least_sd=least_sd)

    assert (found.spread, found.outcome) == (pytest.approx(spread), outcome)
    assert found.p == pytest.approx(2 * t.sf((243 - right) * STEP / (spread * math.sqrt(1.2)), 4))


@pytest.mark.parametrize("direction", [1, -1])
def test_a_mean_just_at_the_margin_is_not_beyond_it(direction):
    # 58.2 + 2.8 is 61.0 in print and 61.00000000000001 - 58.2 > 2.8 in binary
    found = decision.Differences(*(np.array([x]) for x in (direction * (2.8 + 1e-13), 0.05, 8, 0.01, 2.8, True)))

    assert not decision.decide(found).beyond[0]
    assert decision.decide(found._replace(difference=np.array([direction * 2.81]))).beyond[0]


@pytest.mark.parametrize("direction", [1, -1])
def test_an_interval_that_ends_just_at_the_margin_is_within_it(direction):
    end = float(decision.interval(0.0, 0.1, 8)[1])
    found = decision.Differences(*(np.array([x]) for x in (direction * 1.0, 0.05, 8, 0.1, 1.0 + end - 1e-13, True)))

    assert decision.decide(found).within[0]
    assert not decision.decide(found._replace(margin=np.array([0.99 + end]))).within[0]


@pytest.mark.parametrize(
    ("count", "printed", "agrees"),
    [
        (999_949_999, "999.9", True),
        (999_949_999, "1000.0", False),
        (999_950_000, "1000.0", True),
        (9_007_199_254_740_993_500_000, "9007199254740994.0", False),  # a float has no such whole number
        (9_007_199_254_740_993_500_000, "9007199254740993.5", True),
    ],
)
def test_counts_are_compared_with_print_in_whole_numbers(count, printed, agrees):
    assert agrees_with_print(count, printed) is agrees


def test_of_two_variants_equally_near_in_print_both_are_the_closest():
    # 66.7 - 66.5 is 0.20000000000000284, and 66.5 - 66.3 is 0.20000000000000284 or not, as the last bits fall
    cell = dataclasses.replace(CELL, expectation=Expectation("0.3", margin=1.0))
    primary = judge_table([cell], {"a": Observed({0: 0.1 + 0.1})})["a"]
    found = compare_variants(cell, primary, {"above": Observed({0: 0.4})})

    assert abs(found[0].difference) != abs(found[1].difference)
    assert [one.closest for one in found] == [True, True]


def with_examples(answers, folder, name, examples):
    """The suite whose recipe of this name has a result with so many examples."""
    wanted = recipes(answers)[name]
    scores = json.loads((answers / "smoke" / "reference.json").read_text())["runs"][name]["seeds"]["0"]
    results.save(folder, result(wanted, 0, scores, examples=examples))
    return Suite("smoke", answers, folder, seeds=None, train=False)


@pytest.mark.parametrize(
    ("task", "examples", "least"),
    [
        ("sst2", {"sst2": 250}, 0.2),
        ("sst2", {"sst2": 0}, 0.0),
        ("sst2", {"sst2": "250"}, 0.0),
        ("sst2", {}, 0.0),
        ("stsb", {"stsb": 250}, 0.0),  # a correlation of predicted scores has no steps
    ],
)
def test_how_many_examples_there_were_is_what_the_result_says(answers, tmp_path, task, examples, least):
    own = with_examples(answers, tmp_path, f"tiny-roberta-shrinking-{task}", examples)

    assert own.observed(own.cell(f"table1/tiny-roberta-shrinking-{task}")).least_sd == least


def test_of_runs_with_unlike_numbers_of_examples_the_least_counts(smoke_recipe):
    runs = [result(smoke_recipe(), seed, {}, examples={"sst2": n}) for seed, n in enumerate((250, 100))]

    assert resolution.examples_of("sst2", runs) == 100


def test_a_sentences_differences_are_as_noisy_as_both_of_its_sides_must_be():
    # half an example of 250 on each side: hypot(0.2, 0.2) = 0.283
    claim = Claim(
        "x", "It is better.", "s. 1", "difference", (Comparison("rte", ("a",), ("b",)),), lowest=0.0, strict=True
    )
    sides = [[Observed(dict.fromkeys(range(3), score), least_sd=0.2)] for score in (97.2, 96.8)]
    found = claims.our_quantity(claim, "rte", *sides)

    assert found.least_sd == pytest.approx(0.2 * math.sqrt(2))
    assert claims.judge(claim, [found]).on_ours == "undecided"  # 0.4 - 2.92 * 0.283 / sqrt(3) is below 0
    assert claims.judge(claim, [dataclasses.replace(found, least_sd=0.0)]).on_ours == "holds"


@pytest.mark.parametrize(("examples", "outcome"), [({"sst2": 250}, "within chance"), ({}, "changed")])
def test_two_folders_of_equal_seeds_are_compared_by_half_an_examples_spread(smoke_recipe, tmp_path, examples, outcome):
    # three seeds each, one example apart: 0.4 / (0.2 * sqrt(2/3)) = 2.4 errors, and 9.8 with a spread of 0.05
    for folder, right in (("a", 243), ("b", 242)):
        for seed in range(3):
            made = result(smoke_recipe(), seed, {"sst2": {"accuracy": right / 250}}, examples=examples)
            results.save(tmp_path / folder, made)
    found = against.compare(against.read(tmp_path / "a"), against.read(tmp_path / "b"))

    assert [one.outcome for one in found.changes] == [outcome]


def test_against_the_paper_the_spread_is_at_least_that_of_half_an_example():
    # error 0.2 * sqrt(1/5 + 1/5)
    cell = dataclasses.replace(CELL, expectation=Expectation("97.2", margin=1.0))
    found = judge_table([cell], {"a": Observed(dict.fromkeys(range(5), 97.2), least_sd=0.2)})["a"]

    assert found.spread == 0.2
    assert found.high == pytest.approx(t.ppf(0.95, 4) * 0.2 * math.sqrt(2 / 5))


@pytest.mark.parametrize(
    ("end", "bound", "outcome"),
    [
        ("low", 1e-13, "holds"),  # the lower end at 5 % is the range's
        ("high", 1e-13, "undecided"),  # the upper end at 2.5 % is
        ("high", 0.01, "does not hold"),
    ],
)
def test_a_sentences_interval_that_ends_just_at_its_range_lies_in_it_and_not_beyond_it(end, bound, outcome):
    # five equal differences of 1.0 are taken to have a spread of 0.05
    alpha = decision.ALPHA if end == "low" else decision.ALPHA / 2
    ends = dict(zip(("low", "high"), decision.interval(1.0, 0.05 / math.sqrt(5), 4, alpha), strict=True))
    claim = Claim("x", "It is better.", "section 1", "difference", (), lowest=float(ends[end]) + bound)
    found = claims.judge(claim, [claims.Measured("rte", seeds=dict.fromkeys(range(5), 1.0))])

    assert found.on_ours == outcome
