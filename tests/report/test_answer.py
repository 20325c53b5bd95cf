"""The answer: what it says by the print, on our runs and of what is saved, and where it stands in each view."""

import re
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import pytest
from made_up import verdict

from progbench.judging.compared import Contrast, Look, PrintAlone
from progbench.report import answer, answer_page, figures, html, markdown, text
from progbench.report.report import Report
from progbench.runs.ledger import Cost


def contrast(column="Avg", printed=0.2, margin=0.6, body="m", schedule="shrinking", against="constant", **values):
    shares = {"updated": 0.741, "flops": 0.889}
    return Contrast("Table 1", body, schedule, against, column, column == "Avg", printed, margin, **(shares | values))


def ran(*differences, verdict=None, **values):
    return contrast(**values).on_runs(dict(enumerate(differences)), verdict)


def compared(
    difference=3.0, low=1.49, high=4.51, word="better", margin=0.5, seeds=(5, 5), over=(), earlier=(), notes=()
):
    """A verdict of the difference table, as far as the answer shows it."""
    shown = {"difference": difference, "low": low, "high": high, "word": word, "margin": margin}
    beside = {"for_such_examples": "for examples like these: unknown", "notes": notes, "earlier": earlier}
    return SimpleNamespace(**shown, **beside, seeds=seeds, over=over)


PRINTED = [
    contrast(),
    contrast("QQP", -0.6, 0.3),
    contrast("QNLI", -0.4, 0.5),
    contrast("RTE", 2.2, 2.9),
    contrast("CoLA", 3.0, 2.8),
]


@pytest.mark.parametrize(
    ("printed", "margin", "word"),
    [
        (0.6, 0.6, "within noise"),
        (0.7, 0.6, "higher"),
        (-0.7, 0.6, "lower"),
        (0.0, 0.6, "within noise"),
        (None, 0.6, ""),
    ],
)
def test_a_printed_difference_is_read_by_the_margin_of_its_cells(printed, margin, word):
    assert contrast(printed=printed, margin=margin).on_print == word


def test_by_the_print_the_average_comes_first_and_then_the_tasks_beyond_their_margin():
    first, tasks, *_ = answer.sentences(PRINTED)

    assert first.endswith("is, on average, +0.2 for m (within noise, margin 0.6).")
    assert tasks == (
        "Task by task, beyond the margin, m is lower on QQP (-0.6) and higher on CoLA (+3.0) (below 0 on 2 of 4)."
    )


@pytest.mark.parametrize(
    "words",
    [
        "print alone, without spreads, decides neither way",
        "updates 25.9 % fewer parameters of m and spends 11.1 % fewer FLOPs",
        "a gradient still passes through the frozen blocks",
        "No run of ours with these models is behind this",
    ],
)
def test_the_answer_by_the_print_and_by_counting_says(words):
    assert words in " ".join(answer.sentences(PRINTED))


@pytest.mark.parametrize(
    ("tuning", "flops", "says"),
    [
        ("full", 0.889, "and spends 11.1 % fewer FLOPs in the blocks' weights, since a gradient still passes through"),
        (
            "lora",
            0.875,
            "and spends 12.5 % fewer FLOPs in the blocks' weights, since no gradient passes below the lowest",
        ),
        ("bitfit", 1.0, "and spends no fewer FLOPs in the blocks' weights, since a gradient still passes through"),
        ("full", None, "updates 25.9 % fewer parameters of m; AdamW's moments"),
    ],
)
def test_what_is_saved_is_said_with_the_reason_that_holds_for_the_tuning(tuning, flops, says):
    assert says in " ".join(answer.sentences([contrast(updated=0.741, flops=flops, tuning=tuning)]))


def test_unlike_tunings_have_their_own_reasons():
    said = " ".join(answer.sentences([contrast(flops=0.889), contrast(body="n", flops=0.8, tuning="lora")]))

    assert "to the embeddings; it updates 25.9 % fewer parameters of n and spends 20.0 % fewer" in said


def test_our_runs_stand_with_their_interval_their_seeds_and_what_that_shows():
    found = [ran(1.0, 2.0, 3.0, 4.0, 5.0, verdict=compared())]

    assert answer.on_runs(found).endswith(
        " is +3.00 [+1.49, +4.51] for m (better; 5 seeds). m: for examples like these: unknown."
    )
    assert answer.tables(found)[0].rows[0][4] == "+3.00 [+1.49, +4.51] (5) better"


