"""Progtuning less fine-tuning, as every view shows it: a line a task and average, and what it can and cannot say."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from progbench.judging.compared import AVERAGE, Compared, PrintAlone, interval, least_sign_flip_p, name
from progbench.judging.words import NOT_WORSE, UNDECIDED
from progbench.report import cells
from progbench.report.grids import Grid

TITLE = "Differences between schedules, in full"
PRINT_TITLE = "What the print alone says of its averages"


def groups(differences: Sequence[Compared]) -> list[tuple[str, list[Compared]]]:
    """The differences of each model and pair of schedules, under a heading."""
    found: dict[str, list[Compared]] = {}
    for one in differences:
        title = f"{one.table}, {one.body}: {name(one.left)} less {name(one.right)}, in points"
        found.setdefault(title, []).append(one)
    return list(found.items())


def says(word: str, margin: float) -> str:
    """A word with its margin.

    >>> says("not worse", 0.5), says("lower, by less than the margin", 1.0), says("better", 1.0)
    ('not worse by 0.5', 'lower, by less than 1', 'better')
    """
    return f"{word} by {margin:g}" if word == NOT_WORSE else word.replace("the margin", f"{margin:g}")


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else interval(low, high)


def _share(one: Compared) -> str:
    if one.share is None or one.share_low is None or one.share_high is None:
        return ""
    return f"{one.share:.2f} [{one.share_low:.2f}, {one.share_high:.2f}]"


# a column is a heading, how it is aligned, and what it says of a difference
Column = tuple[str, str, Callable[[Any], str]]
_TASK: Column = ("task", "left", lambda one: f"average of {len(one.over)}" if one.over else one.task)
_SEEDS: Column = ("seeds", "right", lambda one: one.count)
_ON_THIS_SET: Column = ("on this set", "left", lambda one: one.number)
_SAYS: Column = ("says", "left", lambda one: says(one.word, one.margin))
_TOGETHER: tuple[Column, ...] = (
    ("ρ", "right", lambda one: cells.number(one.correlation, "+.2f")),
    ("CV*", "right", lambda one: "/".join(cells.number(cv, ".2f") or "?" for cv in (one.cv_left, one.cv_right))),
)
SHORT: tuple[Column, ...] = (  # what a terminal has room for
    _TASK, _SEEDS, _ON_THIS_SET, _SAYS,
    ("for such examples", "left", lambda one: says(one.other_word, one.margin) or "unknown"),
    ("P(≥)", "right", lambda one: cells.number(one.share, ".2f")),
    *_TOGETHER,
)  # fmt: skip
_BY_PRINT: tuple[Column, ...] = (
    ("printed", "right", lambda one: cells.number(one.printed, "+z.2f")),
    ("ours less printed", "left", lambda one: _interval(one.print_low, one.print_high)),
    ("is it the printed one?", "left", lambda one: one.print_word),
)
FULL: tuple[Column, ...] = (
    _TASK, _SEEDS, _ON_THIS_SET, _SAYS,
    ("by the second margin", "left", lambda one: one.beside),
    ("p (Holm)", "right", lambda one: cells.number(one.p, ".3f")),
    ("for such examples", "left", lambda one: _interval(one.other_low, one.other_high) or "unknown"),
    ("says", "left", lambda one: says(one.other_word, one.margin)),
    ("P(≥)", "left", _share),
    *_TOGETHER, *_BY_PRINT,
)  # fmt: skip
PRINT: tuple[Column, ...] = (
    ("print alone", "left", lambda one: f"{one.table}, {one.body}"),
    ("average", "right", lambda one: f"{one.average:+z.2f}"),
    ("tasks up", "right", lambda one: f"{one.up} of {one.tasks}"),
    ("sign flip p", "right", lambda one: f"{one.p:.2g}"),
    ("c*", "right", lambda one: cells.number(one.factor, ".2f")),
    ("interval", "left", lambda one: _interval(one.low, one.high)),
    ("says", "left", _SAYS[2]),
    ("without one", "left", lambda one: f"{cells.number(one.without, '+z.2f')} ({one.most})"),
)


def grid(columns: Sequence[Column], found: Iterable[Compared] | Iterable[PrintAlone]) -> Grid:
    """Differences, or what the print alone says, as a table of texts.

    Columns that hold them against the print are left out where nothing is printed.
    """
    found = list(found)
    there = [column for column in columns if column not in _BY_PRINT or any(column[2](one) for one in found)]
    headers, aligns, values = zip(*there, strict=True)
    return Grid(headers, [[value(one) for value in values] for one in found], " ".join(aligns))


def answers(differences: Sequence[Compared]) -> list[str]:
    """The averages in a sentence each: Progtuning less fine-tuning, above everything else."""
    found = []
    for one in differences:
        if one.task == AVERAGE and one.right == "constant":
            some = "" if len(one.over) == one.of else f" of {one.of}"
            where = f"{one.table}, {one.body}, {len(one.over)}{some} tasks ({', '.join(one.over)})"
            every = "; on no task worse by its margin" if one.every_task else ""
            printed = f"; {one.print_word} of {one.printed:+z.2f}" if one.printed is not None else ""
            found.append(f"{where}: {one.sentence}{every}{printed}{_looks_before(one)}")
    return found


def _looks_before(one: Compared) -> str:
    return "".join(f". The look before, {look.text}" for look in one.earlier)


def remarks(differences: Sequence[Compared]) -> list[str]:
    """What a reader of the differences should know: what so few seeds cannot say, and how their number was chosen."""
    if not differences:
        return []
    level = max(one.level for one in differences)
    found = [
        f"Over paired seeds. An interval leaves out {100 * level:g} % on each side: of new seeds on this development "
        "set, and of new examples like these. P(≥) is the share of seeds in which the first scores at least as high, ρ "
        "the correlation of the two over seeds, CV* how much each varies, in percent. A task's p is two-sided, of no "
        "difference; an average's is one-sided, of being worse by the margin."
    ]
    tasks = [one for one in differences if not one.over]
    if short := [f"{_named(one)} ({one.needed})" for one in tasks if _hardly_decided(one)]:
        found.append(
            f"So few seeds hardly decide these alone: {', '.join(short)}. As many seeds as in brackets would "
            "show, with a chance of 80 %, that equal schedules are not worse by the margin; fewer may, by luck. Their "
            "number must be fixed beforehand: looking after each further seed, and stopping when it suits, turns an "
            "error of 5 % into one of 7 to 17 %."
        )
    fewest = min(one.seeds[0] for one in differences)
    found.append(
        "Whatever the distribution of differences, the smallest two-sided p that a sign flip over "
        f"{fewest} seeds can have is {least_sign_flip_p(fewest):.4g}."
    )
    if alone := [_named(one) for one in tasks if one.other_low is None]:
        found.append(
            f"Not all of their results kept predictions, so they are judged by scores alone: {', '.join(alone)}."
        )
    if looks := [f"{_named(one)} {look.short}" for one in differences for look in one.earlier]:
        found.append(
            "A look before had fewer seeds. What it shows stays shown; undecided shows nothing, and the estimate is "
            f"that of all seeds: {'. '.join(looks)}."
        )
    return found + list(dict.fromkeys(f"{one.body}: {note}" for one in differences for note in one.notes))


def print_remarks(alone: Sequence[PrintAlone]) -> list[str]:
    """What a reader of the print alone should know."""
    if not alone:
        return []
    assumed = list(dict.fromkeys(task for one in alone for task in one.assumed))
    return [
        "The paper prints no spread over seeds. So spreads are borrowed, most of them from runs of RoBERTa-base with "
        "LoRA (difference.toml names each source). c* is the factor on all of them up to which an average's difference "
        "is beyond chance at 5 %, which takes more than 1; the interval is at 90 %. An average is of the printed "
        "scores of its tasks, and not the printed one, which is rounded. A sign flip speaks for tasks like these where "
        "its p is at most 0.05; it is one-sided, and not corrected for the number of models. The last column is the "
        "average without the task, in brackets, that has the largest share in it."
        + (f" Spreads are assumed for {', '.join(assumed)}." if assumed else "")
    ]


def _hardly_decided(one: Compared) -> bool:
    """Whether a task is undecided, and so few seeds seldom decide it."""
    return one.word == UNDECIDED and one.needed is not None and one.needed > one.seeds[0]


def _named(one: Compared) -> str:
    where = f"{one.body} {one.task}"
    return where if one.right == "constant" else f"{where} less {name(one.right)}"
