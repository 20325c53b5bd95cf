"""How verdicts show as outcomes of tests."""

from made_up import verdict

from progbench.judging import claims
from progbench.judging.claims import ClaimVerdict
from progbench.judging.verdict import OUTCOMES
from progbench.report.report import Report
from progbench.session import outcomes


def of_cells(wanted):
    return {one for one in OUTCOMES if outcomes.of_cell(verdict(outcome=one))[0] == wanted}


def test_a_cells_test_fails_where_a_report_on_it_fails():
    assert of_cells("failed") == {one for one in OUTCOMES if Report("s", [verdict(outcome=one)], {}).failed}


def test_a_cells_test_passes_where_its_number_is_the_papers_and_nowhere_else():
    assert of_cells("passed") == {"reproduced", "consistent"}


def test_a_cell_that_nothing_can_reproduce_is_expected_to_fail():
    assert of_cells("xfailed") == {"disputed"}


def test_a_cells_words_name_its_outcome():
    assert outcomes.of_cell(verdict(outcome="deviates"))[1] == "deviates: a sentence"


def test_a_disputed_cells_words_are_its_sentence():
    assert outcomes.of_cell(verdict(outcome="disputed"))[1] == "a sentence"


def claim(outcome):
    return ClaimVerdict("c", "a sentence", "section 4", "holds", "p", "holds", "o", "argument", outcome)


def of_claims(wanted):
    return {one for one in claims.OUTCOMES if outcomes.of_claim(claim(one))[0] == wanted}


def test_a_claims_test_fails_where_a_report_on_it_fails():
    failing = {one for one in claims.OUTCOMES if Report("s", [], {}, claims=[claim(one)]).failed}

    assert of_claims("failed") == failing


def test_a_claims_test_passes_where_the_claim_holds_and_nowhere_else():
    assert of_claims("passed") == {"holds"}


def test_a_claims_words_say_what_it_comes_to_on_the_print_and_on_our_runs():
    assert outcomes.of_claim(claim("undecided"))[1] == "undecided: on the print it holds: p; on our runs: o"


def test_a_disputed_claims_words_start_with_the_argument():
    assert outcomes.of_claim(claim("disputed"))[1] == "argument; on the print it holds: p; on our runs: o"