def test_what_the_look_before_said_stands_with_our_runs():
    look = Look("3", "-1.00 [-2.00, +0.00]", "lower", "lower than fine-tuning", "for examples like these: unknown")
    found = [ran(1.0, 2.0, 3.0, 4.0, 5.0, verdict=compared(earlier=(look,)))]
    before = "before, with 3 seeds -1.00 [-2.00, +0.00]: lower than fine-tuning; for examples like these: unknown"

    assert answer.on_runs(found).endswith(f"; {before}.")


def test_the_print_is_read_in_pairs_too():
    alone = PrintAlone("Table 1", "m", 0.4, 5, 8, 0.14, 1.36, 0.1, 0.7, "rte", 0.1, 0.5)
    (said,) = [line for line in answer.sentences(PRINTED, [alone]) if line.startswith("Read in pairs")]

    assert (
        "the average of m is beyond chance (it is at spreads of up to 1.36 times theirs), and 5 of 8 tasks go" in said
    )


@pytest.mark.parametrize(("factor", "says"), [(1.36, True), (0.9, False)])
def test_in_short_it_says_whose_average_lies_beyond_borrowed_spreads(factor, says):
    alone = PrintAlone("Table 1", "m", 0.4, 5, 8, 0.14, factor, 0.1, 0.7, "rte", 0.1, 0.5)
    said, *_ = answer.brief(PRINTED, [alone])

    assert said.endswith("borrowed from other runs m lie beyond chance.") == says


def test_runs_without_a_complete_average_are_not_called_none():
    assert answer.on_runs([contrast(), ran(1.0, column="RTE", printed=1.0)]).startswith("On our runs no average")


def test_a_suite_without_print_has_no_columns_for_it():
    (table,) = answer.tables([ran(1.0, 2.0, printed=None)])

    assert table.headers == ("model", "column", "ours", "updated %", "FLOPs %", "time %", "memory %")
    assert {len(row) for row in table.rows} == {len(table.headers)} == {len(table.align.split())}


def test_averages_stand_alone_unless_every_task_is_asked_for():
    short, whole = (answer.tables(PRINTED, every=every)[0].rows for every in (False, True))

    assert [row[1] for row in short] == ["Avg"]
    assert [row[1] for row in whole] == ["Avg", "QQP", "QNLI", "RTE", "CoLA"]


def test_time_and_memory_stand_on_the_same_line_where_they_were_measured():
    cost = Cost("m", "shrinking", "9 tasks", 0.741, 0.88, 0.9, 1.0)

    assert answer.tables([contrast()], [cost])[0].rows[0][-4:] == ["-25.9", "-11.1", "-10.0", "+0.0"]
    assert answer.tables([contrast()])[0].rows[0][-2:] == ["?", "?"]


def test_an_ablation_is_compared_with_progtuning_and_so_are_its_costs():
    rival = contrast("RTE", -1.1, 2.9, against="growing", updated=1.0, flops=1.0)
    costs = [Cost("m", name, "rte", 0.7, 0.8, time, 1.0) for name, time in (("shrinking", 0.8), ("growing", 0.9))]
    main, ablations = answer.tables([contrast(), rival], costs)

    assert ablations.title == "Ablations: Progtuning less another schedule"
    assert ablations.rows == [
        ["m, less growing", "RTE", "-1.1 (2.9)", "within noise", "not run", "+0.0", "+0.0", "-11.1", "+0.0"]
    ]
    assert len(main.rows) == 1


REPORT = Report("paper", [verdict()], {}, contrasts=PRINTED, purpose="What this suite is")


def test_a_terminal_begins_with_what_the_suite_is_and_the_answer():
    first, second, *_ = text.render(REPORT).splitlines()

    assert first == "What this suite is"
    assert second.startswith("In print Progtuning")


def test_what_has_scrolled_away_stands_again_at_the_end_of_a_terminal():
    whole = Report("paper", [verdict(f"m-constant-{i}", "deviates") for i in range(30)], {}, contrasts=PRINTED)
    lines = text.render(whole).splitlines()

    assert lines[-1].startswith("30 of 30 judged: 30 deviates")
    assert sum(line.startswith("In print Progtuning") for line in lines) == 2


def test_markdown_and_the_page_begin_with_the_answer(tmp_path):
    lines = markdown.render(REPORT).splitlines()
    page = html.render(REPORT, {}, tmp_path)

    assert lines[2] == f"## {markdown.escape(answer.QUESTION)}"
    assert page.index("In print Progtuning") < page.index(">1 of 1 judged")


