"""The figures, read back from their SVG."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from made_up import HOSTILE, entry, everything, run, verdict

from progbench.judging.verdict import Verdict
from progbench.report import canvas, figures, plots
from progbench.report.canvas import BLUE
from progbench.report.report import Report
from progbench.report.writing import write

BAR = Verdict(
    "m-constant-updated", "Figure 4", "M FT", "Updated", "counted", "M parameters",
    None, None, 328.5, None, 1, None, None, "missing", None, "",
)  # fmt: skip
POINT = replace(BAR, table="Figure 1", kind="scored", unit="points")
BARS = [BAR, replace(BAR, cell="m-shrinking-updated", observed=243.4)]
CURVE = [
    replace(POINT, cell=f"m-single_block_b{i}-sst2", row=f"B{i}", observed=80.0 + i, n=3, sd=0.5) for i in range(1, 13)
]


def draw(name, verdicts, **values):
    return figures.draw(name, Report("paper", verdicts, {}, **values))


def texts(svg):
    return [text.strip() for element in ElementTree.fromstring(svg).iter() if (text := element.text) and text.strip()]


def test_figure_4_has_a_bar_with_its_total_for_each_schedule():
    assert {"328.5", "243.4", "m", "fine-tuning", "Progtuning"} <= set(texts(draw("figure4.svg", BARS)))


def test_figure_4_of_an_own_suite_is_in_millions_too():
    counts = [replace(bar, unit="parameters", observed=bar.observed * 1e6) for bar in BARS]

    assert {"328.5", "243.4"} <= set(texts(draw("figure4.svg", counts)))


def test_figure_1_has_the_twelve_blocks_in_their_order():
    shown = texts(draw("figure1.svg", CURVE[::-1]))
    ticks = [text for text in shown if text in map(str, range(1, 13))]

    assert ticks[:12] == [str(i) for i in range(1, 13)]


def test_the_same_verdicts_give_the_same_file():
    assert draw("figure1.svg", CURVE) == draw("figure1.svg", CURVE)


def test_a_report_draws_the_figures_it_has_values_for(tmp_path):
    without = [replace(point, observed=None) for point in CURVE]
    written = write(Report("paper", [*BARS, *without], {}), tmp_path)

    assert [path.name for path in written if path.suffix == ".svg"] == ["figure4.svg"]
    assert "![Figure 4: updated parameters by model and schedule](figure4.svg)" in written[0].read_text()


def test_figure_1_says_whose_blocks_they_are_and_how_many_seeds_stand_behind_a_point():
    shown = texts(draw("figure1.svg", CURVE))

    assert "Figure 1: m, embeddings, one block and head; mean ± sd of 3 seeds" in shown
    assert "RTE (points)" not in shown
    assert "Updated (points)" in shown  # the column's own label


def markers(svg, color):
    """Where marks of a colour stand in a figure, x and y of each as they were drawn; the legend's come last."""
    uses = [one for one in ElementTree.fromstring(svg).iter() if one.tag.endswith("}use")]
    return [(float(one.get("x")), float(one.get("y"))) for one in uses if color.lower() in one.get("style", "").lower()]


def test_the_forest_has_a_line_for_every_cell_that_was_judged_with_its_difference():
    rows = [verdict("m-constant-rte"), verdict("m-shrinking-rte", "error", row="M PT")]
    shown = texts(draw("forest.svg", rows))

    assert "M FT  RTE" in shown
    assert "+0.25" in shown
    assert not any("M PT" in text for text in shown)


def test_in_the_forest_a_difference_of_one_margin_ends_where_the_band_does():
    at_margin = verdict("a", difference=2.9, tolerance=2.9)
    none = verdict("b", difference=0.0, tolerance=2.9)
    beyond = verdict("c", difference=100.0, tolerance=2.9)
    svg = draw("forest.svg", [at_margin, none, beyond])
    (one, _), (zero, _), (edge, _), *_ = markers(svg, BLUE)

    assert edge - zero == pytest.approx(3 * (one - zero), rel=1e-3)


def test_the_forest_says_which_scored_cells_it_does_not_draw_errors_first():
    rows = [verdict("a"), verdict("b", "missing"), verdict("c", "error"), verdict("d", "missing", kind="counted")]

    assert figures.available(Report("paper", rows, {}))["forest.svg"].endswith(
        "; 2 of 3 are not drawn, being missing or an error: c, b"
    )


def test_a_forest_of_every_scored_cell_leaves_none_out():
    assert "not drawn" not in figures.available(Report("paper", [verdict("a")], {}))["forest.svg"]


def test_in_the_forest_a_whisker_that_goes_on_beyond_the_edge_ends_in_an_arrow():
    inside = verdict("a", tolerance=1.0, low=-0.5, high=1.0)
    outside = verdict("a", tolerance=1.0, low=-4.0, high=5.0)
    within, beyond = (markers(draw("forest.svg", [one]), BLUE) for one in (inside, outside))

    assert len(beyond) == len(within) + 2
    assert beyond[0][0] < beyond[2][0] < beyond[1][0]


def test_the_forest_has_its_scale_at_the_top_too():
    shown = texts(draw("forest.svg", [verdict("a")]))

    assert shown.count("\N{MINUS SIGN}3") == 2


