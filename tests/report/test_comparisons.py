"""Progtuning less fine-tuning, in every view."""

import json
from dataclasses import replace

import pytest
from made_up import ENVIRONMENT, HOSTILE

from progbench.judging.compare import compare
from progbench.judging.compared import Paired, PrintAlone
from progbench.judging.terms import Looks, Terms
from progbench.report import comparisons, html, markdown, text
from progbench.report.report import Report

SEEDS = tuple(range(5))


def task(name, spread=1.0, **values):
    left = tuple(70 + spread * x for x in (-1.0, -0.5, 0.1, 0.5, 1.0))
    return replace(Paired(name, 1, SEEDS, left, (70.0, 70.4, 69.9, 70.1, 69.8)), **values)


def differences(*tasks, right="constant", terms=None):
    return compare("Table 1", "shrinking", right, {"m": tasks}, terms or Terms())


ALONE = PrintAlone("Table 1", "m", 0.14, 2, 8, 0.32, 0.49, -0.15, 0.44, "rte", -0.11, 0.5, ("rte",))
REPORT = Report(
    "paper", [], ENVIRONMENT, differences=differences(task("RTE"), task("MRPC", 0.1, printed=0.3)), alone=[ALONE]
)


def views(report, folder):
    return [text.render(report), markdown.render(report).replace("\\", ""), html.render(report, {}, folder)]


def test_every_view_has_every_difference_and_what_it_says(tmp_path):
    for view in views(REPORT, tmp_path):
        words = " ".join(view.replace("−", "-").split())
        assert comparisons.TITLE in words
        assert "Table 1, m: Progtuning less fine-tuning, in points" in words
        for one in REPORT.differences:
            assert comparisons.says(one.word, one.margin) in words
        assert "average of 2" in words
        assert "P(≥)" in words
        assert "CV*" in words


def test_every_view_says_what_the_print_alone_says(tmp_path):
    for view in views(REPORT, tmp_path):
        words = " ".join(view.replace("−", "-").split())
        assert comparisons.PRINT_TITLE in words
        assert "2 of 8" in words
        assert "0.49" in words
        assert "-0.11 (rte)" in words
        assert "Spreads are assumed for rte" in words


def test_the_answer_stands_above_the_tables(tmp_path):
    answer = "Table 1, m, 2 tasks (RTE, MRPC): over 5 paired seeds, on this development set, Progtuning scores"
    for view in views(REPORT, tmp_path):
        words = " ".join(view.split())
        assert words.index(answer) < words.rindex(comparisons.TITLE) < words.index("Over paired seeds")


def test_an_average_of_some_tasks_says_of_how_many():
    found = differences(task("RTE"), task("MRPC"), Paired("SST-2", missing="not run"))

    assert "m, 2 of 3 tasks (RTE, MRPC)" in comparisons.answers(found)[0]


def test_an_average_says_whether_it_is_the_printed_one():
    both = [task(name, 0.1, printed=0.3) for name in ("RTE", "MRPC")]

    # -0.04 ± 0.13 · √2 and the rounding of two columns against +0.30: surely lower, though within half a point
    assert comparisons.answers(differences(*both))[0].endswith("; another than the printed effect of +0.30")


def test_without_a_print_there_are_no_columns_for_it():
    with_print, without = (
        comparisons.grid(comparisons.FULL, differences(task("RTE", printed=printed))) for printed in (0.3, None)
    )

    assert [*with_print.headers[-3:]] == ["printed", "ours less printed", "is it the printed one?"]
    assert without.headers == with_print.headers[:-3]
    assert len(without.rows[0]) == len(without.align.split()) == len(without.headers)


def test_other_schedules_are_no_answer_to_the_question():
    assert comparisons.answers(differences(task("RTE"), task("MRPC"), right="growing")) == []


def test_what_so_few_seeds_seldom_decide_is_said_with_the_warning_of_stopping_when_it_suits():
    remarks = " ".join(comparisons.remarks(differences(task("RTE", 2.0), task("MRPC", 0.1))))

    assert "hardly decide these alone: m RTE (" in remarks
    assert "m MRPC" not in remarks.partition("hardly decide")[2].partition("As many")[0]
    assert "looking after each further seed, and stopping when it suits" in remarks
    assert "the smallest two-sided p that a sign flip over 5 seeds can have is 0.0625" in remarks


def test_a_collapse_is_decided_by_few_seeds_whatever_was_planned():
    found = differences(task("RTE", left=(90.0, 91.0, 92.0, 93.0, 94.0)), right="without_low_blocks")

    assert found[0].needed > 5
    assert "hardly decide" not in " ".join(comparisons.remarks(found))


def test_a_number_of_seeds_that_was_not_fixed_is_said():
    found = differences(task("RTE"), terms=Terms(looks=Looks((10,))))

    assert "m: 5 seeds are not the 10 fixed beforehand" in " ".join(comparisons.remarks(found))


def test_what_the_look_before_said_stands_with_the_answer_and_with_each_task():
    found = differences(task("RTE"), task("MRPC", 0.1), terms=Terms(looks=Looks((3, 5), 0.03)))
    before = differences(
        *(one.below(3) for one in (task("RTE"), task("MRPC", 0.1))), terms=Terms(looks=Looks((3,), 0.03))
    )
    said = " ".join(comparisons.remarks(found))

    assert (
        f". The look before, with 3 seeds {before[-1].number}: {before[-1].says}; for" in comparisons.answers(found)[0]
    )
    assert "A look before had fewer seeds" in said
    for one in before:
        assert f"m {one.task} with 3 seeds {one.number}, {one.says}" in said
    assert "look before" not in " ".join(comparisons.remarks(before))


def test_json_has_both_with_their_words():
    content = json.loads(json.dumps(REPORT.as_json(), allow_nan=False))

    assert content["differences"][-1]["task"] == "average"
    assert content["differences"][0]["sentence"].startswith("over 5 paired seeds, on this development set")
    assert content["print_alone"][0]["word"] == "not worse"


@pytest.mark.parametrize("name", [HOSTILE])
def test_no_name_can_do_anything_in_a_page(name, tmp_path):
    found = [replace(one, body=name, notes=(name,)) for one in REPORT.differences]
    report = replace(REPORT, differences=found, alone=[replace(ALONE, body=name, most=name)])
    page = html.render(report, {}, tmp_path)

    assert "<script>document" not in page
    assert "<img" not in page
    assert "\x1b" not in text.render(report)


def test_a_terminals_lines_fit():
    assert max(map(len, text.render(REPORT).split("\n"))) <= text.WIDTH


def test_no_line_of_a_report_is_wider_than_a_terminal_of_eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    assert max(map(len, text.render(REPORT).split("\n"))) <= 80
