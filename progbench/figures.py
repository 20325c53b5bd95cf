"""The paper's figures, drawn from a report's verdicts as SVG text. Loads matplotlib only to draw."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from progbench.verdict import Verdict

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"  # told apart by colour-blind readers, too


def draw(name: str, verdicts: Sequence[Verdict]) -> str:
    """The figure filed as `name` ("figure1.svg", "figure4.svg"), drawn from the cells that have a value."""
    import matplotlib

    # text stays text, and the same verdicts give the same file
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "progbench"}
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    {"figure1.svg": _blocks, "figure4.svg": _totals}[name](axes, verdicts)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _blocks(axes, verdicts: Sequence[Verdict]) -> None:
    """Figure 1's curve: score over the block that was trained, with the spread of the seeds where there are several."""
    rows = [verdict for verdict in verdicts if verdict.table == "Figure 1" and verdict.observed is not None]
    points = [(int(re.sub(r"\D", "", row.row)), row.observed, row.sd or 0.0) for row in rows]
    blocks, scores, spreads = zip(*sorted(points), strict=True)
    axes.errorbar(blocks, scores, yerr=spreads if any(spreads) else None, color=BLUE, marker="o", capsize=3)
    axes.set_xticks(blocks)
    axes.set_xlabel("the one block trained (1 is the lowest)")
    axes.set_ylabel(f"{rows[0].column} (points)")
    seeds = f"mean ± sd of {rows[0].n} seeds" if rows[0].n > 1 else "one seed"
    axes.set_title(
        f"Figure 1: {rows[0].cell.partition('-single_block')[0]}, embeddings, one block and head; {seeds}", loc="left"
    )


def _totals(axes, verdicts: Sequence[Verdict]) -> None:
    """Figure 4's bars: fine-tuning beside Progtuning, a pair a model, each with its total."""
    rows = [verdict for verdict in verdicts if verdict.table == "Figure 4" and verdict.observed is not None]
    scale = 1 if rows[0].unit.startswith("M ") else 1_000_000
    models = list(dict.fromkeys(verdict.cell.split("-constant")[0].split("-shrinking")[0] for verdict in rows))
    for offset, schedule, color, label in (
        (-0.2, "constant", GREY, "fine-tuning"),
        (0.2, "shrinking", ORANGE, "Progtuning"),
    ):
        chosen = {row.cell.split(f"-{schedule}")[0]: row.observed / scale for row in rows if f"-{schedule}" in row.cell}
        places = [models.index(model) + offset for model in chosen]
        bars = axes.bar(places, list(chosen.values()), 0.4, color=color, label=label)
        axes.bar_label(bars, fmt="{:,.1f}", fontsize=8)
    axes.set_xticks(range(len(models)), models)
    axes.set_ylabel("updated parameters (M)")
    axes.set_title("Figure 4: updated parameters on GLUE", loc="left")
    axes.legend(frameon=False)
