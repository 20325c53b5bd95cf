"""The answer as one picture: how much Progtuning's scores differ from fine-tuning's, and beside it what it saves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from progbench.judging.contrast import Contrast
from progbench.report import canvas
from progbench.report.answer import FINE_TUNING, heads
from progbench.report.canvas import BLUE, GREY, INK, ORANGE, new_figure
from progbench.report.cells import short
from progbench.runs.ledger import Cost

WIDEST = 3.5  # points: a task further out stands at the edge


class Line(NamedTuple):
    """One line of the picture: an average with its tasks, or a column without an average; and measured costs."""

    head: Contrast
    tasks: tuple[Contrast, ...]
    cost: Cost | None


def lines(contrasts: Sequence[Contrast], costs: Iterable[Cost] = ()) -> list[Line]:
    """What `draw` draws: Progtuning less fine-tuning, the ablations left out."""
    own = [one for one in contrasts if one.against == FINE_TUNING and (one.printed is not None or one.mean is not None)]
    taken = {one.body: one for one in costs if one.schedule == "shrinking"}
    return [
        Line(
            head,
            tuple(one for one in own if (one.table, one.body) == (head.table, head.body) and not one.whole),
            taken.get(head.body),
        )
        for head in heads(own)
    ]


def draw(found: Sequence[Line], *, narrow: bool = False):
    """At the left points with their margins as bands, at the right what is updated, and what it costs, less.

    `narrow` sets one below the other, so that a phone shows all of it with letters that can be read.
    """
    if narrow:
        figure = new_figure(4.6, 2 * (1.3 + 0.36 * len(found)))
        scores, saves = figure.subplots(2, 1)
    else:
        figure = new_figure(9, 1.5 + 0.36 * len(found))
        scores, saves = figure.subplots(1, 2, width_ratios=[3, 2], sharey=True)
    for y, line in enumerate(found):
        _scores(scores, y, line)
        _saves(saves, y, line)
    scores.axvline(0, color=GREY, linewidth=0.8)
    scores.set_xlim(-WIDEST - 0.2, WIDEST + 0.2)
    between = "\n" if narrow else "  "
    for axes in (scores, saves) if narrow else (scores,):
        canvas.lines(axes, [f"{short(one.head.body, 24)}{between}{short(one.head.column, 14)}" for one in found])
    scores.set_xlabel("Progtuning less fine-tuning, points")
    if any(line.head.printed is not None for line in found):
        scores.plot([], [], "o", color=ORANGE, fillstyle="none", markersize=7, label="printed")
    if any(task.printed is not None for line in found for task in line.tasks):
        scores.plot([], [], "|", color=ORANGE, markersize=7, label="printed, a task")
    if any(line.head.mean is not None for line in found):
        scores.plot([], [], "D-", color=BLUE, markersize=5, label="ours, with its interval")
    if any(line.head.printed is not None for line in found):
        scores.plot([], [], "s", color=GREY, alpha=0.25, markersize=9, label="margin")
    saves.set_xlabel("percent of fine-tuning's")
    saves.set_xlim(0, 118)
    saves.axvline(100, color=GREY, linewidth=0.8)
    saves.plot([], [], "s", color=ORANGE, label="updated parameters")
    saves.plot([], [], "s", color=BLUE, label="FLOPs in the blocks' weights")
    if any(line.cost and line.cost.step_seconds for line in found):
        saves.plot([], [], "^", color=INK, label="step time, measured")
    for axes, columns in ((scores, 2), (saves, 1)):
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        canvas.legend(axes, columns, fontsize=8)
    return figure


def _scores(axes, y: int, line: Line) -> None:
    head = line.head
    if head.printed is not None:
        axes.barh(y, 2 * head.margin, 0.62, left=-head.margin, color=GREY, alpha=0.25, linewidth=0)
        edge = [max(-WIDEST, min(WIDEST, one.printed)) for one in line.tasks if one.printed is not None and head.whole]
        axes.plot(edge, [y] * len(edge), "|", color=ORANGE, markersize=7, alpha=0.8)
        axes.plot([head.printed], [y], "o", color=ORANGE, fillstyle="none", markersize=8, markeredgewidth=1.8)
    if head.mean is not None:
        if head.low is not None and head.high is not None:
            ends = [max(-WIDEST, min(WIDEST, end)) for end in (head.low, head.high)]
            axes.plot(ends, [y, y], color=BLUE, linewidth=1.4)
        axes.plot([max(-WIDEST, min(WIDEST, head.mean))], [y], "D", color=BLUE, markersize=5)


def _saves(axes, y: int, line: Line) -> None:
    for share, shift, color in ((line.head.updated, -0.17, ORANGE), (line.head.flops, 0.17, BLUE)):
        if share is not None:
            axes.barh(y + shift, 100 * share, 0.3, color=color, linewidth=0)
            axes.text(max(100 * share, 100) + 2, y + shift, f"{100 * share:.1f}", va="center", fontsize=7, color=INK)
    if line.cost and line.cost.step_seconds:
        axes.plot([100 * line.cost.step_seconds], [y], "^", color=INK, markersize=5)
