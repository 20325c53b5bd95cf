import json

import pytest

from progbench.report import Report
from progbench.verdict import Verdict

ENVIRONMENT = {"commit": "c0ffee", "python": "3.11.7", "cpu": "some CPU", "cores": 2}


def verdict(cell="m-constant-rte", outcome="reproduced", table="Table 1", **values):
    fields = {
        "cell": cell, "table": table, "row": "M FT", "column": "RTE", "kind": "scored", "unit": "points",
        "expected": 66.5, "printed": "66.5", "observed": 66.75, "sd": 0.5, "n": 5, "difference": 0.25,
        "tolerance": 2.9, "outcome": outcome, "direction": None, "sentence": "a sentence",
    }  # fmt: skip
    return Verdict(**(fields | values))


def missing(cell, why="no GPU"):
    return verdict(cell, "missing", observed=None, sd=None, n=0, difference=None, sentence=why)


MIXED = Report(
    "paper",
    [
        verdict("a"),
        verdict("b", "deviates", direction="low"),
        verdict("c", "inconclusive"),
        verdict("d", "disputed"),
        missing("e"),
        missing("f"),
        verdict("g", "error", sentence="seed 0: the loss is nan"),
    ],
    ENVIRONMENT,
    ["seeds mix torch 2.12 and 2.13"],
)


def test_the_first_line_says_how_much_was_judged_and_how_it_came_out():
    assert MIXED.as_text().splitlines()[0] == (
        "4 of 7 judged: 1 reproduced, 1 deviates, 1 inconclusive, 1 disputed; 2 missing, 1 error"
    )


def test_a_session_of_skips_does_not_look_like_a_success():
    assert Report("paper", [missing("a"), missing("b")], {}).headline == "0 of 2 judged: nothing; 2 missing"


def test_a_row_shows_expected_ours_with_spread_and_seeds_difference_margin_and_outcome():
    row = next(line for line in MIXED.as_text().splitlines() if line.startswith("b  "))

    assert row.split() == ["b", "66.5", "66.75", "±", "0.50", "(5)", "+0.25", "2.90", "deviates", "(low)"]


def test_what_was_not_judged_is_grouped_by_its_reason():
    lines = MIXED.as_text().splitlines()

    assert lines[lines.index("  missing: no GPU") + 1].split() == ["e,", "f"]
    assert "  error: seed 0: the loss is nan" in lines


def test_every_judgement_but_reproduced_is_explained_in_the_terminal():
    text = MIXED.as_text()

    for line in ("deviates  b: a sentence", "inconclusive  c: a sentence", "disputed  d: a sentence"):
        assert line in text
    assert "reproduced  a:" not in text


def test_the_terminal_fits_a_hundred_columns_for_the_longest_cell_names():
    report = Report("paper", [verdict("roberta-base-lora-shrinking-mnli-mm", "inconclusive")], ENVIRONMENT)
    table = report.as_text().split("\n\n")[1]

    assert max(len(line) for line in table.splitlines()) <= 100


def test_counted_millions_have_three_decimals_and_own_counts_are_whole():
    counted = {"kind": "counted", "sd": None, "n": 1, "tolerance": 0.1}
    millions = verdict("x", unit="M parameters", printed="1005.4", observed=1005.431814, difference=0.031814, **counted)
    whole = verdict("y", unit="parameters", printed=None, expected=635656, observed=635656, difference=0, **counted)
    text = Report("paper", [millions, whole], ENVIRONMENT).as_text()

    assert "x  " in text
    assert "1005.432" in text
    assert "635,656" in text


def test_a_hostile_name_cannot_break_a_markdown_table():
    report = Report("paper", [verdict("a|b`c<script>", sentence="x | y\nz")], ENVIRONMENT)
    row = next(line for line in report.as_markdown().splitlines() if "script" in line)

    assert row.replace("\\|", "").count("|") == 8
    assert "a\\|b\\`c\\<script\\>" in row


def test_markdown_holds_every_cell_and_the_environment():
    text = MIXED.as_markdown()

    assert all(f"| {cell} " in text for cell in "abcdefg")
    assert "- commit: c0ffee" in text
    assert "seeds mix torch 2.12 and 2.13" in text


def test_json_has_the_documented_shape(tmp_path):
    MIXED.write(tmp_path)
    content = json.loads((tmp_path / "report.json").read_text())

    assert list(content) == ["schema_version", "suite", "verdicts", "claims", "variants", "summary", "environment"]
    assert list(content["verdicts"][0]) == [
        "cell", "table", "row", "column", "kind", "unit", "expected", "printed", "observed", "sd", "n", "difference",
        "tolerance", "outcome", "direction", "sentence", "low", "high", "p", "spread", "df", "tier", "recipes",
    ]  # fmt: skip
    assert content["summary"]["outcomes"] == {
        "reproduced": 1, "deviates": 1, "inconclusive": 1, "disputed": 1, "missing": 2, "error": 1,
    }  # fmt: skip


def test_json_refuses_a_number_that_is_not_finite(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Report("paper", [verdict(observed=float("nan"))], ENVIRONMENT).write(tmp_path)
