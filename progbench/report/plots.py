"""The report's own figures: every scored cell, score against parameters, and cost beside parameters."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from progbench.judging.verdict import AGREES, Verdict
from progbench.recipes.recipe import split_id
from progbench.report import canvas, cells
from progbench.report.canvas import BLUE, COLORS, GREEN, GREY, INK, ORANGE, PURPLE, new_figure
from progbench.report.cells import short
from progbench.runs.ledger import Cost, Entry

EDGE = 3.0  # margins; a cell further out stands at the edge, with an arrow and its number beside it
MOST = 200  # lines of the forest
_LOOKS = {
    "reproduced": (BLUE, "o"),
    "consistent": (BLUE, "o"),
    "deviates": (ORANGE, "D"),
    "inconclusive": (GREY, "s"),
    "disputed": (PURPLE, "X"),
}


def compared(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """What `forest` can draw: the scored cells that were judged."""
    return [one for one in verdicts if one.kind != "counted" and one.judged and one.difference is not None]


def furthest(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """What `forest` draws of them: all, or those that lie furthest out in margins where a picture would be too long.

    They keep their order.
    """

    def distance(one: Verdict) -> float:
        return abs(one.difference or 0.0) / one.tolerance if one.tolerance else math.inf if one.difference else 0.0

    if len(verdicts) <= MOST:
        return list(verdicts)
    chosen = {id(one) for one in sorted(verdicts, key=distance, reverse=True)[:MOST]}
    return [one for one in verdicts if id(one) in chosen]


def forest(verdicts: Sequence[Verdict]):
    """Each cell's difference and its interval in margins, a line a cell, the margin as a band, by outcome."""
    tables = list(dict.fromkeys(one.table for one in verdicts))
    lines: list[Verdict | str] = []
    for table in tables:
        lines += [table, *(one for one in verdicts if one.table == table)]
    figure = new_figure(10, 1.2 + 0.165 * len(lines), left=2.8)
    axes = figure.add_subplot()
    axes.axvspan(-1, 1, color=BLUE, alpha=0.08, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=0.8)
    labels = []
    for y, line in enumerate(lines):
        if isinstance(line, str):
            labels.append(short(line, 40))
            continue
        labels.append(f"{short(line.row, 28)}  {short(line.column, 16)}")
        _whisker(axes, y, line)
    canvas.lines(axes, labels, fontsize=7)
    for label, line in zip(axes.get_yticklabels(), lines, strict=True):
        label.set_fontweight("bold" if isinstance(line, str) else "normal")
    axes.tick_params(axis="x", top=True, labeltop=True)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(lines) - 0.5, -0.8)
    axes.set_xlim(-EDGE - 0.1, EDGE + 0.1)
    axes.set_xlabel("ours less expected, in margins (the band is the cell's own margin); at the right, in its unit")
    for outcome, (color, marker) in _LOOKS.items():
        if any(one.outcome == outcome for one in verdicts):
            axes.plot([], [], marker, color=color, label=outcome, markersize=5)
    canvas.legend(axes, 4, borderaxespad=2)  # above the scale's numbers
    return figure


def _whisker(axes, y: float, verdict: Verdict) -> None:
    color, marker = _LOOKS.get(verdict.outcome, (INK, "o"))
    margin = verdict.tolerance or 0.0

    def place(value: float) -> float:
        scaled = value / margin if margin else EDGE * ((value > 0) - (value < 0))
        return max(-EDGE, min(EDGE, scaled))

    if verdict.low is not None and verdict.high is not None:
        axes.plot([place(verdict.low), place(verdict.high)], [y, y], color=color, linewidth=1.2, alpha=0.7)
        for end in map(place, (verdict.low, verdict.high)):
            if abs(end) == EDGE:
                axes.plot([end], [y], ">" if end > 0 else "<", color=color, markersize=3)
    x = place(verdict.difference)
    beyond = abs(x) == EDGE
    axes.plot([x], [y], (">" if x > 0 else "<") if beyond else marker, color=color, markersize=4)
    axes.annotate(
        cells.difference(verdict), (1, y), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        va="center", fontsize=7, color=color if verdict.outcome not in AGREES else INK, annotation_clip=False,
    )  # fmt: skip


@dataclass(frozen=True)
class ScoreLine:
    """One model and tuning in a table: (updated parameters in millions, mean score) under both schedules.

    Means over the `columns` that both have, of those `among` which the table has any score; `printed` are the scores
    expected there, None if one is not.
    """

    body: str
    table: str
    among: tuple[str, ...]
    columns: tuple[str, ...]
    constant: tuple[float, float]
    shrinking: tuple[float, float]
    printed: tuple[float, float] | None


