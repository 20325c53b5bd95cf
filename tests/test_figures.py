import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from progbench.report import Report, figures
from progbench.verdict import Verdict

BAR = Verdict(
    "m-constant-updated", "Figure 4", "M FT", "Updated", "counted", "M parameters",
    None, None, 328.5, None, 1, None, None, "missing", None, "",
)  # fmt: skip
POINT = replace(BAR, table="Figure 1", kind="scored", unit="points")
BARS = [BAR, replace(BAR, cell="m-shrinking-updated", observed=243.4)]
CURVE = [
    replace(POINT, cell=f"m-single_block_b{i}-sst2", row=f"B{i}", observed=80.0 + i, n=3, sd=0.5) for i in range(1, 13)
]


def texts(svg):
    return [text.strip() for element in ElementTree.fromstring(svg).iter() if (text := element.text) and text.strip()]


def test_figure_4_has_a_bar_with_its_total_for_each_schedule():
    assert {"328.5", "243.4", "m", "fine-tuning", "Progtuning"} <= set(texts(figures.draw("figure4.svg", BARS)))


def test_figure_4_of_an_own_suite_is_in_millions_too():
    counts = [replace(bar, unit="parameters", observed=bar.observed * 1e6) for bar in BARS]

    assert {"328.5", "243.4"} <= set(texts(figures.draw("figure4.svg", counts)))


def test_figure_1_has_the_twelve_blocks_in_their_order():
    shown = texts(figures.draw("figure1.svg", CURVE[::-1]))
    ticks = [text for text in shown if text in map(str, range(1, 13))]

    assert ticks[:12] == [str(i) for i in range(1, 13)]


def test_the_same_verdicts_give_the_same_file():
    assert figures.draw("figure1.svg", CURVE) == figures.draw("figure1.svg", CURVE)


def test_a_report_draws_the_figures_it_has_values_for(tmp_path):
    without = [replace(point, observed=None) for point in CURVE]
    written = Report("paper", [*BARS, *without], {}).write(tmp_path)

    assert [path.name for path in written] == ["report.md", "report.json", "figure4.svg"]
    assert "![Figure 4: updated parameters by model and schedule](figure4.svg)" in written[0].read_text()


@pytest.mark.parametrize("name", ["figure1.svg", "figure4.svg"])
def test_a_figure_is_self_contained(name):
    svg = figures.draw(name, CURVE if name == "figure1.svg" else BARS)

    assert "<image" not in svg
    assert "<script" not in svg


def test_figure_1_says_whose_blocks_they_are_and_how_many_seeds_stand_behind_a_point():
    shown = texts(figures.draw("figure1.svg", CURVE))

    assert "Figure 1: m, embeddings, one block and head; mean ± sd of 3 seeds" in shown
    assert "RTE (points)" not in shown
    assert "Updated (points)" in shown  # the column's own label
