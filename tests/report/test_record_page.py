"""RESULTS.md: every number from recorded files, what is not recorded said, failed runs listed, time told honestly."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from recorded_runs import record, timed

from progbench.report import record_ablation, record_page, record_runs
from progbench.report.record import Figure, Grid, Printed
from progbench.session import recording

ROOT = Path(__file__).resolve().parents[2]
ABLATION, THERE = 2, 5


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return record(ROOT / "expected", tmp_path_factory.mktemp("record"))


@pytest.fixture(scope="module")
def views(found):
    return record_page.files(found)


@pytest.fixture(scope="module")
def sections(found):
    return record_page.sections(found)


def text_of(section):
    """A section's texts, one a line."""
    lines = []
    for block in section[1]:
        if isinstance(block, Grid):
            lines += [" | ".join(row) for row in [block.headers, *block.rows]]
        elif not isinstance(block, Figure):
            lines += [block] if isinstance(block, str) else block
    return "\n".join(lines)


@pytest.fixture(scope="module")
def written():
    """What the checkout's recorded files say."""
    return record_page.files(recording.recorded(ROOT / "expected"))


def test_the_page_in_the_checkout_is_what_the_recorded_files_say(written):
    assert {name: (ROOT / name).read_text() for name in written} == written


def test_no_figure_is_left_of_what_is_not_recorded_any_more(written):
    there = [path.relative_to(ROOT).as_posix() for path in (ROOT / record_page.FOLDER).iterdir()]

    assert sorted(there) == sorted(name for name in written if name != "RESULTS.md")


