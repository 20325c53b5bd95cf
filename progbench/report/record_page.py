"""RESULTS.md and its page, section by section: what is recorded, what it says of the paper, and what it cannot say."""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from progbench.files import write_atomically
from progbench.judging.compared import Compared
from progbench.judging.compared import name as called
from progbench.judging.words import UNDECIDED
from progbench.recipes.recipe import split_id
from progbench.report import canvas, comparisons, html, markdown, record_ablation, record_limits, record_runs
from progbench.report.canvas import BLUE, GREY, INK, ORANGE
from progbench.report.cells import percent, short
from progbench.report.record import Block, Figure, Grid, OfSuite, Recorded, Section

FOLDER = "results"  # of the figures and the page, beside RESULTS.md

SOURCE = (
    "progbench results writes this page, its figures and results/results.html from the recorded files in expected/ "
    "alone, and a test writes them again and compares. How a difference is judged, with margins and procedure, stands "
    "in expected/README.md."
)


def files(found: Recorded) -> dict[str, str]:
    """Every file that is written, by its name: RESULTS.md, the page, and the figures."""
    shown = sections(found)
    drawn = [block for _, blocks in shown for block in blocks if isinstance(block, Figure)]
    return {
        "RESULTS.md": as_markdown(shown),
        f"{FOLDER}/results.html": as_html(shown),
        **{f"{FOLDER}/{one.name}": one.svg for one in drawn},
    }


def write(found: Recorded, folder: Path) -> list[Path]:
    """Write them below a folder; figures that nobody draws any more go. Gives the files."""
    written = files(found)
    for old in (folder / FOLDER).glob("*.svg"):
        if f"{FOLDER}/{old.name}" not in written:
            old.unlink()
    for name, content in written.items():
        write_atomically(folder / name, content)
    return [folder / name for name in written]


def as_markdown(shown: Sequence[Section]) -> str:
    """For a code host."""
    grid = {"grid": lambda table: Markup(markdown.as_table(table)), "folder": FOLDER}
    return html.filled("results.md", markdown.escape, sections=shown, **grid)


def as_html(shown: Sequence[Section]) -> str:
    """As one file: no script, nothing fetched, the figures inside it."""

    def inline(one: Figure) -> Markup:
        return Markup(canvas.inline(one.svg, one.name.partition(".")[0], one.caption))

    return html.page("results.html", title="progbench: what is recorded", sections=shown, inline=inline)


def sections(found: Recorded) -> list[Section]:
    """Every section, the answers first."""
    decided = Grid(("date", "decided", "seen by then"), found.decided, "left left left")
    return [
        ("Does Progtuning keep its promise? What is recorded, and what it says", [_short(found), SOURCE]),
        ("Is Progtuning at least as good as fine-tuning?", [*_as_good(found)]),
        ("Do the ablations fall as Table 5 says?", [*record_ablation.blocks(found)]),
        ("What does Progtuning save?", [*_saves(found)]),
        ("Where does the print contradict itself?", [*_contradictions(found)]),
        ("What is recorded, and what is not", [*record_runs.there(found)]),
        ("Failed runs", [record_runs.failed(found)]),
        ("How the runs were made, and how to make one again", [*record_runs.made(found)]),
        ("What was decided when", [decided]),
    ]


def _named(pairs: Sequence[Compared]) -> str:
    """Tasks with their seeds, each with its model if there are several."""
    several = len({one.body for one in pairs}) > 1
    return ", ".join(
        f"{one.body + ' ' if several else ''}{one.task} ({one.count} seeds, P(≥) {one.share:.2f})" for one in pairs
    )


