"""How verdicts show as outcomes of tests."""

import pytest
from made_up import verdict

from progbench.judging import claims
from progbench.judging.claims import ClaimVerdict
from progbench.judging.verdict import OUTCOMES
from progbench.report.report import Report
from progbench.session import gathering


def of_cells(wanted):
    return {one for one in OUTCOMES if gathering.of_cell(verdict(outcome=one))[0] == wanted}


def test_a_cells_test_fails_where_a_report_on_it_fails():
    assert of_cells("failed") == {one for one in OUTCOMES if Report("s", [verdict(outcome=one)], {}).failed}


@pytest.mark.parametrize(
    ("shown", "outcomes_of_cells"), [("passed", {"reproduced", "consistent"}), ("xfailed", {"disputed"})]
)
def test_a_cells_test_passes_on_the_papers_number_and_is_expected_to_fail_where_it_is_disputed(
    shown, outcomes_of_cells
):
    assert of_cells(shown) == outcomes_of_cells


@pytest.mark.parametrize(("outcome", "words"), [("deviates", "deviates: a sentence"), ("disputed", "a sentence")])
def test_a_cells_words_name_its_outcome_unless_it_is_disputed(outcome, words):
    assert gathering.of_cell(verdict(outcome=outcome))[1] == words


def claim(outcome):
    return ClaimVerdict("c", "a sentence", "section 4", "holds", "p", "holds", "o", "argument", outcome)


def of_claims(wanted):
    return {one for one in claims.OUTCOMES if gathering.of_claim(claim(one))[0] == wanted}


def test_a_claims_test_fails_where_a_report_on_it_fails():
    failing = {one for one in claims.OUTCOMES if Report("s", [], {}, claims=[claim(one)]).failed}

    assert of_claims("failed") == failing


def test_a_claims_test_passes_where_the_claim_holds_and_nowhere_else():
    assert of_claims("passed") == {"holds"}


@pytest.mark.parametrize(("outcome", "first"), [("undecided", "undecided: "), ("disputed", "argument; ")])
def test_a_claims_words_say_what_it_comes_to_on_the_print_and_on_our_runs(outcome, first):
    assert gathering.of_claim(claim(outcome))[1] == f"{first}on the print it holds: p; on our runs: o"