SAYS = {
    # +1, 0 and +1 examples of 277: +0.24 points on average
    "the answer, with its difference": (0, "3 paired seeds, on this development set, Progtuning scores +0.24 ["),
    "what is not recorded": (0, "base: no ablation of Table 5 is recorded."),
    "that it says nothing": (0, "What is not recorded says nothing for the paper or against it."),
    "an ablation's difference, the printed one beside it": (0, "(printed +1.1)"),  # 68.7 less 67.6
    "seeds that were not fixed beforehand": (1, "3 seeds are not the 5, then 10 fixed beforehand"),
    "a suite without runs": (1, "base: not recorded: no task has three pairs of runs."),
    "what a what-if would tell": (ABLATION, "never moves what is frozen then: under growing, the low blocks"),
    # 151 of 277 on average; 139 of the made-up labels are 0; MRPC has two columns
    "a schedule": (ABLATION, "growing | not recorded | not recorded | not recorded | 54.51 ± 0.36 (3) | not recorded"),
    "a guess": (ABLATION, "always the most frequent class |  |  |  | 50.18 | "),
    "the print": (ABLATION, "printed: growing | 56.5 |  | 67.9 | 67.6 | 68.5"),
    "a what-if not recorded": (ABLATION, "mini, minilm-growing-mrpc~optimizer-after-freeze: not recorded."),
    "the parts of Eq. 2": (ABLATION, "minilm (mini): 6 blocks in 3 parts"),
    "its literal floor": (ABLATION, "it is the same run, and gives neither number"),
    "sentences that the print refutes": (4, "SQuAD v1.1 or SQuAD v2.0 (section 4.2, Table 2): "),
    "what was decided when": (
        8, "2026-11-29 | the what-if recipe optimizer-after-freeze, for growing | no recorded run of growing",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("section", "words"), SAYS.values(), ids=SAYS)
def test_a_section_says(sections, section, words):
    assert words in text_of(sections[section])


def test_the_page_begins_with_what_was_found_and_says_then_who_writes_it(sections):
    first, *_, last = sections[0][1]

    assert first[0].startswith("None of the paper's own models is recorded")
    assert "Progtuning scores" in first[1]
    assert last == record_page.SOURCE


def test_tasks_that_the_seeds_do_not_decide_are_named_first(found, monkeypatch):
    word = next(suite.of_schedule("constant")[0].word for suite in found.suites if suite.of_schedule("constant"))
    monkeypatch.setattr(record_page, "UNDECIDED", word)

    assert "these seeds do not decide RTE (3 seeds, P(≥) " in text_of(record_page.sections(found)[0])


def test_tasks_of_several_models_are_named_with_their_models(found):
    (rte,) = [one for suite in found.suites for one in suite.of_schedule("constant")]
    other = replace(rte, body="minilm-adapter")

    assert record_page._named([rte, other]).startswith("minilm RTE (3 seeds, P(≥) ")
    assert ", minilm-adapter RTE (3 seeds, P(≥) " in record_page._named([rte, other])


@pytest.mark.parametrize(
    ("value", "said"),
    [(50.18, "none"), (50.0, "growing, rte accuracy: 1 of 2"), (0.0, "growing, rte accuracy: 1 of 2")],
)
def test_seeds_that_are_no_better_than_a_guess_are_counted(value, said):
    found = record_ablation._collapsed({"growing": [[value, 60.0]]}, [("rte", "accuracy")], [50.0])

    assert found == f"Seeds that score no more than always the most frequent class: {said}."


def scored(found, tried, alone):
    """Mini's recipes, of which growing on MRPC has these accuracies with the what-if's optimizer, and alone."""
    points = {"minilm-growing-mrpc~optimizer-after-freeze": tried, "minilm-growing-mrpc": alone}
    (mini,) = [suite for suite in found.suites if suite.name == "mini"]
    return SimpleNamespace(
        recipes=mini.recipes, results=points, guesses={}, points=lambda one, *where: points.get(one, [])
    )


@pytest.mark.parametrize(
    ("tried", "says"),
    [
        ([70.0, 71.0, 72.0], "brings it nearer to the printed number and does not give it"),
        ([65.9, 67.9, 69.9], "gives the printed number"),
        ([74.0, 75.0, 76.0], "does not explain the printed number"),
    ],
)
def test_a_what_if_says_whether_it_gives_the_printed_number(found, tried, says):
    (line,) = record_ablation.what_ifs(
        scored(found, tried, [73.0, 74.0, 75.0]), [Printed("growing", "MRPC", "mrpc", "accuracy", 67.9)]
    )

    # Student's t of 2 degrees of freedom is 4.303: 74 ± 4.303 / sqrt(3)
    assert line.startswith("growing scores an accuracy of 74.00 [71.52, 76.48] on MRPC, and ")
    assert f"Such an optimizer {says}" in line


ACCURACIES = [
    Printed("without_low_blocks", "MRPC", "mrpc", "accuracy", 68.5),
    Printed("growing", "MRPC", "mrpc", "accuracy", 67.9),
]


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ([73.0, 74.0, 75.0], "no recorded schedule gives one"),
        ([66.0, 68.0, 70.0], "minilm-growing-mrpc gives 68.5, minilm-growing-mrpc gives 67.9"),
    ],
)
def test_whether_anything_gives_the_printed_accuracies_is_said_beside_a_guess(found, points, says):
    mini = scored(found, [], points)
    mini.results, mini.guesses = {"minilm-growing-mrpc": []}, {"mrpc accuracy": 68.38}
    *_, line = record_ablation.what_ifs(mini, ACCURACIES)

    assert line == (
        f"of the accuracies 68.5 and 67.9 that are printed of MRPC, by 95 % intervals {says}; always answering "
        "paraphrase scores 68.38 (-0.12 from 68.5, +0.48 from 67.9)."
    )


def test_where_the_printed_difference_lies_outside_of_ours_is_said(found):
    (rte,) = [one for suite in found.suites for one in suite.of_schedule("constant")]
    tasks = ("RTE", "STS-B", "CoLA")
    falls = [replace(rte, right="growing", task=task, low=1.0, high=3.0, p=0.04) for task in tasks]
    suite = SimpleNamespace(of_schedule=lambda schedule: falls if schedule == "growing" else [])
    printed = [
        Printed(schedule, column, "", "m", value)
        for column, scores in [("RTE", (62.0, 60.0)), ("STS-B", (89.0, 69.0)), ("CoLA", (57.0, 57.0))]
        for schedule, value in zip(("shrinking", "growing"), scores, strict=True)
    ]
    (line,) = record_ablation.short(suite, printed)

    assert "p 0.040 (printed +2.0); STS-B" in line
    assert line.endswith("The printed difference lies outside the interval on STS-B, CoLA.")


