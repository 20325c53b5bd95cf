"""How often a difference is called better or not worse, by simulation: python benchmarks/difference_rates.py [DRAWS]

Runs are drawn at random, example by example, and go through what judges the real ones. With 10,000 draws it takes a
minute. The tests do the same with fewer (tests/benchmarks/test_rates.py); expected/README.md has the table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from tabulate import tabulate

from progbench.judging import effect, terms
from progbench.judging.effect import Components, Estimate
from progbench.judging.pseudo import pseudo_values

# one schedule's standard deviation over seeds, in points, and the share of a seed's variance that is neither the seed's
# nor the example's own, but the measured floor
SPREADS = {"cola": 1.2, "mnli": 0.2, "mrpc": 0.8, "qnli": 0.2, "qqp": 0.2, "rte": 2.0, "sst2": 0.3, "stsb": 0.3}
FLOOR = 0.65
COLUMNS = {name: 2 if name == "mnli" else 1 for name in SPREADS}
BATCH = 500  # tables drawn at once: 500 of 10 seeds and 408 examples are 16 MiB


@dataclass(frozen=True)
class Task:
    """A task whose examples are right where a latent margin is above nothing.

    Over examples margins are normal with an sd of 1, around what gives `accuracy`. A seed moves them all by an sd of
    `of_seeds`, each example in each seed by `of_rest`, and a method each example by `of_method`: examples that suit one
    method better. Of `f1` half of the examples are positive.
    """

    examples: int
    accuracy: float
    of_seeds: float
    of_rest: float
    of_method: float
    f1: bool = False


RTE = Task(277, 0.66, 0.03, 0.3, 0.3)  # an sd of 1.8 points over seeds
MRPC = Task(408, 0.86, 0.0, 0.2, 0.2, f1=True)  # 0.8


def differences(random: np.random.Generator, task: Task, tables: int, seeds: int, *, such: bool) -> NDArray:
    """Differences by table, seed and example, in points, of two methods that are truly alike.

    With `such`, alike for examples like these, of which each table draws its own: on a table's examples one is better.
    Without, alike on the table's very examples: the second method has the first one's margins in another order.
    """
    variance = 1 + task.of_method**2 + task.of_seeds**2 + task.of_rest**2
    margins = norm.ppf(task.accuracy) * variance**0.5 + random.normal(size=(tables, 1, task.examples))
    first = margins + random.normal(0, task.of_method, margins.shape)
    other = margins + random.normal(0, task.of_method, margins.shape)
    gold = np.arange(task.examples) * (2 if task.f1 else 1) // task.examples
    if not such:
        for label in np.unique(gold):
            of_class = gold == label
            ranks = other[..., of_class].argsort(-1).argsort(-1)
            other[..., of_class] = np.take_along_axis(np.sort(first[..., of_class]), ranks, -1)
    sides = []
    for own in (first, other):
        seeded = random.normal(0, task.of_seeds, (tables, seeds, 1))
        right = own + seeded + random.normal(0, task.of_rest, (tables, seeds, task.examples)) > 0
        sides.append(_f1(gold, np.where(right, gold, 1 - gold)) if task.f1 else 100.0 * right)
    return sides[0] - sides[1]


def _f1(gold: NDArray, predicted: NDArray) -> NDArray:
    return np.apply_along_axis(lambda seed: pseudo_values("f1", gold, seed), -1, predicted)


def false_better(
    random: np.random.Generator, task: Task, tables: int, seeds: int, *, such: bool, level: float = 0.05
) -> dict[str, float]:
    """How often one of two equal methods is called better: by seeds alone, for D, and for E."""
    named: dict[str, list[NDArray]] = {"seeds alone": [], "D": [], "E": []}
    for count in _batches(tables):
        values = differences(random, task, count, seeds, such=such)
        variances = effect.taken_apart([values])
        estimates = [effect.on_this_set(effect.from_scores(values.mean(-1))), effect.on_this_set(variances)]
        other = effect.for_such_examples(variances)
        for name, estimate in zip(named, [*estimates, other], strict=True):
            named[name].append(effect.p_above(estimate, 0.0) <= level)
    return {name: float(np.concatenate(each).mean()) for name, each in named.items()}


def better_at_either_look(
    random: np.random.Generator, task: Task, tables: int, looks: Sequence[int], level: float
) -> float:
    """How often one of two equal methods is called better at any of these numbers of seeds, on this set."""
    either = []
    for count in _batches(tables):
        values = differences(random, task, count, max(looks), such=False)
        each = [effect.on_this_set(effect.from_scores(values[:, :seeds].mean(-1))) for seeds in looks]
        either.append(np.any([effect.p_above(look, 0.0) <= level for look in each], axis=0))
    return float(np.concatenate(either).mean())


def models(
    random: np.random.Generator, tables: int, seeds: int, average: float, count: int = 3, margin: float = 0.5
) -> effect.Averages:
    """What is said of so many models' averages over GLUE's tasks, each of whose differences is truly `average`."""
    tasks: list[Components] = []
    for sd in SPREADS.values():
        values = random.normal(average, sd * 2**0.5, (tables, count, seeds))
        floor = np.full((tables, count), FLOOR * 2 * sd**2 / seeds)
        tasks.append(effect.from_scores(values)._replace(by_rest=floor))
    weights = [columns / sum(COLUMNS.values()) for columns in COLUMNS.values()]
    mean = effect.average([effect.on_this_set(task) for task in tasks], weights)
    return effect.of_models(Estimate(*mean), margin, 0.05)


def _batches(tables: int) -> Iterator[int]:
    whole, rest = divmod(tables, BATCH)
    yield from [BATCH] * whole + ([rest] if rest else [])


def main(draws: int) -> None:
    random = np.random.default_rng(2506)
    rows = []
    for name, task, seeds in [("RTE", RTE, 3), ("RTE", RTE, 5), ("MRPC", MRPC, 5)]:
        for such in (False, True):
            rates = false_better(random, task, draws if not task.f1 else draws // 10, seeds, such=such)
            truth = "for such examples" if such else "on this set"
            rows.append([f"{name}, {seeds} seeds, equal {truth}", *(f"{rate:.3f}" for rate in rates.values())])
    print(tabulate(rows, ("false better", "seeds alone", "D", "E"), disable_numparse=True))
    looks = terms.read(Path(__file__).resolve().parents[1] / "expected", "mini").looks
    rate = better_at_either_look(random, RTE, draws, looks.seeds, looks.level)
    print(f"\nfalse better at either of mini's looks, {looks.seeds} at {looks.level:g}: {rate:.3f}")
    for last in (6, 10, 20):
        rate = better_at_either_look(random, RTE, draws // 5, range(5, last + 1), 0.05)
        print(f"false better if one looks after each seed from 5 to {last}, at 0.05: {rate:.3f}")
    rows = []
    for average in (-0.5, 0.0, 0.25, 0.7):
        cells = []
        for seeds in (3, 5, 10):
            rates = models(random, draws // 5, seeds, average)
            cells.append(f"{rates.not_worse.mean():.3f} / {rates.better.mean():.3f}")
        rows.append([f"{average:+g}", *cells])
    print()
    print(tabulate(rows, ("true average", "3 seeds", "5 seeds", "10 seeds"), disable_numparse=True))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
