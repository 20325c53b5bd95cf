"""A report's figures: the paper's two, and what its tables do not show at a glance. Each is drawn from plain values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from progbench.judging.verdict import Verdict
from progbench.recipes.recipe import split_id
from progbench.report import answer_plot, canvas, cells, plots
from progbench.report.canvas import BLUE, GREY, ORANGE
from progbench.report.cells import plain, short
from progbench.report.report import Report


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
    return canvas.svg(lambda: answer_plot.draw(values, narrow=True), paper=True)


ANSWER = "answer.svg"
_CAPTIONS = {
    ANSWER: "Progtuning less fine-tuning, with the margins of the cells as bands; and what it saves",
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
        ANSWER: (answer_plot.lines(report.contrasts, report.mean_costs), answer_plot.draw),
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