def test_runs_that_were_made_again_are_listed(found):
    again = ("2026-11-30", "mini", "minilm-constant-rte", "1", "c0ffee", "family 6", "by chance", "equal")

    assert "made again" not in text_of(("", record_runs.made(replace(found, repeated=[]))))
    assert " | ".join(again) in text_of(("", record_runs.made(replace(found, repeated=[again]))))


def test_a_what_if_of_two_seeds_says_nothing(found):
    two = scored(found, [70.0, 71.0], [73.0, 74.0])

    assert record_ablation.what_ifs(two, [Printed("growing", "MRPC", "mrpc", "accuracy", 67.9)]) == []


def test_two_printed_metrics_are_no_printed_difference():
    printed = [
        Printed("shrinking", "MRPC", "mrpc", "f1", 89.8), Printed("growing", "MRPC", "mrpc", "accuracy", 67.9)
    ]  # fmt: skip

    class Difference:
        task, left, right = "MRPC", "shrinking", "growing"

    assert record_ablation._printed(Difference, printed) == "f1 89.8 and accuracy 67.9"


def test_a_failed_run_is_listed_with_its_message(sections):
    assert text_of(sections[6]) == "mini, minilm-without_low_blocks-rte, seed 0: epoch 1, step 3: the loss is nan"


def test_what_is_recorded_and_what_is_not_stands_by_schedule_and_task(sections):
    rows = {row[0]: row for block in sections[THERE][1] if isinstance(block, Grid) for row in block.rows}
    heads = next(block.headers for block in sections[THERE][1] if isinstance(block, Grid))
    rte = heads.index("rte")

    assert [rows[f"minilm {one}"][rte] for one in ("constant", "growing", "without_low_blocks")] == [
        "3", "3", "– + 1 failed"
    ]  # fmt: skip
    assert rows["minilm constant"][heads.index("cola")] == "–"


def test_each_recipe_has_a_line_with_digest_seeds_commit_and_dates(found, sections):
    digest = next(recipe.digest for recipe in found.suites[0].recipes.values() if recipe.id == "minilm-constant-rte")

    assert f"minilm-constant-rte | {digest} | 0-2 | 1 | {'c' * 10} | unknown | unknown" in text_of(sections[7])


def test_seeds_of_two_kinds_of_machine_have_a_line_each(found):
    suite = found.suites[0]
    name = "minilm-constant-rte"
    *early, last = suite.results[name]
    last = replace(last, environment=last.environment | {"cpu": "another CPU"})
    suite = replace(suite, results=suite.results | {name: [*early, last]})
    lines = text_of(("", record_runs.made(replace(found, suites=[suite])))).splitlines()

    assert [line.split(" | ")[2:4] for line in lines if line.startswith(name)] == [["0-1", "1"], ["2", "2"]]
    assert [line for line in lines if line.startswith("machine 2, 1 runs: cpu another CPU")]


def test_machines_have_one_number_on_the_whole_page(found):
    mini = found.suites[0]
    runs = [replace(run, environment=run.environment | {"cpu": "another CPU"}) for run in mini.runs[:1]]
    other = replace(mini, name="other", results={"minilm-constant-rte": runs})
    lines = text_of(("", record_runs.made(replace(found, suites=[mini, other])))).splitlines()

    assert [line.partition(",")[0] for line in lines if line.startswith("machine ")] == ["machine 1", "machine 2"]


