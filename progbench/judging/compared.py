"""Paired runs of two schedules, and the verdicts on their difference: what judging and reports share. No arithmetic."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from progbench.judging import words
from progbench.judging.resolution import beyond
from progbench.judging.terms import LEAST_SEEDS

if TYPE_CHECKING:  # loading it is worth it to judge only
    import numpy as np

NAMES = {"shrinking": "Progtuning", "constant": "fine-tuning", "without_low_blocks": "Progtuning without low blocks"}
AVERAGE = "average"
CHANCE = 0.05  # below it the print's sign flip speaks for other tasks, too
HIGHER, LOWER, WITHIN = "higher", "lower", "within noise"
SAME, OTHER, UNTOLD = "the printed effect", "another than the printed effect", "not told from the printed effect"


@dataclass(frozen=True)
class Paired:
    """One task of a model under two schedules, seed by seed; `left` and `right` are scores in points.

    `differences` are by seed and example, an array for each evaluation set (MNLI has two, and counts as two of the
    average's `columns`); None if a result kept no predictions. Then `least_sd` is the least believed spread of a seed's
    difference. `printed` is the paper's own difference. `missing` says why there is nothing, and `broken` that
    something is wrong.
    """

    task: str
    columns: int = 1
    seeds: tuple[int, ...] = ()
    left: tuple[float, ...] = ()
    right: tuple[float, ...] = ()
    differences: tuple[np.ndarray, ...] | None = None
    least_sd: float = 0.0
    printed: float | None = None
    notes: tuple[str, ...] = ()
    missing: str = ""
    broken: bool = False

    @property
    def enough(self) -> bool:
        return len(self.seeds) >= LEAST_SEEDS and not self.missing

    def below(self, look: int) -> Paired:
        """The same task with the seeds that a look at so many had: those numbered below it.

        >>> Paired("RTE", 1, (0, 2, 3), (66.0, 67.0, 68.0), (65.0, 65.0, 65.0)).below(3).left  # seed 1 is no pair
        (66.0, 67.0)
        """
        had = sum(seed < look for seed in self.seeds)
        differences = self.differences and tuple(values[:had] for values in self.differences)
        left, right = self.left[:had], self.right[:had]
        return replace(self, seeds=self.seeds[:had], left=left, right=right, differences=differences)


@dataclass(frozen=True)
class Look:
    """What a look with fewer seeds said: its number and `word` on this development set, and both answers in words."""

    seeds: str
    number: str
    word: str
    on_this_set: str
    for_such_examples: str

    @property
    def short(self) -> str:
        return f"with {self.seeds} seeds {self.number}, {self.on_this_set}"

    @property
    def text(self) -> str:
        return f"with {self.seeds} seeds {self.number}: {self.on_this_set}; {self.for_such_examples}"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The verdict on one difference, in points: of a task, or of an average.

    An average's `task` is "average", and `over` names those of its `of` tasks that are there.

    From `low` to `high` is its interval on this development set (question D), which leaves out `level` on each side.
    `word` says what that shows against `margin`, after Holm's correction, and `beside` against a second margin.
    `other_low`, `other_high` and `other_word` are the same for examples like these (question E); None and "" without
    predictions. `p` is corrected: of no difference at all for a task, of *worse by the margin* for an average.

    `correlation` is that of the two over seeds. `share` of the seeds score at least as high with `left`; its interval
    is from `share_low` to `share_high`. `cv_left` and `cv_right` are CV*, in percent. With `needed` seeds, equal
    schedules show with a chance of 80 % that they are not worse. `print_word` says whether this is the printed effect.
    `every_task` is whether no task of the average is worse by its margin. `earlier` are the looks before, with fewer
    seeds: what one of them shows stays shown, since each look has its share of the error.
    """

    table: str
    body: str
    left: str
    right: str
    task: str
    over: tuple[str, ...] = ()
    of: int = 1
    seeds: tuple[int, int]
    examples: int
    difference: float
    low: float
    high: float
    level: float
    margin: float
    word: str
    beside: str = ""
    other_low: float | None
    other_high: float | None
    other_word: str
    p: float
    correlation: float | None
    share: float | None
    share_low: float | None
    share_high: float | None
    cv_left: float | None
    cv_right: float | None
    needed: int | None = None
    printed: float | None = None
    print_low: float | None = None
    print_high: float | None = None
    print_word: str = ""
    every_task: bool | None = None
    earlier: tuple[Look, ...] = ()
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The answer, with what it is an answer to."""
        return f"{self.on_this_set}; {self.for_such_examples}"

    @property
    def number(self) -> str:
        """The difference with its interval on this development set."""
        return number(self.difference, self.low, self.high)

    @property
    def count(self) -> str:
        """How many paired seeds it is of; of an average the fewest and the most."""
        least, most = self.seeds
        return f"{least}" if least == most else f"{least} to {most}"

    @property
    def says(self) -> str:
        """The answer to question D without its number."""
        return words.in_words(self.word, self.margin, name(self.right))

    @property
    def shown(self) -> tuple[str, ...]:
        """The words of this look and of those before."""
        return (self.word, *(look.word for look in self.earlier))

    @property
    def on_this_set(self) -> str:
        """The answer to question D."""
        where = "on average" if self.task == AVERAGE else f"on {self.task}"
        return (
            f"over {self.count} paired seeds, on this development set, {name(self.left)} scores "
            f"{self.number} points {where}: {self.says}"
        )

    @property
    def for_such_examples(self) -> str:
        """The answer to question E."""
        if self.other_low is None or self.other_high is None:
            return "for examples like these: unknown, since not all of these results kept predictions"
        says = words.in_words(self.other_word, self.margin, name(self.right))
        return f"for examples like these {interval(self.other_low, self.other_high)}: {says}"


def name(schedule: str) -> str:
    """A schedule as the paper calls it.

    >>> name("shrinking"), name("growing")
    ('Progtuning', 'growing')
    """
    return NAMES.get(schedule, schedule)


def number(value: float, low: float, high: float) -> str:
    """A difference with its interval.

    >>> number(0.1, -0.22, 0.42)
    '+0.10 [-0.22, +0.42]'
    """
    return f"{value:+z.2f} {interval(low, high)}"


def interval(low: float, high: float) -> str:
    return f"[{low:+z.2f}, {high:+z.2f}]"


def least_sign_flip_p(seeds: int) -> float:
    """The smallest two-sided p of a sign flip over so many seeds' differences.

    >>> [least_sign_flip_p(n) for n in (1, 3, 5, 6)]
    [1.0, 0.25, 0.0625, 0.03125]
    """
    return min(1.0, 2.0 ** (1 - seeds))


@dataclass(frozen=True)
class PrintAlone:
    """Two printed rows of a model: the average's difference in points, and what it can be taken for.

    `up` of the `tasks` rise. `p` is the sign flip's over the tasks, one-sided, in the average's direction. `factor` is
    c*, the factor on all spreads up to which the average's difference is beyond chance at 5 %, one-sided. `low` and
    `high` are its interval at 90 %. All three are None if a spread is not known. `without` is the average's difference
    without `most`, the task with the largest share in it. `assumed` names the tasks whose spread no source gives.
    """

    table: str
    body: str
    average: float
    up: int
    tasks: int
    p: float
    factor: float | None
    low: float | None
    high: float | None
    most: str
    without: float | None
    margin: float
    assumed: tuple[str, ...] = ()

    @property
    def beyond_chance(self) -> bool:
        return self.factor is not None and self.factor > 1

    @property
    def for_such_tasks(self) -> bool:
        """Whether other tasks of this kind would say it, too."""
        return self.p <= CHANCE

    @property
    def word(self) -> str:
        """What the interval says, in the words of our own differences."""
        known = self.low is not None and self.high is not None
        return words.word(self.low, self.high, self.margin) if known else words.UNDECIDED


@dataclass(frozen=True)
class Contrast:
    """`schedule` less `against`, for one model and tuning (`body`) in one column, in points: a line of the answer.

    It judges nothing itself: `on_print` reads the printed difference by the margin of its cells, and `compare` judges
    our runs, if there are seeds enough.

    `printed` is the paper's own difference, None if it prints none or of two metrics; `margin` that of the cells.
    `seeds` are ours by seed, `mean` their mean. From `low` to `high` is its interval, and `word` what that shows
    against `loss` points; None and "" with too few seeds. `caveats` are what must be said with it. `counts` are the
    fewest and most seeds of the tasks behind it, `over` the tasks of an average. `missing` says why there are none.
    `updated` and `flops` are what `schedule` takes as shares of `against`, by arithmetic alone. `whole` marks an
    average, and `tuning` is the body's.
    """

    table: str
    body: str
    schedule: str
    against: str
    column: str
    whole: bool
    printed: float | None = None
    margin: float = 0.0
    seeds: Mapping[int, float] = field(default_factory=dict)
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    word: str = ""
    loss: float | None = None
    caveats: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    over: tuple[str, ...] = ()
    missing: str = ""
    updated: float | None = None
    flops: float | None = None
    tuning: str = "full"

    @property
    def on_print(self) -> str:
        """What the print says by the margin: "higher", "lower" or "within noise"; "" if it has no difference."""
        if self.printed is None:
            return ""
        return (HIGHER if self.printed > 0 else LOWER) if beyond(self.printed, self.margin) else WITHIN

    def on_runs(self, seeds: Mapping[int, float], compared: Compared | None = None) -> Contrast:
        """The contrast with our runs: the verdict on them, or with too few their mean alone."""
        if compared is None:
            return replace(self, seeds=seeds, mean=statistics.fmean(seeds.values()) if seeds else None)
        verdict = {"mean": compared.difference, "low": compared.low, "high": compared.high, "word": compared.word}
        verdict |= {"loss": compared.margin, "counts": compared.seeds, "over": compared.over}
        looks = (f"before, {look.text}" for look in compared.earlier)
        return replace(self, seeds=seeds, caveats=(compared.for_such_examples, *compared.notes, *looks), **verdict)
