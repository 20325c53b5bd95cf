"""A report's figures: the answer's, the paper's two, and what its tables do not show at a glance. Drawn from values."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from progbench.judging.compared import Contrast
from progbench.judging.verdict import Verdict
from progbench.recipes.recipe import split_id
from progbench.report import canvas, cells, plots
from progbench.report.answer import FINE_TUNING, heads
from progbench.report.canvas import BLUE, GREY, INK, ORANGE
from progbench.report.cells import plain, short
from progbench.report.report import Report
from progbench.runs.ledger import Cost

WIDEST = 3.5  # points: in the answer's figure a task further out stands at the edge


def available(report: Report) -> dict[str, str]:
    """The figures this report has values for: file name and what it shows."""
    return {name: _CAPTIONS[name] + _left_out(name, report) for name, (wanted, _) in _sources(report).items() if wanted}


def draw(name: str, report: Report) -> str:
    """The figure filed as `name`, one of `available`, as SVG text."""
    values, make = _sources(report)[name]
    return canvas.svg(make, values, paper=name == ANSWER)


def narrow_answer(report: Report) -> str:
    """The answer's figure as a phone shows it, as SVG text."""
    values, _ = _sources(report)[ANSWER]
    return canvas.svg(lambda: draw_answer(values, narrow=True), paper=True)


def whole_answer(printed: Report, recorded: Sequence[Report]) -> str:
    """The answer's figure with our recorded runs of other models below what is printed, as SVG text."""
    lines = [line for one in (printed, *recorded) for line in answer_lines(one.contrasts, one.mean_costs)]
    return canvas.svg(draw_answer, lines, paper=True)


ANSWER = "answer.svg"
_CAPTIONS = {
    ANSWER: "Progtuning less fine-tuning, in print with the margins of the cells as bands, on runs of ours with their "
    "intervals; and what it saves",
    "figure1.svg": "Figure 1: score with one block trained at a time, over the block",
    "figure4.svg": "Figure 4: updated parameters by model and schedule",
    "forest.svg": "Every scored cell that was judged: its difference with the interval at 90 %, in margins",
    "scores.svg": "Score against updated parameters, fine-tuning and Progtuning joined by a line",
    "costs.svg": "What a schedule takes, as a share of what training every block takes",
}


def _left_out(name: str, report: Report) -> str:
    """What a figure does not draw though a reader may look for it there, as the end of its caption."""
    if name == "forest.svg":
        scored = [one for _, verdicts in report.by_table() for one in verdicts if one.kind != "counted"]
        drawn = {id(one) for one in plots.compared(scored)}
        names = [one.cell for one in sorted(scored, key=lambda one: one.outcome != "error") if id(one) not in drawn]
        of, why = f"{len(names)} of {len(scored)}", "missing or an error"
        if len(drawn) > plots.MOST:
            return f"; of {len(drawn)} the {plots.MOST} that lie furthest out"
    elif name == "scores.svg":
        _, others = plots.comparable(plots.score_lines(report.verdicts, report.ledger))
        names = [f"{one.body} of {one.table} ({len(one.columns)} of {len(one.among)})" for one in others]
        of, why = "", "means over fewer columns"
    else:
        return ""
    return f"; {f'{of} are ' if of else ''}not drawn, being {why}: {cells.some(names, 6)}" if names else ""


def _sources(report: Report) -> Mapping[str, tuple[Sequence, Callable]]:
    shown = [one for one in report.verdicts if one.observed is not None]
    return {
        ANSWER: (answer_lines(report.contrasts, report.mean_costs), draw_answer),
        "figure1.svg": ([one for one in shown if one.table == "Figure 1" and _block(one)], blocks),
        "figure4.svg": ([one for one in shown if one.table == "Figure 4"], totals),
        "forest.svg": (plots.furthest(plots.compared(shown)), plots.forest),
        "scores.svg": (plots.comparable(plots.score_lines(shown, report.ledger))[0], plots.scores),
        "costs.svg": (report.mean_costs, plots.shares),
    }


def _block(verdict: Verdict) -> int:
    """The number of the one block that trains, from 1; 0 where the schedule is another."""
    found = re.fullmatch(r"single_block_b(\d+)", split_id(verdict.cell)[1])
    return int(found[1]) if found else 0


def blocks(rows: Sequence[Verdict]):
    """Figure 1's curve: score over the block that was trained, with the spread of the seeds where there are several."""
    points = sorted((_block(row), row.observed, row.sd or 0.0) for row in rows)
    numbers, scores, spreads = zip(*points, strict=True)
    figure = canvas.new_figure(6, 3.4)
    axes = figure.add_subplot()
    axes.errorbar(numbers, scores, yerr=spreads if any(spreads) else None, color=BLUE, marker="o", capsize=3)
    axes.set_xticks(numbers)
    axes.set_xlabel("the one block trained (1 is the lowest)")
    axes.set_ylabel(f"{plain(rows[0].column)} (points)")
    seeds = f"mean ± sd of {rows[0].n} seeds" if rows[0].n > 1 else "one seed"
    whose = short(split_id(rows[0].cell)[0], 40)
    axes.set_title(f"Figure 1: {whose}, embeddings, one block and head; {seeds}", loc="left")
    return figure


