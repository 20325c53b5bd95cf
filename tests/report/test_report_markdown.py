"""The report as Markdown, read back by a Markdown parser."""

import pytest
from made_up import ENVIRONMENT, HOSTILE, MIXED, everything, verdict

from progbench.report.markdown import escape, render
from progbench.report.report import Report

MarkdownIt = pytest.importorskip("markdown_it", reason="the extra 'test' is not installed").MarkdownIt


def parsed(text):
    return MarkdownIt("commonmark").enable("table").parse(text)


def tables(text):
    """The tables of a document, each as rows of cell texts."""
    found, tokens = [], parsed(text)
    for i, token in enumerate(tokens):
        if token.type == "table_open":
            found.append([])
        if token.type == "tr_open":
            found[-1].append([])
        if token.type in ("td_open", "th_open"):
            found[-1][-1].append("".join(child.content for child in tokens[i + 1].children))
    return found


def test_a_name_is_shown_as_it_is_in_one_cell_of_its_table():
    report = Report("paper", [verdict("a|b`c`<script>", sentence="x | y\nz")], ENVIRONMENT)
    (row,) = (row for table in tables(render(report)) for row in table if row[0] == "a|b`c`<script>")

    assert row[-2:] == ["reproduced", "x | y z"]
    assert len(row) == 7


def test_hostile_names_make_no_html_no_link_and_no_image():
    tokens = parsed(render(everything(HOSTILE, HOSTILE)))
    kinds = {child.type for token in tokens for child in (token, *(token.children or ()))}

    assert not kinds & {"html_block", "html_inline", "link_open", "code_inline", "fence", "code_block"}


def test_every_table_has_as_many_cells_in_each_row_as_headings():
    shapes = [{len(row) for row in table} for table in tables(render(everything(HOSTILE, HOSTILE)))]

    assert len(shapes) >= 6
    assert [shape for shape in shapes if len(shape) != 1] == []


def test_each_table_is_there_as_printed_ours_and_as_a_difference():
    expected, ours, difference = tables(render(Report("paper", [verdict()], {})))[:3]

    assert [table[1] for table in (expected, ours, difference)] == [
        ["M", "FT", "66.5"], ["M", "FT", "66.75 ± 0.50 (5)"], ["M", "FT", "+0.25 ✓"],
    ]  # fmt: skip


def test_the_best_is_bold():
    rows = [verdict("m-constant-rte"), verdict("m-shrinking-rte", row="M PT", observed=70.0)]

    assert "**70.00 ± 0.50 (5)**" in render(Report("paper", rows, {}))


def test_bold_is_said_to_say_nothing_of_chance():
    assert "says nothing of chance" in render(Report("paper", [verdict()], {}))


def test_markdown_holds_every_cell_the_warnings_and_the_environment():
    text = render(MIXED)

    assert all(f"| {cell} " in text for cell in "abcdefg")
    assert "- commit: c0ffee" in text
    assert "seeds mix torch 2.12 and 2.13" in text


@pytest.mark.parametrize("text", ["a|b", "`code`", "<b>", "[x](y)", "*x* _y_", "&lt;", "~~z~~", "\\|", "# x", "$x$"])
def test_what_is_escaped_reads_as_it_was(text):
    (paragraph,) = (token for token in parsed(f"x {escape(text)}") if token.type == "inline")

    assert "".join(child.content for child in paragraph.children) == f"x {text}"