def test_the_forest_tells_outcomes_apart_by_mark_and_by_name():
    shown = texts(draw("forest.svg", [verdict("a"), verdict("b", "deviates"), verdict("c", "inconclusive")]))

    assert {"reproduced", "deviates", "inconclusive"} <= set(shown)


def pair(**values):
    """Fine-tuning and Progtuning on one task, with runs of 100 M and 75 M updated parameters."""
    recipes = {name: (f"m-{name}-rte/d1",) for name in ("constant", "shrinking")}
    verdicts = [
        verdict("m-constant-rte", recipes=recipes["constant"], observed=66.0, **values),
        verdict("m-shrinking-rte", row="M PT", recipes=recipes["shrinking"], observed=68.0, **values),
    ]
    ledger = [entry("m-constant-rte", 100_000_000), entry("m-shrinking-rte", 75_000_000)]
    return verdicts, ledger


def test_scores_stand_over_the_updated_parameters_of_their_runs():
    (line,) = plots.score_lines(*pair())

    assert (line.body, line.constant, line.shrinking) == ("m", (100.0, 66.0), (75.0, 68.0))
    assert line.printed == (66.5, 66.5)


def test_a_schedule_without_its_counterpart_has_no_line():
    verdicts, ledger = pair()

    assert plots.score_lines(verdicts[:1], ledger) == []


COLA = {"column": "CoLA", "observed": 10.0, "recipes": ("m-constant-rte/d1",)}


def test_only_columns_that_both_schedules_have_are_averaged():
    verdicts, ledger = pair()
    (line,) = plots.score_lines([*verdicts, verdict("m-constant-cola", **COLA)], ledger)

    assert (line.columns, line.constant[1]) == (("RTE",), 66.0)


def test_what_is_left_of_a_cell_with_an_error_is_in_no_mean():
    verdicts, ledger = pair()
    both = [verdict("m-constant-cola", **COLA), verdict("m-shrinking-cola", "error", **COLA)]
    (line,) = plots.score_lines([*verdicts, *both], ledger)

    assert line.columns == ("RTE",)


@pytest.fixture
def uneven():
    """Two models under both schedules, `m` on two tasks and `other` on one of them only."""
    verdicts, ledger = pair()
    verdicts += [verdict(f"m-{name}-cola", **COLA) for name in ("constant", "shrinking")]
    verdicts += [replace(one, cell=one.cell.replace("m-", "other-", 1)) for one in verdicts[:2]]
    return Report("paper", verdicts, {}, ledger=ledger)


def test_a_mean_over_fewer_columns_than_the_others_is_not_drawn_beside_them(uneven):
    svg = figures.draw("scores.svg", uneven)

    assert "m" in texts(svg)
    assert not any("other" in text for text in texts(svg))


def test_a_line_that_is_not_drawn_is_named_below_the_figure(uneven):
    assert figures.available(uneven)["scores.svg"].endswith(
        "; not drawn, being means over fewer columns: other of Table 1 (1 of 2)"
    )


def test_the_figure_of_scores_says_which_mark_is_which():
    verdicts, ledger = pair()
    shown = texts(draw("scores.svg", verdicts, ledger=ledger))

    assert {"fine-tuning", "Progtuning", "expected", "m"} <= set(shown)


def test_cost_is_drawn_beside_parameters_for_each_schedule():
    runs = [run(flops=80, step_seconds=0.4)]
    ledger = [entry("m-constant-rte", 100), entry("m-shrinking-rte", 74, runs)]
    shown = texts(draw("costs.svg", [], ledger=ledger))

    assert {"m shrinking", "updated parameters", "FLOPs", "step time", "peak memory"} <= set(shown)


def test_a_hostile_name_is_text_in_a_figure_and_dollars_are_no_formula():
    report = everything(HOSTILE, HOSTILE)
    drawn = [figures.draw(name, report) for name in figures.available(report)]

    assert len(drawn) >= 2
    assert all("<script" not in svg and ElementTree.fromstring(svg) is not None for svg in drawn)
    assert "$x$  RTE" in texts(draw("forest.svg", [verdict(row="$x$")]))


def test_inlined_a_figure_has_no_address_and_ids_of_its_own():
    text = canvas.inline(draw("figure4.svg", BARS), "figure4", "Figure 4, for those who <hear> it")
    root = ElementTree.fromstring(text)
    ids = {one.get("id") for one in root.iter() if one.get("id")}
    referred = {one.get("href")[1:] for one in root.iter() if one.get("href")}

    assert "http" not in text
    assert (root.get("role"), root.get("aria-label")) == ("img", "Figure 4, for those who <hear> it")
    assert all(one.startswith("figure4-") for one in ids)
    assert referred
    assert referred <= ids


def test_of_more_cells_than_a_picture_can_hold_those_furthest_out_are_drawn_and_the_caption_says_so():
    rows = [verdict(f"m-{i}", column=f"C{i}", difference=i / 100, tolerance=1.0) for i in range(plots.MOST + 10)]
    chosen = plots.furthest(rows)

    assert [one.column for one in chosen] == [f"C{i}" for i in range(10, plots.MOST + 10)]
    assert figures.available(Report("paper", rows, {}))["forest.svg"].endswith("; of 210 the 200 that lie furthest out")