def totals(rows: Sequence[Verdict]):
    """Figure 4's bars: fine-tuning beside Progtuning, a pair a model, each with its total."""
    scale = 1 if rows[0].unit.startswith("M ") else 1_000_000
    models = list(dict.fromkeys(split_id(row.cell)[0] for row in rows))
    figure = canvas.new_figure(6, 3.4)
    axes = figure.add_subplot()
    for offset, schedule, color, label in (
        (-0.2, "constant", GREY, "fine-tuning"),
        (0.2, "shrinking", ORANGE, "Progtuning"),
    ):
        ours = [(*split_id(row.cell), row.observed / scale) for row in rows]
        chosen = {model: total for model, found, _, total in ours if found == schedule}
        places = [models.index(model) + offset for model in chosen]
        bars = axes.bar(places, list(chosen.values()), 0.4, color=color, label=label)
        axes.bar_label(bars, fmt="{:,.1f}", fontsize=8)
    axes.set_xticks(range(len(models)), [short(model, 24) for model in models])
    axes.set_ylabel("updated parameters (M)")
    axes.set_title("Figure 4: updated parameters on GLUE", loc="left")
    axes.legend()
    return figure


class Line(NamedTuple):
    """One line of the picture: an average with its tasks, or a column without an average; and measured costs."""

    head: Contrast
    tasks: tuple[Contrast, ...]
    cost: Cost | None


def answer_lines(contrasts: Sequence[Contrast], costs: Iterable[Cost] = ()) -> list[Line]:
    """What `draw_answer` draws: Progtuning less fine-tuning, the ablations left out."""
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


def draw_answer(found: Sequence[Line], *, narrow: bool = False):
    """At the left points with their margins as bands, at the right what is updated, and what it costs, less.

    `narrow` sets one below the other, so that a phone shows all of it with letters that can be read.
    """
    if narrow:
        figure = canvas.new_figure(4.6, 2 * (1.3 + 0.36 * len(found)))
        scores, saves = figure.subplots(2, 1)
    else:
        figure = canvas.new_figure(9, 1.5 + 0.36 * len(found))
        scores, saves = figure.subplots(1, 2, width_ratios=[3, 2], sharey=True)
    ends = (end for line in found for end in (line.head.mean, line.head.low, line.head.high) if end is not None)
    reach = max(WIDEST, *map(abs, ends), 0.0)
    for y, line in enumerate(found):
        _scores(scores, y, line, reach)
        _saves(saves, y, line)
    scores.axvline(0, color=GREY, linewidth=0.8)
    scores.set_xlim(-reach - 0.2, reach + 0.2)
    between = "\n" if narrow else "  "
    for axes in (scores, saves) if narrow else (scores,):
        canvas.lines(axes, [f"{short(one.head.body, 24)}{between}{_column(one.head)}" for one in found])
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


def _column(head: Contrast) -> str:
    return f"{short(head.column, 14)}{f' of {len(head.over)}' if head.over else ''}"


def _scores(axes, y: int, line: Line, reach: float) -> None:
    """One line's points, drawn up to `reach` points from 0."""
    head = line.head
    if head.printed is not None:
        axes.barh(y, 2 * head.margin, 0.62, left=-head.margin, color=GREY, alpha=0.25, linewidth=0)
        edge = [max(-reach, min(reach, one.printed)) for one in line.tasks if one.printed is not None and head.whole]
        axes.plot(edge, [y] * len(edge), "|", color=ORANGE, markersize=7, alpha=0.8)
        axes.plot([head.printed], [y], "o", color=ORANGE, fillstyle="none", markersize=8, markeredgewidth=1.8)
    if head.mean is not None:
        if head.low is not None and head.high is not None:
            axes.plot([head.low, head.high], [y, y], color=BLUE, linewidth=1.4)
        axes.plot([head.mean], [y], "D", color=BLUE, markersize=5)


def _saves(axes, y: int, line: Line) -> None:
    for share, shift, color in ((line.head.updated, -0.17, ORANGE), (line.head.flops, 0.17, BLUE)):
        if share is not None:
            axes.barh(y + shift, 100 * share, 0.3, color=color, linewidth=0)
            axes.text(max(100 * share, 100) + 2, y + shift, f"{100 * share:.1f}", va="center", fontsize=7, color=INK)
    if line.cost and line.cost.step_seconds:
        axes.plot([100 * line.cost.step_seconds], [y], "^", color=INK, markersize=5)
