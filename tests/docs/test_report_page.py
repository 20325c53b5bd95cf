"""What docs/report.md says is so."""

import argparse
import re

import pages

from progbench.commands import report as command
from progbench.commands.shared import FAILED, FINE, USAGE
from progbench.judging import against
from progbench.report import report
from progbench.report.report import Report

PAGE = pages.read("docs/report.md")


def test_the_page_says_what_each_key_of_the_json_report_holds():
    assert [pages.bare(key) for key, _ in pages.table(PAGE, "key")] == list(Report("paper", [], {}).as_json())


def test_the_version_of_the_json_report_is_the_one_that_is_said():
    (said,) = [holds for key, holds in pages.table(PAGE, "key") if key == "`schema_version`"]

    assert said.startswith(f"{report.SCHEMA_VERSION};")


def test_every_option_of_progbench_report_is_on_the_page():
    parser = argparse.ArgumentParser(add_help=False)
    command.add(parser)
    report_options = [name for action in parser._actions for name in action.option_strings]

    assert len(report_options) == 3
    assert [option for option in report_options if option not in pages.block(PAGE, "sh", "progbench report")] == []
    assert "`progbench --version`" in PAGE


def test_every_exit_code_of_the_command_is_explained():
    assert [int(code) for code, _ in pages.table(PAGE, "exit code")] == [FINE, FAILED, USAGE]


def test_the_first_line_names_as_many_deviating_cells_as_the_page_says():
    assert report.NAMED == 3
    assert "Where at most three cells deviate, it names them." in PAGE


def test_what_the_comparison_says_of_a_score_is_one_of_the_four_words_on_the_page():
    said = pages.section(PAGE, "Results without pytest").partition("one of four things: ")[2].partition(". ")[0]

    assert sorted(re.findall(r"\*([a-z -]+)\*", said)) == sorted(against.OUTCOMES)


def test_the_claims_answers_are_those_on_the_page():
    said = pages.section(PAGE, "Claims").partition("Each answer is ")[2].partition(", with")[0]

    assert re.findall(r"\*([a-z ]+)\*", " ".join(said.split())) == ["holds", "does not hold", "undecided"]
