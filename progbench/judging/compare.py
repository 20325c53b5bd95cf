"""The verdicts on the differences of paired runs: one a task, and one for the average. Pure.

Mostly Progtuning less fine-tuning; any two schedules of a model can be compared. A table's models are judged at once,
because they share the correction for their number.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import numpy as np

from progbench.judging import beside, effect, words
from progbench.judging.compared import AVERAGE, OTHER, SAME, UNTOLD, Compared, Look, Paired, number
from progbench.judging.decision import PAPER_SEEDS
from progbench.judging.effect import Estimate
from progbench.judging.resolution import EDGE
from progbench.judging.terms import Terms

ROUNDING = 0.1**2 / 6  # the variance that rounding to a tenth gives a printed difference: two values, each 0.1²/12


def compare(
    table: str, left: str, right: str, bodies: Mapping[str, Sequence[Paired]], terms: Terms, *, average: bool = True
) -> list[Compared]:
    """The verdicts on two schedules of each of a table's bodies (models with their tuning): tasks, then the average.

    >>> scores = {"seeds": (0, 1, 2), "left": (66.0, 67.0, 68.0), "right": (66.1, 66.8, 68.1)}
    >>> found = compare("Table 1", "shrinking", "constant", {"m": [Paired("RTE", **scores)]}, Terms())
    >>> found[0].number, found[0].word  # three differences with an sd of 0.17; t(0.95, 2) is 2.92
    ('+0.00 [-0.29, +0.29]', 'not worse')

    Tasks without three pairs are left out, and so is an average of fewer than two tasks, or in a table that prints none
    (`average=False`). An average's `over` names its tasks. What the looks before said, with fewer seeds, is kept.
    """
    compared = _at_one_look(table, left, right, bodies, terms, average)
    for look in terms.looks.before(max((one.seeds[1] for one in compared), default=0)):
        then = {body: [task.below(look) for task in those] for body, those in bodies.items()}
        said = {(one.body, one.task): one for one in _at_one_look(table, left, right, then, terms, average)}
        compared = [_after(one, said.get((one.body, one.task))) for one in compared]
    return compared


def _after(now: Compared, then: Compared | None) -> Compared:
    """A difference with what it was at a look before; as it is if it has no seed more than it had then."""
    if then is None or then.seeds == now.seeds:
        return now
    look = Look(then.count, then.number, then.word, then.says, then.for_such_examples)
    return replace(now, earlier=(*now.earlier, look))


def _at_one_look(
    table: str, left: str, right: str, bodies: Mapping[str, Sequence[Paired]], terms: Terms, average: bool
) -> list[Compared]:
    """The verdicts on all the seeds that these tasks have."""
    tasks = {body: enough for body, those in bodies.items() if (enough := [task for task in those if task.enough])}
    averages = {body: _Average(those) for body, those in tasks.items() if average and len(those) > 1}
    shown = _shown({body: mean.on_this_set for body, mean in averages.items()}, terms)
    others = _shown({body: mean.other for body, mean in averages.items() if mean.other}, terms)
    compared = []
    for body, those in tasks.items():
        about = {"table": table, "body": body, "left": left, "right": right, "level": terms.looks.level}
        lines = _of_tasks(about, those, terms)
        compared += lines
        if body in averages:
            of = len(bodies[body])
            compared.append(averages[body].compared(about, of, shown[body], others.get(body), lines, terms))
    return compared


def together(tasks: Sequence[Paired]) -> tuple[Estimate, Estimate | None]:
    """The mean difference of tasks, weighted by their columns: on this development set, and for examples like these.

    >>> found, other = together([Paired("RTE", 1, (0, 1, 2), (66.0, 67.0, 68.0), (65.0, 65.0, 65.0))])
    >>> float(found.mean), [round(end, 3) for end in ends(found, 0.05)], other  # 2 ± 2.92 · 1 / √3
    (2.0, [0.314, 3.686], None)
    """
    average = _Average(tasks)
    return average.on_this_set, average.other


def ends(estimate: Estimate, level: float) -> tuple[float, float]:
    """The ends of an interval that leaves out `level` on each side."""
    low, high = effect.interval(estimate, level)
    return float(low), float(high)


def _stacked(estimates: Iterable[Estimate]) -> Estimate:
    """A family of estimates as one of arrays."""
    return Estimate(*(np.array(column, float) for column in zip(*estimates, strict=True)))


def _shown(averages: Mapping[str, Estimate], terms: Terms) -> dict[str, effect.Averages]:
    """What each body's average shows, tested among all of them."""
    if not averages:
        return {}
    shown = effect.of_models(_stacked(averages.values()), terms.average, terms.looks.level)
    return {body: effect.Averages(*(column[i] for column in shown)) for i, body in enumerate(averages)}


