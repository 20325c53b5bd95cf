"""The figures of RESULTS.md: differences with their intervals, and the ablation's scores seed by seed."""

from __future__ import annotations

from collections.abc import Sequence

from progbench.judging.compared import Compared
from progbench.report import canvas
from progbench.report.canvas import BLUE, GREEN, GREY, INK, ORANGE, PURPLE
from progbench.report.cells import short


def differences(found: Sequence[Compared]) -> str:
    """Each difference with both intervals, a line each, and its margin as a tick; as SVG text."""

    def draw():
        figure = canvas.new_figure(8, 1.1 + 0.32 * len(found))
        axes = figure.add_subplot()
        axes.axvline(0, color=GREY, linewidth=0.8)
        for y, one in enumerate(found):
            if one.other_low is not None and one.other_high is not None:
                axes.plot([one.other_low, one.other_high], [y, y], color=GREY, linewidth=1.0)
            axes.plot([one.low, one.high], [y, y], color=BLUE, linewidth=3.0, alpha=0.7)
            axes.plot([one.difference], [y], "D" if one.over else "o", color=INK, markersize=5)
            axes.plot([-one.margin] * 2, [y - 0.3, y + 0.3], color=ORANGE, linewidth=1.2)
        axes.plot([], [], color=BLUE, linewidth=3.0, alpha=0.7, label="this development set")
        axes.plot([], [], color=GREY, linewidth=1.0, label="examples like these")
        axes.plot([], [], color=ORANGE, linewidth=1.2, label="the margin")
        names = [f"average of {len(one.over)}" if one.over else one.task for one in found]
        labels = [short(f"{one.table}, {one.body}: {name}", 44) for one, name in zip(found, names, strict=True)]
        canvas.lines(axes, labels, fontsize=8)
        axes.set_xlabel("Progtuning less fine-tuning (points)")
        canvas.legend(axes, 3)
        return figure

    return canvas.svg(draw)


_COLORS = (BLUE, ORANGE, GREEN, PURPLE)


def ablation(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Sequence[float]]]], guesses: Sequence) -> str:
    """Scores of each column on a scale of its own, a dot a seed, a colour a schedule; dotted: the constant guess.

    A schedule without a score is left out.
    """

    def draw():
        figure = canvas.new_figure(8, 3.4)
        for axes, x in zip(figure.subplots(1, len(columns), squeeze=False)[0], range(len(columns)), strict=True):
            for i, (name, scores) in enumerate(rows):
                if any(scores):
                    color = _COLORS[i % len(_COLORS)]
                    axes.plot([i] * len(scores[x]), scores[x], "o", color=color, markersize=4, label=name)
            if guesses[x] is not None:
                axes.axhline(guesses[x], linestyle=":", color=GREY, linewidth=1.2)
            axes.plot([], [], ":", color=GREY, linewidth=1.2, label="always the most frequent class")
            axes.set_title(columns[x].replace(" ", "\n", 1).replace("_", "\n"))
            axes.set_xlim(-0.7, len(rows) - 0.3)
            axes.set_xticks([])
        figure.axes[0].set_ylabel("points")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
        return figure

    return canvas.svg(draw)
