"""The report: its answer, what a terminal shows of it, and its JSON. Other views have tests of their own."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import ENVIRONMENT, HOSTILE, MIXED, entry, everything, missing, verdict

from progbench.judging.claims import ClaimVerdict
from progbench.report.report import Report
from progbench.report.text import render
from progbench.report.writing import write


def test_the_first_line_says_how_much_was_judged_and_how_it_came_out():
    assert render(MIXED).splitlines()[0] == (
        "4 of 7 judged: 1 reproduced, 1 deviates (b low), 1 inconclusive, 1 disputed; 2 missing, 1 error"
    )


def test_counts_that_were_fitted_are_told_in_the_first_line():
    counts = [
        verdict("a", kind="counted", basis="stated", rounding="both"),
        verdict("b", kind="counted", basis="fitted", rounding="rounded"),
        verdict("c", kind="counted", basis="predicted", rounding="truncated"),
        verdict("d", "disputed", kind="counted", basis="predicted"),
    ]
    report = Report("paper", counts, {})

    assert report.headline == (
        "4 of 4 judged: 3 reproduced (2 of them counts by a setting that the paper's totals determined), 1 disputed"
    )
    assert (
        "printed counts: 1 follow from what the paper states, 1 determined a setting that it leaves open, and so prove "
        "nothing, 1 follow from that setting, 1 disputed; of the 3 that agree 1 do so rounded and truncated, 1 only "
        "rounded, 1 only truncated: no single rule gives all"
    ) in report.answer.splitlines()


def test_a_session_of_skips_does_not_look_like_a_success():
    assert Report("paper", [missing("a"), missing("b")], {}).headline == "0 of 2 judged: nothing; 2 missing"


def test_a_row_shows_expected_ours_with_spread_and_seeds_difference_margin_and_outcome():
    row = next(line for line in render(MIXED).splitlines() if line.startswith("b  "))

    assert row.split() == ["b", "66.5", "66.75", "±", "0.50", "(5)", "+0.25", "2.90", "deviates", "(low)"]


def test_what_was_not_judged_is_grouped_by_its_reason():
    lines = render(MIXED).splitlines()

    assert lines[lines.index("  missing: no GPU") + 1].split() == ["e,", "f"]
    assert "  error: seed 0: the loss is nan" in lines


def test_every_judgement_but_reproduced_is_explained_in_the_terminal():
    text = render(MIXED)

    for line in ("deviates: b: a sentence", "inconclusive: c: a sentence", "disputed: d: a sentence"):
        assert line in text
    assert "reproduced: a:" not in text


def test_more_deviating_cells_than_a_line_can_name_are_counted():
    report = Report("paper", [verdict(f"m-constant-{i}", "deviates") for i in range(4)], {})

    assert report.headline == "4 of 4 judged: 4 deviates"


LONG = "a-very-long-name-of-a-model-" * 6


def test_every_line_of_the_terminal_fits_a_hundred_columns_however_long_names_and_reasons_are():
    lines = render(everything(LONG, f"{LONG} {LONG}")).splitlines()

    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("many", [1, 2, 3])
def test_a_name_is_not_broken_at_its_hyphens(many):
    name = "bert-base-adapter-shrinking-mnli-m-updated"
    text = render(Report("paper", [missing(f"{name}{i}") for i in range(many)], {}))

    assert all(f"{name}{i}" in text for i in range(many))


def test_no_control_character_reaches_the_terminal():
    text = render(everything(HOSTILE, HOSTILE))

    assert [one for one in text if not one.isprintable() and one != "\n"] == []
    assert "\\x1b[2J" in text.replace("\n", "")


def test_counted_millions_have_three_decimals_and_own_counts_are_whole():
    counted = {"kind": "counted", "sd": None, "n": 1, "tolerance": 0.1}
    millions = verdict("x", unit="M parameters", printed="1005.4", observed=1005.431814, difference=0.031814, **counted)
    whole = verdict("y", unit="parameters", printed=None, expected=635656, observed=635656, difference=0, **counted)
    text = render(Report("paper", [millions, whole], ENVIRONMENT))

    assert "x  " in text
    assert "1005.432" in text
    assert "635,656" in text


def test_json_has_the_documented_shape(tmp_path):
    write(MIXED, tmp_path)
    content = json.loads((tmp_path / "report.json").read_text())

    assert list(content) == [
        "schema_version", "suite", "purpose", "asked", "contrasts", "verdicts", "claims", "variants", "differences",
        "print_alone", "attribution", "runs", "costs", "summary", "environment",
    ]  # fmt: skip
    assert content["schema_version"] == 3
    assert list(content["verdicts"][0]) == [
        "cell", "table", "row", "column", "kind", "unit", "expected", "printed", "observed", "sd", "n", "difference",
        "tolerance", "outcome", "direction", "sentence", "low", "high", "p", "spread", "df", "tier", "recipes",
        "metric", "basis", "rounding",
    ]  # fmt: skip
    assert content["summary"]["outcomes"] == {
        "reproduced": 1, "consistent": 0, "deviates": 1, "inconclusive": 1, "disputed": 1, "unjudged": 0,
        "not printed": 0, "missing": 2, "error": 1,
    }  # fmt: skip


def test_json_refuses_a_number_that_is_not_finite(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(Report("paper", [verdict(observed=float("nan"))], ENVIRONMENT), tmp_path)


def test_all_views_and_figures_are_written(tmp_path):
    written = write(MIXED, tmp_path)

    assert sorted(path.name for path in written) == [
        "contrasts.csv", "forest.svg", "report.csv", "report.html", "report.json", "report.md", "report.schema.json",
        "report.tex", "runs.csv",
    ]  # fmt: skip
    assert all(path.stat().st_size for path in written)


@pytest.mark.parametrize(
    ("outcome", "failed"),
    [("reproduced", False), ("inconclusive", False), ("missing", False), ("deviates", True), ("error", True)],
)
def test_a_report_has_failed_when_something_deviates_or_is_an_error(outcome, failed):
    assert Report("paper", [verdict("a", outcome)], {}).failed == failed


def test_a_claim_that_does_not_hold_on_our_runs_fails_the_report_and_a_disputed_one_does_not():
    claims = [
        ClaimVerdict("c", "", "", "holds", "", "does not hold", "", "", one) for one in ("does not hold", "disputed")
    ]

    assert [Report("paper", [], {}, claims=[claim]).failed for claim in claims] == [True, False]


def test_a_disputed_claim_is_not_counted_among_those_that_do_not_hold():
    claims = [
        ClaimVerdict("c", "", "", "holds", "", ours, "", "", outcome, ours_rests_on="5 seeds")
        for ours, outcome in (("holds", "holds"), ("does not hold", "disputed"), ("undecided", "error"))
    ]

    assert Report("paper", [], {}, claims=claims).claims_headline == (
        "3 claims: on the print 3 hold; on our runs 1 holds, 1 disputed, 1 error"
    )


def test_without_runs_nothing_is_said_to_hold_on_our_runs():
    counted = ClaimVerdict("c", "", "", "holds", "", "holds", "", "", "holds", ours_rests_on="counts", by_counts=True)
    waiting = ClaimVerdict("d", "", "", "within noise", "", "undecided", "", "", "undecided")
    wrong = replace(waiting, outcome="error")

    assert Report("paper", [], {}, claims=[counted, waiting, wrong]).claims_headline == (
        "3 claims: on the print 1 holds, 2 within noise; by counting 1 holds; without an answer of ours 1 error; "
        "1 without runs"
    )


def test_an_argument_that_disputed_cells_share_stands_once():
    disputed = [verdict(name, "disputed", sentence=f"counted {name}; the equations give 16.1") for name in ("a", "b")]
    text = render(Report("paper", disputed, ENVIRONMENT))

    assert text.count("the equations give 16.1") == 1
    assert "disputed: b: counted b" in text


CLAIM = ClaimVerdict("c", "0.7 higher", "section 4", "holds", "", "holds", "", "", "holds", "that it is higher")


@pytest.mark.parametrize("view", ["report.md", "report.html"])
def test_a_claim_is_shown_with_the_reason_for_its_range(tmp_path, view):
    write(Report("paper", [], {}, claims=[CLAIM]), tmp_path)

    assert "why this range: that it is higher" in (tmp_path / view).read_text()


@pytest.mark.parametrize("view", ["text", "report.md", "report.html"])
def test_claims_that_nothing_is_printed_of_have_no_print_side(tmp_path, view):
    own = replace(CLAIM, on_print="undecided", print_words="unknown (not printed)")
    report = Report("paper", [], {}, claims=[own])
    write(report, tmp_path)
    shown = render(report) if view == "text" else (tmp_path / view).read_text()

    assert "0.7 higher" in shown
    assert not re.search(r"on the print|unknown \(not printed\)|paper's sentences", shown, re.IGNORECASE)


@pytest.fixture
def absent(tmp_path):
    """A report whose sentences name the folder of results, written."""
    folder = tmp_path / "results"
    why = f"not run yet: nothing in {folder}"
    claim = replace(CLAIM, our_words=f"avg unknown ({why})")
    report = Report("paper", [missing("a", why)], {}, [f"{folder}/x: odd"], [claim], runs=folder)
    write(report, tmp_path / "out")
    return tmp_path


@pytest.mark.parametrize("view", ["report.md", "report.html", "report.tex"])
def test_a_page_that_is_shared_names_the_folder_of_results_without_its_place(absent, view):
    assert str(absent) not in (absent / "out" / view).read_text()


def test_the_folder_of_results_keeps_its_name_on_a_page(absent):
    assert "not run yet: nothing in results" in (absent / "out" / "report.html").read_text()


def test_a_folder_of_results_without_a_name_changes_no_sentence():
    report = Report("paper", [missing("a", "0.5 in ./x")], {}, runs=Path("."))

    assert report.for_others().verdicts[0].sentence == "0.5 in ./x"


def test_a_program_is_told_the_whole_path(absent):
    (found,) = json.loads((absent / "out" / "report.json").read_text())["verdicts"]

    assert found["sentence"] == f"not run yet: nothing in {absent / 'results'}"


def test_an_own_suite_is_compared_with_its_reference():
    assert Report("smoke", [verdict(printed=None)], {}).yardstick == "reference"
    assert MIXED.yardstick == "paper"


def test_scores_and_counts_are_told_apart_with_what_each_was_judged_by():
    cells = [
        *(verdict(one, tier="paper") for one in "abc"),
        verdict("d", "inconclusive", tier="paper"),
        verdict("e", kind="counted", tier="count"),
        verdict("f", "disputed", kind="counted", tier="count"),
        verdict("g", "missing", tier=""),
    ]

    assert Report("paper", cells, {}).judged_by == (
        "scores, by the paper's means of five: 3 of 4 reproduced, 1 inconclusive; "
        "counts, by arithmetic: 1 of 2 reproduced, 1 disputed; 1 not judged"
    )


def test_exact_and_statistical_judgements_are_told_apart():
    cells = [verdict("a", "consistent", tier="reference, exact")]
    cells.append(verdict("b", "deviates", tier="reference, statistical"))
    words = (
        "scores, by our reference of a machine like this one, bit for bit: 1 of 1 consistent; "
        "scores, by our reference, within what another run may score: 0 of 1 consistent, 1 deviates"
    )

    assert Report("smoke", cells, {}).judged_by == words
    assert words in " ".join(render(Report("smoke", cells, {})).split())


def test_nothing_judged_says_nothing_of_by_what():
    assert Report("smoke", [missing("a")], {}).judged_by == ""


def test_a_precision_that_is_not_float32_is_said_with_the_answer():
    ledger = [replace(entry(f"m-constant-{task}"), precision=one) for task, one in (("rte", "tf32"), ("cola", "fp32"))]
    report = Report("paper", [verdict()], {}, ledger=ledger)

    assert report.answer.splitlines()[-1] == (
        "trained in tf32 (a GPU multiplies float32 numbers with 10 of their 23 bits): 1 recipes, fp32: 1 recipes"
    )


def test_float32_throughout_needs_no_word():
    assert Report("smoke", [verdict()], {}, ledger=[entry()]).precision == ""