def test_hours_count_an_epoch_that_two_schedules_share_once(found):
    runs = found.suites[0].results
    constant, shrinking = (runs[f"minilm-{schedule}-rte"][0] for schedule in ("constant", "shrinking"))
    others = [replace(epoch, seconds=7200.0, cpu_seconds=1800.0) for epoch in shrinking.epochs[1:]]
    shrinking = replace(shrinking, epochs=(constant.epochs[0], *others))

    # three epochs of 10 seconds and two of 7,200
    assert record_runs.hours([constant, shrinking]) == pytest.approx((14430 / 3600, 3630 / 3600))


def test_what_each_schedule_scored_stands_beside_their_difference(sections):
    lines = text_of(sections[1]).splitlines()
    mean, sd = 100 * 202 / 277, 100 * 2 / 277

    assert f"minilm fine-tuning | {mean:.2f} ± {sd:.2f} (3)" in lines


def test_the_settings_that_the_models_were_trained_with_are_named(sections):
    assert "minilm | 3 | 5e-05 | 32 | 128" in text_of(sections[7])


def test_seconds_are_compared_where_clock_and_processor_agree(answers, tmp_path):
    found = record(answers, tmp_path, cpu={"constant": 10.0, "shrinking": 9.8})
    costs = record_runs.costs(found.suites[0])
    (row,) = [row for row in costs.rows if row[0] == "shrinking"]

    assert dict(zip(costs.headers, row, strict=True))["CPU seconds"] == "98.0 %"
    assert dict(zip(costs.headers, row, strict=True))["wall seconds"] == "100.0 %"


def test_no_seconds_are_told_where_another_program_shared_the_processor(answers, tmp_path):
    found = record(answers, tmp_path, cpu={"constant": 10.0, "shrinking": 6.0})
    (row,) = [row for row in record_runs.costs(found.suites[0]).rows if row[0] == "shrinking"]

    assert (row[2:4], row[6:8]) == (["3", "0"], ["not told", "not told"])
    assert "Its time is not told: the clock and the processor agree in 0 of 3 pairs of runs" in text_of(
        record_page.sections(found)[0]
    )


def test_only_pairs_that_are_timed_count_and_three_are_needed(found):
    mini = found.suites[0]
    constant, shrinking = (mini.results[f"minilm-{schedule}-rte"] for schedule in ("constant", "shrinking"))
    whole = [*constant, replace(constant[0], seed=3)]
    ours = [timed(run, 9.0, 9.0) for run in (*shrinking, replace(shrinking[0], seed=3))]
    four = record_runs.spent([timed(ours[0], 20.0, 15.0), *ours[1:]], whole)
    three = record_runs.spent([timed(ours[0], 20.0, 15.0), *ours[1:3]], constant)

    assert (four.seeds, four.timed, three.seeds, three.timed) == (4, 3, 3, 2)
    assert four.cpu == four.wall == pytest.approx(0.9)
    assert (three.cpu, three.wall) == (None, None)


def test_medians_are_of_the_shares_and_not_of_their_printed_digits():
    assert record_page._middle([0.8914, 0.8924]) == "89.2 %"


def test_the_page_says_the_same_as_the_markdown(sections):
    page = record_page.as_html(sections)

    for title, _ in sections:
        assert title in page
    assert page.count("<svg") == sum(isinstance(block, Figure) for _, blocks in sections for block in blocks) == 2
    assert "<script" not in page


def test_no_path_of_this_machine_is_on_the_page(tmp_path_factory, views):
    assert all(str(tmp_path_factory.getbasetemp()) not in content for content in views.values())


def test_figures_are_small(views):
    assert all(len(content) < 60_000 for name, content in views.items() if name.endswith(".svg"))


def test_figures_that_nobody_draws_any_more_go(found, tmp_path):
    (tmp_path / record_page.FOLDER).mkdir()
    (tmp_path / record_page.FOLDER / "old.svg").write_text("")
    written = record_page.write(found, tmp_path)

    assert sorted(path.name for path in (tmp_path / record_page.FOLDER).iterdir()) == sorted(
        path.name for path in written if path.name != "RESULTS.md"
    )