def _of_tasks(about: dict[str, Any], tasks: Sequence[Paired], terms: Terms) -> list[Compared]:
    level, margin = terms.looks.level, terms.task
    components = [effect.components_of(task) for task in tasks]
    estimates = [effect.on_this_set(component) for component in components]
    p, differ = effect.of_tasks(_stacked(estimates), level)
    others = [effect.for_such_examples(component) for component in components]
    known = [estimate for estimate in others if estimate]
    other_differ = iter(effect.of_tasks(_stacked(known), level)[1] if known else ())
    lines = []
    for i, (task, estimate, other) in enumerate(zip(tasks, estimates, others, strict=True)):
        seeds = len(task.seeds)
        found = _said(estimate, other, level, margin, _word, differ[i], next(other_differ) if other else None)
        lines.append(
            Compared(
                **about,
                **found,
                task=task.task,
                seeds=(seeds, seeds),
                examples=components[i].examples,
                margin=margin,
                beside=_word(found["low"], found["high"], terms.beside, differ[i]),
                p=float(p[i]),
                # one schedule's spread over seeds, from both
                needed=beside.seeds_needed(
                    fmean([stdev(task.left) ** 2, stdev(task.right) ** 2]) ** 0.5, margin, level
                ),
                notes=(*task.notes, *filter(None, [terms.looks.words(seeds)])),
                **_of_scores(task.left, task.right, level),
                **_against_print(estimate, task.printed, _print_variance(task, estimate), level, margin),
            )
        )
    return lines


class _Average:
    """The average of one body's tasks; `other` answers question E, None where a task has no predictions."""

    def __init__(self, tasks: Sequence[Paired]) -> None:
        self.tasks = tasks
        columns = sum(task.columns for task in tasks)
        self.weights = [task.columns / columns for task in tasks]
        components = [effect.components_of(task) for task in tasks]
        self.examples = sum(component.examples for component in components)
        self.estimates = [effect.on_this_set(component) for component in components]
        self.on_this_set = effect.average(self.estimates, self.weights)
        others = [effect.for_such_examples(component) for component in components]
        self.other = None if None in others else effect.average(others, self.weights)

    def compared(
        self,
        about: dict[str, Any],
        of: int,
        shown: effect.Averages,
        other_shown: effect.Averages | None,
        lines: Sequence[Compared],
        terms: Terms,
    ) -> Compared:
        level, margin = terms.looks.level, terms.average
        counts = [len(task.seeds) for task in self.tasks]
        shared = sorted(set.intersection(*(set(task.seeds) for task in self.tasks)))
        notes = [*(note for task in self.tasks for note in task.notes), *map(terms.looks.words, counts)]
        notes.append(self._without_most(level))
        print_variance = sum(
            weight**2 * _print_variance(task, estimate)
            for task, estimate, weight in zip(self.tasks, self.estimates, self.weights, strict=True)
        )
        return Compared(
            **about,
            **_said(self.on_this_set, self.other, level, margin, _word_of_average, shown, other_shown),
            task=AVERAGE,
            over=tuple(task.task for task in self.tasks),
            of=of,
            seeds=(min(counts), max(counts)),
            examples=self.examples,
            margin=margin,
            p=float(shown.p),
            every_task=bool(shown.not_worse) and all(line.low > -line.margin + EDGE for line in lines),
            notes=tuple(dict.fromkeys(filter(None, notes))),
            **_of_scores(*([self._mean(side, seed) for seed in shared] for side in ("left", "right")), level),
            **_against_print(self.on_this_set, self._printed(), print_variance, level, margin),
        )

    def _without_most(self, level: float) -> str:
        """The average without the task that has the largest share in it: whether one task makes the answer."""
        shares = [abs(weight * float(one.mean)) for weight, one in zip(self.weights, self.estimates, strict=True)]
        most = self.tasks[shares.index(max(shares))]
        rest, _ = together([task for task in self.tasks if task is not most])
        found = number(float(rest.mean), *ends(rest, level))
        return f"without {most.task}, which has the largest share in it, the average is {found}"

    def _mean(self, side: str, seed: int) -> float:
        scores = [getattr(task, side)[task.seeds.index(seed)] for task in self.tasks]
        return sum(map(operator.mul, scores, self.weights))

    def _printed(self) -> float | None:
        values = [task.printed for task in self.tasks]
        return None if None in values else sum(map(operator.mul, values, self.weights))


