"""How much of a gap each variant closes."""

import pytest
from made_up import verdict

from progbench.judging.verdict import Variant, attribute
from progbench.report import markdown, text
from progbench.report.grids import closing
from progbench.report.report import Report
from progbench.report.writing import write


def variant(name, difference, cell="a", **values):
    fields = {
        "cell": cell, "table": "Table 1", "variant": name, "unit": "points", "expected": 66.5,
        "observed": None if difference is None else 66.5 + difference, "sd": None, "n": 1, "difference": difference,
        "closest": False, "missing": "", "error": "",
    }  # fmt: skip
    return Variant(**(fields | values))


DEVIATING = verdict("a", "deviates", difference=-4.0)
TRIED = [
    variant("", -4.0),
    variant("worse", -5.0),
    variant("half", 2.0),
    variant("not-run", None, missing="no GPU"),
    variant("exact", 0.0),
]


def test_variants_are_ranked_by_the_share_of_the_gap_they_close():
    (found,) = attribute([DEVIATING], TRIED)

    assert [(one.variant, one.closed) for one in found.variants] == [
        ("exact", 1.0), ("half", 0.5), ("worse", -0.25), ("not-run", None),
    ]  # fmt: skip
    assert found.difference == -4.0


def test_a_variant_that_was_not_run_says_why():
    (found,) = attribute([DEVIATING], TRIED)

    assert found.variants[-1].why == "no GPU"


@pytest.mark.parametrize(("outcome", "cells"), [("disputed", 1), ("reproduced", 0), ("inconclusive", 0), ("error", 0)])
def test_only_cells_that_do_not_agree_are_attributed(outcome, cells):
    assert len(attribute([verdict("a", outcome, difference=-4.0)], TRIED)) == cells


def test_a_variant_of_the_same_cell_in_another_table_is_not_counted():
    assert attribute([verdict("a", "deviates", table="Table 5", difference=-4.0)], TRIED) == []


@pytest.mark.parametrize("view", [text, markdown])
def test_a_view_lists_what_closes_most_first(view):
    words = view.render(Report("paper", [DEVIATING], {}, variants=TRIED)).replace("\\", "")
    listed = words[words.index("gap each variant closes") :]

    assert [listed.index(share) for share in ("100 %", "50 %", "-25 %")] == sorted(
        listed.index(share) for share in ("100 %", "50 %", "-25 %")
    )


def test_the_reason_why_a_variant_is_unknown_stands_beside_its_name():
    assert closing(attribute([DEVIATING], TRIED)).rows[-1] == ["", "", "not-run (no GPU)", "unknown", ""]


def test_the_page_and_the_json_have_it_too(tmp_path):
    report = Report("paper", [DEVIATING], {}, variants=TRIED)
    write(report, tmp_path)

    assert "100 %" in (tmp_path / "report.html").read_text()
    assert report.as_json()["attribution"][0]["variants"][0]["variant"] == "exact"
