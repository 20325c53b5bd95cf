"""The paper's tables as it prints them: rows, spans, columns, and what is best."""

from pathlib import Path

import pytest
from made_up import verdict

from progbench.judging import expected
from progbench.judging import judge as judging
from progbench.judging.expected import THEMSELVES
from progbench.judging.verdict import Observed
from progbench.report.tables import printed_tables, views

ANSWERS = Path(__file__).resolve().parents[2] / "expected"


def printed(name, suite="paper"):
    """A table of a suite as it is printed, nothing in it run."""
    cells = expected.read(ANSWERS, suite, name).cells
    (table,) = printed_tables(suite, [judging.judge(cell, Observed(missing="not run")) for cell in cells])
    return table


def view(table, name="expected"):
    found = {one.name: one for one in views(table, "paper")}[name]
    return [[shown.text for shown in line] for line in found.lines]


def test_table_1_has_a_model_spanning_its_two_methods():
    table = printed("table1")

    assert table.stubs == ("Model", "Method")
    assert [(row.span, row.stubs) for row in table.rows] == [
        (2, ("BERT_BASE", "FT")), (0, ("BERT_BASE", "PT")), (2, ("BERT_LARGE", "FT")), (0, ("BERT_LARGE", "PT")),
        (2, ("RoBERTa_BASE", "FT")), (0, ("RoBERTa_BASE", "PT")),
    ]  # fmt: skip


def test_table_1_has_the_papers_columns_in_its_order():
    assert " ".join(printed("table1").columns) == "CoLA MNLI_m MNLI_mm MRPC QNLI QQP RTE SST-2 STS-B Avg"


def test_table_2_is_printed_a_row_a_dataset_and_method():
    table = printed("table2")

    assert table.columns == ("Updated params (M)", "EM", "F1")
    assert [row.stubs for row in table.rows] == [
        ("SQuAD v1.1", "FT"), ("SQuAD v1.1", "PT"), ("SQuAD v2.0", "FT"), ("SQuAD v2.0", "PT"),
    ]  # fmt: skip
    assert view(table) == [
        ["326.7", "79.0", "87.2"], ["241.6", "80.3", "88.1"], ["217.7", "72.5", "74.5"], ["175.3", "71.6", "75.0"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "row", "line"),
    [
        ("table1", 5, "59.0 86.3 86.4 91.8 91.9 87.2 65.8 93.3 89.6 83.5"),
        ("table3", 1, "9.9 11.9 11.9 9.9 11.9 11.9 9.9 9.9 9.9"),
        ("table4", 2, "55.9 78.2 78.7 90.1 87.5 82.3 68.8 91.8 87.2 80.1"),
        ("table5", 2, "56.5 67.9 67.6 68.5"),
    ],
)
def test_a_printed_row_reads_as_in_the_paper(name, row, line):
    assert " ".join(view(printed(name))[row]) == line


def best_of(table, quantity="expected"):
    """The columns whose best is in each row."""
    best = table.best(quantity)
    return [[column for j, column in enumerate(table.columns) if (i, j) in best] for i in range(len(table.rows))]


def test_the_best_of_a_models_two_methods_is_marked_and_both_where_they_tie():
    rows = best_of(printed("table1"))

    assert rows[2] == ["MNLI_mm", "MRPC", "QNLI", "QQP"]
    assert rows[3] == ["CoLA", "MNLI_m", "MNLI_mm", "RTE", "SST-2", "STS-B", "Avg"]


def test_in_table_4_a_method_is_compared_with_its_own_progtuning_alone():
    rows = best_of(printed("table4"))

    assert all(rows)
    assert "CoLA" in rows[0] and "CoLA" in rows[2] and "CoLA" in rows[4]  # noqa: PT018


def test_counts_have_no_best():
    assert best_of(printed("table3")) == [[]] * 6


def test_f1_and_accuracy_are_not_compared_and_the_table_says_so():
    table = printed("table5")

    assert best_of(table) == [["CoLA", "RTE", "STS-B"], [], []]
    assert table.note == "MRPC: the first row is F1, the others are accuracy, so none of them is the best."


def test_two_scores_that_look_alike_are_both_best():
    rows = [verdict("m-constant-rte", observed=66.751), verdict("m-shrinking-rte", row="M PT", observed=66.754)]
    (table,) = printed_tables("paper", rows)

    assert table.best("observed") == {(0, 0), (1, 0)}


def test_what_is_left_of_a_cell_with_an_error_is_not_the_best():
    rows = [
        verdict("m-constant-rte", observed=66.0),
        verdict("m-shrinking-rte", row="M PT", observed=65.0),
        verdict("m-growing-rte", "error", row="M PT from HB", observed=70.0),
    ]
    (table,) = printed_tables("paper", rows)

    assert table.best("observed") == {(0, 0)}


def test_what_stands_alone_is_not_best():
    (table,) = printed_tables("paper", [verdict()])

    assert table.best("observed") == set()


def test_an_own_suite_has_its_own_rows_in_the_papers_shape():
    table = printed("table2", "smoke")

    assert [row.stubs for row in table.rows][:2] == [
        ("SQuAD v1.1", "tiny-bert constant"), ("SQuAD v1.1", "tiny-bert shrinking"),
    ]  # fmt: skip
    assert table.caption == ""
    assert view(table)[1][0] == "363,846"


@pytest.mark.parametrize("label", ["<img src=x onerror=alert(1)>", "ours"])
def test_a_label_whose_model_no_other_row_has_stays_whole(label):
    (table,) = printed_tables("own", [verdict(), verdict("b", row="M PT"), verdict("c", row=label)], "own")

    assert [row.stubs for row in table.rows] == [("M", "FT"), ("M", "PT"), (label, "")]


def test_a_part_of_a_table_keeps_its_places():
    (table,) = printed_tables("paper", [verdict(), verdict("m-shrinking-cola", row="M PT", column="CoLA")])

    assert [[bool(cell) for cell in row.cells] for row in table.rows] == [[True, False], [False, True]]
    assert view(table)[0] == ["66.5", ""]


def test_two_cells_of_one_place_are_both_shown():
    (table,) = printed_tables("paper", [verdict("a"), verdict("b")])

    assert [row.cells[0].cell for row in table.rows] == ["a", "b"]


def test_a_column_that_is_no_dataset_of_table_2_is_not_lost():
    (table,) = printed_tables("paper", [verdict(table="Table 2", column="Answers")])

    assert table.columns == ("Answers",)


def test_figures_are_not_printed_as_tables():
    assert printed_tables("paper", [verdict(table="Figure 1")]) == []


def test_a_table_of_an_included_folder_is_filled_with_that_folder_and_recorded_by_no_command():
    waiting = verdict(observed=None, difference=None, expected=None, printed=None, outcome="missing")
    ran = verdict(expected=None, printed=None, difference=None, outcome="unjudged")
    (table,) = printed_tables("own", [waiting], "my folder")
    (filled,) = printed_tables("own", [ran], "my folder")

    assert table.waiting.endswith("progbench reproduce -m glue --suite own --include 'my folder'")
    assert filled.alone == ""


def test_recorded_runs_are_told_to_be_the_reference_and_no_command_to_record_them_again():
    ran = verdict(expected=None, printed=None, difference=None, outcome="unjudged", sentence=f"{THEMSELVES}; 66.1")
    (table,) = printed_tables("mini", [ran])

    assert table.alone == "There is nothing to compare it with: these runs are themselves the recorded reference."