def _short(found: Recorded) -> list[str]:
    lines = [
        "None of the paper's own models is recorded, so no table of the paper has been run again. What follows is of "
        "other models, and of what the paper prints."
    ]
    for suite in found.suites:
        pairs = suite.of_schedule("constant")
        answers = comparisons.answers(pairs) or [one.sentence for one in pairs]
        lines += [f"{suite.name}: {answer}." for answer in answers]
        if not pairs:
            lines.append(
                f"{suite.name}: no task has three pairs of fine-tuning and Progtuning yet; nothing is decided."
            )
        if undecided := [one for one in pairs if one.word == UNDECIDED and not one.over]:
            lines.append(f"{suite.name}: these seeds do not decide {_named(undecided)} alone.")
        ablations = record_ablation.short(suite, found.ablation) or ["no ablation of Table 5 is recorded."]
        lines += [f"{suite.name}: {one}" for one in (*ablations, *record_ablation.what_ifs(suite, found.ablation))]
        lines += _saving(suite)
    refuted = [one for one in found.claims if one.on_print == "does not hold"]
    disputed = sum(bool(one.disputed) for one in found.claims)
    print_alone = [
        f"{one.body} {one.average:+z.2f} ({'beyond' if one.beyond_chance else 'not beyond'} chance)"
        for one in found.alone
        if one.table == "Table 1"
    ]
    lines.append(
        "The print by itself, Progtuning less fine-tuning on average in Table 1, by spreads over seeds that are "
        f"borrowed from other runs, since the paper has none: {', '.join(print_alone)}. Of the "
        f"paper's {len(found.claims)} sentences here, {len(refuted)} are not borne out by its own printed numbers, "
        f"and {disputed} are disputed, for reasons given below."
    )
    recorded = ", ".join(f"{len(one.results)} of the {len(one.recipes)} recipes of {one.name}" for one in found.suites)
    lines.append(f"Recorded so far: {recorded}. What is not recorded says nothing for the paper or against it.")
    return lines


def _saving(suite: OfSuite) -> Iterator[str]:
    """Progtuning's shares, of whole models alone: medians over tasks."""
    found = [
        (one, time)
        for one, time in record_runs.shares(suite)
        if one.schedule == "shrinking" and one.body == suite.recipes[f"{one.body}-constant-{one.task}"].model
    ]
    if not found:
        return
    updated, flops, cpu = (
        _middle(values) for values in zip(*((one.updated, one.flops, time.cpu) for one, time in found), strict=True)
    )
    told = sum(time.cpu is not None for _, time in found)
    timed, pairs = (sum(counts) for counts in zip(*((time.timed, time.seeds) for _, time in found), strict=True))
    time = f"It trains for {cpu} of the CPU seconds (median of {told} tasks)" if told else "Its time is not told"
    yield (
        f"{suite.name}: of what fine-tuning takes, Progtuning updates {updated} of the parameters and computes {flops} "
        f"of the FLOPs ({'one task' if len(found) == 1 else f'medians of {len(found)} tasks'}). "
        f"{time}: the clock and the processor agree in {timed} of {pairs} pairs of runs, and a task takes three such "
        "pairs."
    )


def _middle(shares: Sequence[float | None]) -> str:
    known = [share for share in shares if share is not None]
    return percent(statistics.median(known)) if known else "an unknown share"


