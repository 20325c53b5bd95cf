"""The CSV files: read back as they were written, and never calculated."""

import csv
import io

import pytest
from made_up import HOSTILE, entry, everything, run, verdict

from progbench.judging.compared import Contrast
from progbench.report import writing
from progbench.report.report import Report


def read(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_every_cell_is_a_line_with_the_fields_of_the_json_report():
    report = Report("paper", [verdict("a"), verdict("b", "deviates", difference=-8.5, recipes=("r/1", "s/2"))], {})
    first, second = read(writing.spreadsheets(report)["report.csv"])

    assert list(first) == list(report.as_json()["verdicts"][0])
    assert (second["cell"], second["difference"], second["recipes"], second["p"]) == ("b", "-8.5", "r/1; s/2", "")


def test_every_run_and_every_contrast_is_a_line_too():
    difference = Contrast("Table 1", "m", "shrinking", "constant", "RTE", False, -0.7, 0.5, {0: 1.5})
    files = writing.spreadsheets(Report("paper", [], {}, contrasts=[difference], ledger=[entry(runs=[run(0), run(1)])]))
    (contrast,) = read(files["contrasts.csv"])

    assert [line["seed"] for line in read(files["runs.csv"])] == ["0", "1"]
    assert (contrast["printed"], contrast["on_print"], contrast["seeds"]) == ("-0.7", "lower", "0: 1.5")


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(1)", "=cmd|' /C calc'!A0", "\t=1+1", "\n=1+1"])
def test_a_text_that_a_spreadsheet_would_calculate_has_an_apostrophe_before_it(text):
    (line,) = read(writing.table(["cell"], [{"cell": text}]))

    assert line["cell"] == f"'{text.strip()}"


@pytest.mark.parametrize("text", ["-0.25", "+3", "66.5", "m-constant-rte", ""])
def test_a_printed_number_and_a_plain_name_stay_as_they_are(text):
    assert read(writing.table(["cell", "x"], [{"cell": text, "x": 1}]))[0]["cell"] == text


def test_hostile_names_stay_in_their_place_and_calculate_nothing():
    for text in writing.spreadsheets(everything(f"={HOSTILE}", HOSTILE)).values():
        for line in read(text):
            assert None not in line  # no name made another column
            assert not any(value.startswith(("=", "+c", "@")) for value in line.values())
            assert all(one.isprintable() for one in line.values())