def _said(
    found: Estimate, other: Estimate | None, level: float, margin: float, word: Callable, shown: Any, other_shown: Any
) -> dict[str, Any]:
    """A difference with its interval and word, by both questions; `shown` is what `word` needs of the tests."""
    low, high = ends(found, level)
    other_low, other_high = ends(other, level) if other else (None, None)
    return {
        "difference": float(found.mean),
        "low": low,
        "high": high,
        "word": word(low, high, margin, shown),
        "other_low": other_low,
        "other_high": other_high,
        "other_word": word(other_low, other_high, margin, other_shown) if other else "",
    }


def _word(low: float, high: float, margin: float, differs: bool) -> str:
    """A task's word: a schedule is called higher only if the difference holds among all the body's tasks."""
    word = words.word(low, high, margin)
    return word if differs else words.held(word, low, margin)


def _word_of_average(low: float, high: float, margin: float, shown: effect.Averages) -> str:
    """An average's word, as far as it holds among all the table's bodies."""
    word = words.word(low, high, margin)
    if (word == words.BETTER and shown.better) or (high < -EDGE and shown.lower):
        return word
    return words.NOT_WORSE if shown.not_worse else words.UNDECIDED


def _of_scores(left: Sequence[float], right: Sequence[float], level: float) -> dict[str, float | None]:
    """What is shown beside a difference, from the scores of the seeds."""
    differences = list(map(operator.sub, left, right))
    share = beside.chance_of_at_least(differences, level) if differences else (None, None, None)
    return {
        "correlation": beside.correlation(left, right),
        "cv_left": beside.coefficient_of_variation(left),
        "cv_right": beside.coefficient_of_variation(right),
        **dict(zip(("share", "share_low", "share_high"), share, strict=True)),
    }


def _print_variance(task: Paired, estimate: Estimate) -> float:
    """The variance of a task's printed difference: the paper's seeds are taken to be as noisy as ours."""
    return float(estimate.variance) * len(task.seeds) / PAPER_SEEDS + ROUNDING / task.columns


def _against_print(
    estimate: Estimate, printed: float | None, variance: float, level: float, margin: float
) -> dict[str, float | str | None]:
    """Whether our difference is the printed one, which has a `variance`, too."""
    if printed is None:
        return {}
    low, high = ends(Estimate(estimate.mean - printed, estimate.variance + variance, estimate.df), level)
    within = low > -margin + EDGE and high < margin - EDGE
    word = SAME if within else OTHER if low > EDGE or high < -EDGE else UNTOLD
    return {"printed": float(printed), "print_low": low, "print_high": high, "print_word": word}