def _as_good(found: Recorded) -> Iterator[Block]:
    yield (
        "Pairs of runs with the same seed start from the same head, see the same batches, and have the same first "
        "epoch. So a difference is taken by seed and by example. Two questions are answered: what new seeds would say "
        "on this development set (on this set), and what examples like these would say (for such examples). We take "
        "the development set to be what the paper scores, too, since the labels of GLUE's test set are hidden. The "
        "margin is 0.5 points on an average and 1 on a task, with 0.5 as a second one beside it. Holm's correction is "
        "taken over a table's models, and over a model's tasks; a word is what is left after it. A task's word says "
        "which is higher only where the two-sided p is at most the share that the interval leaves out on one side. So "
        "an interval can leave out 0 by little, and the word still be undecided. The second interval can be a little "
        "narrower than the first, since examples add degrees of freedom; then the first says how much is known. The "
        "first is wider than Student's over the seeds where these vary less than their examples say that they must."
    )
    for suite in found.suites:
        if scores := _scores(suite):
            yield f"{suite.name}, scores: mean ± standard deviation over seeds, and how many there are:"
            yield scores
        pairs = suite.of_schedule("constant")
        if not pairs:
            yield f"{suite.name}: not recorded: no task has three pairs of runs."
            continue
        for title, those in comparisons.groups(pairs):
            yield f"{suite.name}, {title}:"
            yield comparisons.grid(comparisons.FULL, those)
        caption = f"{suite.name}: Progtuning less {called('constant')}, with both intervals and the margin"
        yield Figure(f"differences-{suite.name}.svg", canvas.svg(_drawn, pairs), caption)
        yield comparisons.remarks(pairs)
    yield "What could bias this, or is not said by it:"
    yield record_limits.lines(found) or ["Nothing is recorded."]
    yield "The paper's print by itself, which has no seeds, says this of the averages:"
    yield comparisons.grid(comparisons.PRINT, found.alone)
    yield comparisons.print_remarks(found.alone)


def _scores(suite: OfSuite) -> Grid | None:
    """Both schedules' scores of each model and task that is recorded; None where none is."""
    rows: dict[str, dict[str, str]] = {}
    for name, recipe in suite.recipes.items():
        good = [run for run in suite.results.get(name, ()) if not run.error]
        if good and recipe.schedule in ("shrinking", "constant") and "~" not in name:
            row = rows.setdefault(f"{split_id(name)[0]} {called(recipe.schedule)}", {})
            for evaluation_set, scores in good[0].epochs[-1].scores.items():
                for metric in scores:
                    points = suite.points(name, evaluation_set, metric)
                    row[f"{evaluation_set} {metric}"] = record_ablation.mean(points)
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [[label, *(row.get(column, "not recorded") for column in columns)] for label, row in rows.items()]
    return Grid(("schedule", *columns), lines, " ".join(["left"] + ["right"] * len(columns))) if lines else None


def _saves(found: Recorded) -> Iterator[Block]:
    yield (
        "Shares of what fine-tuning of the same model, task and seeds takes, seconds as the median over seeds. Updated "
        "parameters are arithmetic. FLOPs are those of whole steps on the tokens that were trained on (docs/answer.md "
        "has those in the blocks' weights alone). Seconds are those of training steps alone, without scoring. They are "
        "compared only in pairs that are timed (the clock and the processor agree within 5 % in both runs), and from "
        "three such pairs on. They do not agree where other programs share the processor, and there the process's own "
        "CPU seconds grow, too. Peak memory is not compared: a CPU's is that of the whole process, which keeps memory "
        "of what it trained before."
    )
    for suite in found.suites:
        costs = record_runs.costs(suite)
        if costs.rows:
            yield f"{suite.name}:"
            yield costs
            runs = [run for run in suite.runs if not run.error]
            told = sum(map(record_runs.agree, runs))
            yield f"In {told} of {len(runs)} runs of {suite.name} the clock and the processor agree."
        else:
            yield f"{suite.name}: not recorded: no schedule has fine-tuning beside it."


def _contradictions(found: Recorded) -> Iterator[Block]:
    yield (
        "Sentences of the paper that its own printed numbers do not bear out, or that are disputed for the reason "
        "given. That says nothing of the method: a slip of a unit, a metric or a rounding is enough."
    )
    yield [
        f"{one.sentence} ({one.source}): {one.print_words}{f'. {one.disputed}' if one.disputed else ''}"
        for one in found.claims
        if one.on_print == "does not hold" or one.disputed
    ]
    if found.disputed:
        yield "Printed counts that do not follow from the paper's own equations:"
        yield [f"{table}, {cells}: {argument}" for table, cells, argument in found.disputed]


def _drawn(found: Sequence[Compared]):
    """Each difference with both intervals, a line each, and its margin as a tick."""
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
