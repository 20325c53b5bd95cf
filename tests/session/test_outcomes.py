"""How verdicts show as outcomes of tests."""

from dataclasses import replace

from made_up import verdict

from progbench.judging import claims
from progbench.judging.claims import ClaimVerdict
from progbench.judging.verdict import OUTCOMES
from progbench.session import outcomes

CELLS = {
    "reproduced": "passed",
    "consistent": "passed",
    "deviates": "failed",
    "error": "failed",
    "disputed": "xfailed",
    "unjudged": "skipped",
    "not printed": "skipped",
    "missing": "skipped",
    "inconclusive": "skipped",
}


def test_every_outcome_of_a_cell_has_its_own_of_pytest():
    assert {one: outcomes.of_cell(verdict(outcome=one))[0] for one in OUTCOMES} == CELLS


def test_a_cells_words_name_its_outcome():
    assert outcomes.of_cell(verdict(outcome="deviates"))[1] == "deviates: a sentence"


def test_a_disputed_cells_words_are_its_sentence():
    assert outcomes.of_cell(verdict(outcome="disputed"))[1] == "a sentence"


CLAIMS = {
    "holds": "passed",
    "does not hold": "failed",
    "error": "failed",
    "disputed": "xfailed",
    "within noise": "skipped",
    "undecided": "skipped",
}


def claim(outcome):
    return ClaimVerdict("c", "a sentence", "section 4", "holds", "p", "holds", "o", "argument", outcome)


def test_every_outcome_of_a_claim_has_its_own_of_pytest():
    assert {one: outcomes.of_claim(claim(one))[0] for one in claims.OUTCOMES} == CLAIMS


def test_a_claims_words_say_what_it_comes_to_on_the_print_and_on_our_runs():
    assert outcomes.of_claim(claim("undecided"))[1] == "undecided: on the print it holds: p; on our runs: o"


def test_a_claim_that_took_no_run_is_not_said_to_rest_on_runs():
    words = outcomes.of_claim(replace(claim("holds"), by_counts=True, on_print="within noise"))[1]

    assert words == "holds: on the print it is within noise: p; by counting: o"


def test_a_disputed_claims_words_start_with_the_argument():
    assert outcomes.of_claim(claim("disputed"))[1] == "argument; on the print it holds: p; on our runs: o"
