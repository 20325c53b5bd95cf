"""Which code made the runs, and what speaks against taking them as they are: in every view."""

import json

import pytest
from made_up import entry, run, verdict

from progbench.report import html, latex, markdown, provenance, text
from progbench.report.report import Report

CLEAN, DIRTY = "0123456789abcdef", "0123456789abcdef-dirty"


def doubts(*runs, own=CLEAN):
    return provenance.doubts({"commit": own}, [entry(runs=runs)])


def views(*runs, folder, own=CLEAN):
    """The report on these runs as it is read: on a terminal, as Markdown, HTML, LaTeX, JSON."""
    report = Report("s", [verdict()], {"commit": own}, ledger=[entry(runs=runs)])
    shown = [text.render(report), markdown.render(report).replace("\\", ""), html.render(report, {}, folder)]
    return [*shown, latex.render(report), json.dumps(report.as_json())]


@pytest.mark.parametrize(
    ("runs", "own", "said"),
    [
        ([run()], CLEAN, []),
        ([], DIRTY, ["this report was made by changed code (0123456789-dirty): nobody else can make it again"]),
        (
            [run(0), run(1, commit=DIRTY), run(2, commit=DIRTY)], CLEAN,
            ["2 runs made by changed code, which no commit has: m-constant-rte seed 1 (0123456789-dirty), "
             "m-constant-rte seed 2 (0123456789-dirty)"],
        ),
        (
            [run(i, commit="unknown") for i in range(5)], CLEAN,  # three are named
            ["5 runs made by code of unknown commit: m-constant-rte seed 0, m-constant-rte seed 1, m-constant-rte "
             "seed 2 and 2 more"],
        ),
        (
            [run(others=None)], CLEAN,
            ["1 run without a record of what else used the device, with step times left out: m-constant-rte seed 0"],
        ),
        ([run(error="the loss is nan", commit="unknown", others=3, step_seconds=None)], CLEAN, []),
    ],
    ids=["committed code", "a report by changed code", "runs by it", "unknown commits", "unknown company", "an error"],
)  # fmt: skip
def test_what_speaks_against_taking_runs_as_they_are_is_said(runs, own, said):
    assert doubts(*runs, own=own) == said


@pytest.mark.parametrize(
    ("made_by", "own", "said"),
    [
        (DIRTY, CLEAN, "made by changed code, which no commit has"),
        (CLEAN, DIRTY, "this report was made by changed code"),
    ],
)
def test_changed_code_is_shown_in_every_view(tmp_path, made_by, own, said):
    for view in views(run(commit=made_by), folder=tmp_path, own=own):
        assert DIRTY in view or "0123456789-dirty" in view
        assert said in " ".join(view.split())


def test_a_run_beside_others_is_named_with_their_number(reliability):
    (found,) = doubts(run(others=11))

    assert found == ("1 run beside other runs on the same device, with step times left out: m-constant-rte seed 0 (11)")
    reliability(
        "Keeping results", "a run shared its device with eleven others", happens=found, kept="its scores, which count"
    )


def test_every_view_for_people_counts_the_runs_by_commit(tmp_path):
    for view in views(run(0), run(1), run(2, commit=DIRTY), folder=tmp_path)[:3]:
        assert "runs by commit: cccccccccc (2), 0123456789-dirty (1)" in view


@pytest.mark.parametrize(
    ("values", "words"), [({"others": 3}, "beside 3 others"), ({"others": None}, "not known to be alone")]
)
def test_a_time_that_does_not_count_has_a_word_beside_it(tmp_path, values, words):
    assert f"500.0 ({words})" in views(run(**values), folder=tmp_path)[2]
