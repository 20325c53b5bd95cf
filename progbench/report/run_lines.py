"""The runs of a recipe as rows of the page: short, since there may be ten thousand of them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from markupsafe import Markup, escape

from progbench.report import provenance
from progbench.report.cells import number, plain
from progbench.runs.ledger import Entry, Run

_REPEATED = (2, 3, 7, 8)  # updated parameters, operations, commit and machine: mostly the same for every seed
MANY = 2000  # runs: in a longer list a recipe has one link, to its folder, instead of one for each seed


def folder(entry: Entry, results: str) -> str:
    """The address of a recipe's results, for the long list; "" where it is not known."""
    return f"{results}/{quote(entry.runs[0].file.rpartition('/')[0])}/" if results and entry.runs else ""


def score_names(entry: Entry) -> str:
    """What the scores in a recipe's rows are of, in their order."""
    return ", ".join(dict.fromkeys(name for run in entry.runs for name in run.scores))


def rows(entry: Entry, results: str | None) -> Iterator[Markup]:
    """A row for each seed, of nine cells; one that would say again what stands above it is empty, but for what scored.

    `results` is the address of the folder of results, "" where it is not known, None where seeds have no links.
    """
    names = score_names(entry).split(", ")
    above = dict.fromkeys(_REPEATED, "")
    for run in entry.runs:
        cells = [_seed(run, results), *_numbers(run, names), provenance.commit(run.commit), run.machine]
        shown = ["" if above.get(i) == one else one for i, one in enumerate(cells)]
        above = {i: cells[i] for i in _REPEATED}
        yield Markup("<tr>" + "".join(f"<td>{_text(one)}" for one in shown) + "\n")


def _seed(run: Run, results: str | None) -> str:
    if results is None:
        return str(run.seed)
    if not results:
        return f"{run.seed} ({run.file})"
    return Markup('<a href="{}/{}">{}</a>').format(results, quote(run.file), run.seed)


def _numbers(run: Run, names: list[str]) -> list[str]:
    """Scores, updated parameters, operations, and what the run took."""
    scores = run.error or ", ".join(f"{run.scores[name]:.2f}" if name in run.scores else "–" for name in names)
    step = "" if run.step_seconds is None else f"{1000 * run.step_seconds:,.1f}"
    if step and not run.alone:
        step += " (not known to be alone)" if run.others is None else f" (beside {run.others} others)"
    memory = f"{run.memory / 1048576:,.0f}" if run.memory else ""
    return [scores, number(run.updated, ","), number(run.flops, ".3g"), f"{run.seconds:,.0f}", step, memory]


def _text(value: str) -> str:
    return value if isinstance(value, Markup) else escape(plain(value))