def score_lines(verdicts: Sequence[Verdict], entries: Sequence[Entry]) -> list[ScoreLine]:
    """What `scores` draws: for every model and tuning that was run under both schedules on the same columns."""
    planned = {entry.name: entry.planned for entry in entries}
    rows: dict[tuple[str, str, str], dict[str, Verdict]] = {}
    among: dict[str, dict[str, None]] = {}
    for one in verdicts:
        if one.kind == "scored" and one.observed is not None and len(one.recipes) == 1 and one.recipes[0] in planned:
            among.setdefault(one.table, {})[one.column] = None
            if one.outcome != "error":
                body, schedule, column = split_id(one.cell)
                rows.setdefault((one.table, body, schedule), {})[column] = one
    found = []
    for (table, body, schedule), whole in rows.items():
        shrunk = rows.get((table, body, "shrinking"), {})
        shared = [column for column in whole if column in shrunk]
        if schedule == "constant" and shared:
            sides = [[row[column] for column in shared] for row in (whole, shrunk)]
            updated = [statistics.fmean(planned[one.recipes[0]] / 1e6 for one in side) for side in sides]
            means = [statistics.fmean(one.observed for one in side) for side in sides]
            printed = None
            if all(one.expected is not None for side in sides for one in side):
                printed = tuple(statistics.fmean(one.expected for one in side) for side in sides)
            columns = tuple(whole[column].column for column in shared)
            found.append(
                ScoreLine(body, table, tuple(among[table]), columns, *zip(updated, means, strict=True), printed)
            )
    return found


def comparable(lines: Sequence[ScoreLine]) -> tuple[list[ScoreLine], list[ScoreLine]]:
    """The lines that `scores` draws on one axis, and the others: their means are over fewer columns."""
    fullest: dict[tuple[str, ...], tuple[str, ...]] = {}
    for line in sorted(lines, key=lambda line: -len(line.columns)):
        fullest.setdefault(line.among, line.columns)
    sides: tuple[list[ScoreLine], list[ScoreLine]] = ([], [])
    for line in lines:
        sides[set(line.columns) != set(fullest[line.among])].append(line)
    return sides


def scores(lines: Sequence[ScoreLine]):
    """Mean score over updated parameters; a panel for each set of columns, since means over others do not compare."""
    panels = list(dict.fromkeys(line.among for line in lines))
    chosen = [[line for line in lines if line.among == among] for among in panels]
    heights = [3 + 0.2 * len(one) for one in chosen]
    figure = new_figure(10, sum(heights))
    every = figure.subplots(len(panels), squeeze=False, height_ratios=heights)[:, 0]
    for axes, own in zip(every, chosen, strict=True):
        for line, color in zip(own, COLORS * (1 + len(own) // len(COLORS)), strict=False):
            _score_line(axes, line, color)
        axes.margins(x=0.08, y=0.15)
        least, most = axes.get_ylim()
        slack = max(0.0, 4 - (most - least)) / 2  # a tenth of a point must not look like a cliff
        axes.set_ylim(least - slack, most + slack)
        _whole_numbers(axes)
        axes.set_ylabel(f"mean of {len(own[0].columns)} columns (points)")
        axes.set_title(", ".join(dict.fromkeys(line.table for line in own)), loc="left")
        for marker, label in (("o", "fine-tuning"), ("D", "Progtuning")):
            axes.plot([], [], marker, color=INK, markersize=6, label=label)
        if any(line.printed for line in own):
            axes.plot([], [], "o:", color=INK, markersize=6, fillstyle="none", label="expected")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    every[-1].set_xlabel("updated parameters of a run (M, mean over the columns)")
    return figure


def _score_line(axes, line: ScoreLine, color: str) -> None:
    (x0, y0), (x1, y1) = line.constant, line.shrinking
    axes.plot([x0, x1], [y0, y1], color=color, linewidth=1.6, label=short(line.body, 28))
    axes.plot([x0], [y0], "o", color=color, markersize=7)
    axes.plot([x1], [y1], "D", color=color, markersize=6)
    if line.printed:
        axes.plot([x0, x1], line.printed, color=color, linewidth=0.8, linestyle=":")
        axes.plot([x0], [line.printed[0]], "o", color=color, markersize=7, fillstyle="none")
        axes.plot([x1], [line.printed[1]], "D", color=color, markersize=6, fillstyle="none")


def _whole_numbers(axes) -> None:
    """A logarithmic axis where the values span decades, labelled 1, 3, 10, 30 as a reader says them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    least, most = axes.get_xlim()
    if least <= 0 or most / least > 8:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


_SHARES = (
    ("updated", "updated parameters", ORANGE, "D"),
    ("flops", "FLOPs", BLUE, "o"),
    ("step_seconds", "step time", GREEN, "^"),
    ("memory", "peak memory", GREY, "s"),
)


def shares(rows: Sequence[Cost]):
    """Updated parameters, FLOPs, step time and peak memory of each schedule, in percent of `constant`."""
    figure = new_figure(10, 1.4 + 0.3 * len(rows))
    axes = figure.add_subplot()
    axes.axvline(100, color=GREY, linewidth=0.8)
    for y, row in enumerate(rows):
        known = [100 * value for quantity, *_ in _SHARES if (value := getattr(row, quantity)) is not None]
        axes.plot([min(known), max(known)], [y, y], color=GREY, linewidth=0.8, alpha=0.5)
    for quantity, label, color, marker in _SHARES:
        points = [(100 * value, y) for y, row in enumerate(rows) if (value := getattr(row, quantity)) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker, color=color, label=label, markersize=6)
    canvas.lines(axes, [f"{short(row.body, 30)} {short(row.schedule, 24)}" for row in rows], fontsize=8)
    axes.set_xlabel("percent of what constant takes, all blocks in every epoch (mean over tasks)")
    canvas.legend(axes, 4)
    return figure
