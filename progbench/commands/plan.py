"""progbench plan: what is missing, what it will take here, and what is being trained; trains nothing.

Times are from results that this machine made, or from a step of each shape that is timed here, for about a minute in
all.

example: progbench plan --suite mini -m glue --budget 6h
"""

import argparse
import contextlib
import textwrap
from collections import Counter
from collections.abc import Sequence

from progbench.commands import listing, shared
from progbench.report import printing, text
from progbench.report.cells import plain
from progbench.session import planning, probing, progress
from progbench.session.planning import Lack, Plan


def add(parser: argparse.ArgumentParser) -> None:
    shared.add(parser, "-m", "--suite", "--runs")
    parser.add_argument("--device", choices=shared.DEVICES, default="", help="plan for it (default: the suite's own)")
    parser.add_argument("--budget", metavar="TIME", help="choose the runs that settle most in this time: 6h, 90m, 2d")
    parser.add_argument("--untimed", action="store_true", help="know times from results alone, and time no step here")


def run(options: argparse.Namespace) -> int:
    """Print the plan. Raises BadInput for a budget that is no time, and a table that cannot be read."""
    seconds = planning.seconds_of(options.budget) if options.budget else None
    suite = shared.opened(options, train=False)
    found = planning.plan(suite, options.mark)
    if not options.untimed:
        found = probing.filled(found, suite)
    chosen = planning.chosen(found, seconds) if seconds is not None else None
    printing.show(wrapped(lines(found, chosen, options.budget)))
    return shared.FINE


def wrapped(shown: Sequence[str]) -> str:
    """A plan's lines as they are printed: a table as it is, the others as wide as a terminal, but for a long path."""
    options = {"subsequent_indent": "    ", "break_on_hyphens": False, "break_long_words": False}
    return "\n".join(line if "\n" in line else textwrap.fill(line, text.columns(), **options) for line in shown)


def lines(found: Plan, chosen: Sequence[Lack] | None = None, budget: str = "") -> list[str]:
    """A plan in lines: how much, what, and where its times are from; or of that what was chosen for a budget."""
    shown = [_head(found), *(f"error, not tried again: {plain(one)}" for one in found.errors)]
    shown += [f"on file, and inconclusive: {plain(one)}" for one in found.changed]
    if chosen is not None:
        shown += [_table(chosen, settles=True), _choice(found, chosen, budget)]
    else:
        # why times are unknown, each reason once
        why = Counter(one.each.source for one in found.lacks if one.seeds and one.seconds is None)
        unknown = [plain(f"{words} ({count} recipe{'s' * (count > 1)})") for words, count in why.items()]
        here = [f"{one.recipe.id} ({' '.join(map(str, one.training))})" for one in found.lacks if one.training]
        training = f"being trained now, by the locks of their results: {', '.join(here)}" if here else ""
        shown += [_table(found.lacks), *unknown, training]
    if names := planning.telling(found.lacks):
        shown.append(f"one seed of each, alone on this machine, would tell the time of the rest: {', '.join(names)}")
    return [line for line in [*shown, _elsewhere(found)] if line]


def _head(found: Plan) -> str:
    seconds, unknown = planning.total(found.lacks)
    waits, training = len(found.needs), sum(len(one.training) for one in found.lacks)
    if not found.lacks:
        counts = {"failed": len(found.errors), "inconclusive": len(found.changed)}
        if wrong := " and ".join(f"{count} {word}" for word, count in counts.items() if count):
            return f"no run is missing, but of those on file {wrong}; see below"
        if not found.settled:
            return "nothing is missing: no run is behind what was asked for"
        return f"nothing is missing: {found.settled} cells and claims have all their runs"
    words = [f"{found.runs} runs of {sum(1 for one in found.lacks if one.seeds)} recipes are missing"]
    words += [f"{training} more {'is' if training == 1 else 'are'} being trained now"] if training else []
    words += [f"{waits} cells and claims wait for them, {found.settled} have all their runs"]
    known = f"{probing.bound(found.lacks)}{progress.said(seconds)} on one {plain(found.kind)}, one after another"
    if unknown == found.runs:
        known = "what they will take is unknown"
    elif unknown:
        known += f", and {unknown} runs of unknown time"
    return "; ".join([*words, known])


def _table(lacks: Sequence[Lack], *, settles: bool = False) -> str:
    rows = [
        [
            one.recipe.id,
            " ".join(map(str, one.seeds)),
            "?" if one.seconds is None else progress.said(one.seconds),
            *([one.settles or ""] if settles else []),
            "" if one.seconds is None else one.each.source,
        ]
        for one in lacks
        if one.seeds
    ]
    headers = ("recipe", "seeds", "takes", *(["settles"] if settles else []), "time from")
    return text.grid(rows, headers, "left " * len(headers), listing.WIDTH) if rows else ""


def _elsewhere(found: Plan) -> str:
    if not found.elsewhere:
        return ""
    size, folders = 0, sorted({plain(path.parent) for path in found.elsewhere})
    for path in found.elsewhere:
        with contextlib.suppress(OSError):  # its run may go on elsewhere, and remove it now
            size += path.stat().st_size
    held = f"checkpoints of recipes that this suite does not have: {len(found.elsewhere)}, with {size / 1e9:.1f} GB"
    return f"{held}; delete them if nobody goes on from them: {', '.join(folders)}"


def _choice(found: Plan, chosen: Sequence[Lack], budget: str) -> str:
    seconds, _ = planning.total(chosen)
    unknown = planning.total(found.lacks)[1]
    settled, waits = sum(one.settles for one in chosen), len(found.needs)
    if not chosen:
        words = f"nothing whose time is known fits {budget}"
    else:
        runs, took = sum(len(one.seeds) for one in chosen), f"{probing.bound(chosen)}{progress.said(seconds)}"
        words = f"{runs} of {found.runs} runs fit {budget}: they take {took} and settle {settled} of {waits}"
    return f"{words}; {unknown} runs of unknown time were not considered" if unknown else words
