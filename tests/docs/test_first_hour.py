"""The tutorial, followed from its first command to its last by somebody who installed the wheel."""

import re
import shlex

import pages
import pytest

PAGE = pages.read("docs/first-hour.md")


@pytest.fixture(scope="module")
def followed(installed):
    """What each command prints, by its first words, and the folder in which they ran."""
    person = installed("hour")
    printed = {}
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        if language == "python":
            (person.here / "snippet.py").write_text(text, encoding="utf-8")
            person("snippet")
        else:
            printed |= {line: person(*shlex.split(line)) for line in text.splitlines()}
    return printed, person.here


def said(followed, start):
    return next(printed for line, printed in followed[0].items() if line.startswith(start))


def test_the_page_has_as_many_commands_as_were_followed(followed):
    assert len(followed[0]) == 9


def test_the_plan_of_a_model_is_printed(followed):
    assert "243,396,870" in said(followed, "progbench params")


def test_the_counts_are_reported(followed):
    assert "51 passed" in said(followed, "progbench reproduce -m params")
    assert (followed[1] / "counts" / "report.html").is_file()


def test_the_plan_knows_times_before_any_run(followed):
    assert "; at least " in " ".join(said(followed, "progbench plan").split())


def test_the_table_is_trained_judged_and_reported_again(followed):
    trained = said(followed, "progbench reproduce --suite smoke")

    assert "1 of 1 tiny-bert-growing-rte seed 0: " in trained
    assert "1 of 1 judged: 1 consistent" in trained
    assert {path.parts[-3] for path in followed[1].glob("runs/smoke/*/*/seed0.json")} == {"tiny-bert-growing-rte"}
    assert "tiny-bert-growing-rte" in said(followed, "progbench report runs")


def test_a_comparison_is_planned_and_then_answered(followed):
    plan, answer = (text for line, text in followed[0].items() if line.startswith("progbench compare"))

    assert plan.startswith("tiny-bert, 2 classes of text: 200 rows to train on, 100 to score\n4 runs of 2 recipes")
    assert "at least" in plan.splitlines()[1]
    assert "less fine-tuning" not in plan
    assert "progtuning less fine-tuning on mine: " in answer
    assert "progtuning takes, of fine-tuning's: updated parameters 78.9 %" in answer
    assert "a difference of 1 point" in answer
    assert (followed[1] / "mine" / "report.html").is_file()
