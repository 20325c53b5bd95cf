"""The report's tables as LaTeX, read back by a small parser, and compiled where pdflatex is there."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from made_up import HOSTILE, MIXED, everything, verdict
from test_report_tables import ANSWERS

from progbench.judging import expected
from progbench.judging import judge as judging
from progbench.judging.verdict import Observed
from progbench.report import latex
from progbench.report.report import Report


def paper(observed=None):
    """Every table of the paper, nothing run, or the same number observed everywhere."""
    names = [f"table{i}" for i in range(1, 6)]
    cells = [cell for name in names for cell in expected.read(ANSWERS, "paper", name).cells]
    found = [judging.judge(cell, Observed(missing="not run")) for cell in cells]
    return Report("paper", [replace(one, observed=observed) for one in found], {})


def rows_of(text):
    """The rows of a document's tables, each as its columns: what is between unescaped ampersands."""
    rows = []
    for table in re.findall(r"\\begin\{tabular\}\{[lr]+\}\n(.*?)\\end\{tabular\}", text, re.DOTALL):
        lines = [line for line in table.splitlines() if line.endswith(r"\\") and r"\multicolumn" not in line]
        rows.append([[part.strip() for part in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))] for line in lines])
    return rows


def balanced(text):
    """Whether every brace is closed, and every environment by its own name."""
    depth, opened = 0, []
    plain = re.sub(r"\\[{}\\]", "", text)
    for one in plain:
        depth += {"{": 1, "}": -1}.get(one, 0)
        if depth < 0:
            return False
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            return False
    return depth == 0 and not opened


def test_each_of_the_papers_tables_has_as_many_places_in_every_row():
    widths = [{len(row) for row in table} for table in rows_of(latex.render(paper()))]

    assert widths == [{12}, {5}, {10}, {11}, {5}]


def test_a_table_that_nobody_ran_stands_once_with_the_command_that_runs_it():
    text = latex.render(paper())

    assert [len(table) for table in rows_of(text)] == [1 + rows for rows in (6, 4, 6, 6, 3)]
    assert "None of its 60 cells was run. This runs them: progbench reproduce -m glue --suite paper" in text


def test_a_table_has_its_rows_three_times():
    rows = [len(table) for table in rows_of(latex.render(paper(observed=1.0)))]

    assert rows == [1 + 3 * rows for rows in (6, 4, 6, 6, 3)]


def test_a_model_spans_its_rows_and_the_best_is_bold():
    first = rows_of(latex.render(paper()))[0]

    assert first[1][:4] == [r"\multirow{2}{*}{BERT\textsubscript{BASE}}", "FT", "58.2", r"\textbf{84.6}"]
    assert first[2][:3] == ["", "PT", r"\textbf{59.6}"]


def test_a_difference_carries_the_letter_of_its_outcome():
    text = latex.render(Report("paper", [verdict(outcome="deviates")], {}))

    assert rows_of(text)[0][-1][-1] == r"+0.25\textsuperscript{D}"
    assert r"+0.25\textsuperscript" not in latex.render(Report("paper", [verdict()], {}))


@pytest.mark.parametrize("report", [paper(), MIXED, everything(HOSTILE, HOSTILE)], ids=["paper", "mixed", "hostile"])
def test_a_document_is_balanced(report):
    assert balanced(latex.render(report))


def test_what_means_something_to_latex_is_escaped():
    assert latex.escape(r"a_b & 50% $x$ #1 {y} \input ~^") == (
        r"a\_b \& 50\% \$x\$ \#1 \{y\} \textbackslash{}input \textasciitilde{}\textasciicircum{}"
    )


def test_a_row_that_begins_with_a_bracket_or_an_asterisk_is_no_option_of_the_row_above():
    assert latex.escape("[1pt] *") == "{[}1pt{]} {*}"


@pytest.mark.parametrize("report", [paper(), everything(HOSTILE, HOSTILE)], ids=["paper", "hostile"])
def test_a_document_compiles(report, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here to compile the tables with")
    (tmp_path / "report.tex").write_text(latex.render(report), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "report.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-2000:]