def test_a_report_without_a_pair_of_schedules_has_no_answer_to_give():
    assert answer.sentences([]) == []
    assert text.render(Report("paper", [verdict()], {})).splitlines()[0] == "1 of 1 judged: 1 reproduced"


def test_the_picture_has_a_line_for_each_average_with_what_it_saves():
    lines = figures.answer_lines([*PRINTED, contrast(body="other"), contrast("RTE", against="growing")])

    assert [(line.head.body, len(line.tasks)) for line in lines] == [("m", 4), ("other", 0)]


def test_the_picture_is_on_white_and_names_its_numbers():
    svg = figures.draw("answer.svg", REPORT)
    texts = [one.text.strip() for one in ElementTree.fromstring(svg).iter() if one.text and one.text.strip()]

    assert {"m  Avg", "74.1", "88.9", "printed", "margin"} <= set(texts)
    assert "fill: #ffffff" in svg


def test_a_phone_has_the_picture_one_half_below_the_other_and_all_of_its_words(tmp_path):
    svgs = [figures.draw("answer.svg", REPORT), figures.narrow_answer(REPORT)]
    wide, narrow = (ElementTree.fromstring(svg) for svg in svgs)
    words = [{word for one in root.iter() if one.text for word in one.text.split()} for root in (wide, narrow)]
    page = html.render(REPORT, {"answer.svg": svgs[0]}, tmp_path)

    assert words[0] == words[1]
    assert float(narrow.get("width").removesuffix("pt")) < 350 < float(wide.get("width").removesuffix("pt"))
    assert page.count('<figure class="narrow">') == page.count('<figure class="wide broad">') == 1
    assert len(re.findall(r' id="answer-narrow-', page)) > 5


def test_only_what_is_between_the_marks_of_a_readme_is_renewed():
    made = answer_page.section(REPORT, [], "docs")
    readme = f"# above\n{answer_page.BEGIN}\nold 12.3 %\n{answer_page.END}\n## below\n"
    renewed = answer_page.put_into(readme, made)

    assert renewed.startswith("# above\n<!--") and renewed.endswith("-->\n## below\n")  # noqa: PT018
    assert "old" not in renewed
    assert "25.9 % fewer parameters" in " ".join(renewed.split())
    assert "](docs/answer.svg)" in renewed
    assert answer_page.put_into(renewed, made) == renewed


def test_a_readme_without_marks_is_refused():
    with pytest.raises(ValueError, match="to put the answer between them"):
        answer_page.put_into("# a page", "new")


def test_recorded_runs_of_our_own_stand_on_the_page_and_in_the_readme():
    own = Report("mini", [], {}, contrasts=[ran(1.0, 2.0, 3.0, 4.0, 5.0, printed=None)], purpose="Our small model")

    assert "## Our small model" in answer_page.page(REPORT, [own])
    assert (
        "None of these models was run here. On our runs of others, paired by seed, Progtuning less fine-tuning is +3"
        in (" ".join(answer_page.section(REPORT, [own], "docs").split()))
    )


def test_a_readme_has_three_points_and_what_must_be_said_with_an_average():
    verdict = compared(notes=("without RTE, which has the largest share in it, the average is +0.10",))
    own = Report("mini", [], {}, contrasts=[ran(1.0, 2.0, 3.0, verdict=verdict, printed=None)])
    made = answer_page.section(REPORT, [own], "docs")

    assert len(re.findall(r"^- ", made, re.MULTILINE)) == 3
    assert "; without RTE, which has the largest share in it, the average is +0.10." in " ".join(made.split())


def test_the_picture_of_the_readme_has_our_runs_with_their_whole_intervals_too():
    low = ran(1.0, verdict=compared(-1.4, -4.6, 1.7, over=("CoLA", "RTE")), printed=None, body="small")
    svg = figures.whole_answer(REPORT, [Report("mini", [], {}, contrasts=[low])])
    texts = [one.text.strip() for one in ElementTree.fromstring(svg).iter() if one.text and one.text.strip()]

    assert {"m  Avg", "small  Avg of 2", "ours, with its interval", "−4"} <= set(texts)


def test_an_average_names_its_tasks_and_the_fewest_and_most_seeds_behind_it():
    found = contrast().on_runs({}, compared(-1.43, -2.62, -0.23, "lower", 0.5, (3, 5), ("CoLA", "MRPC")))

    assert answer.ours(found).startswith("-1.43 [-2.62, -0.23] (3 to 5) on CoLA and MRPC lower")
