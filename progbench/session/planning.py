"""What is missing of a suite, what it will take, what is trained now, and which runs to do first. Trains nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from progbench.errors import BadInput
from progbench.recipes.recipe import Recipe
from progbench.runs import cleanup, results
from progbench.session import marks, measuring, recipe_status
from progbench.session.measuring import Estimate, Times
from progbench.session.suite import Suite

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Lack:
    """What is missing of one recipe: `seeds` that nobody trains, and those that somebody is `training` now.

    `each` is what a seed takes; `settles` how many cells and claims wait for no other run, once those before it in its
    list are there.
    """

    recipe: Recipe
    seeds: tuple[int, ...]
    training: tuple[int, ...]
    each: Estimate
    settles: int = 0

    @property
    def seconds(self) -> float | None:
        """Of all its seeds that nobody trains, one after another."""
        return None if self.each.seconds is None else self.each.seconds * len(self.seeds)


@dataclass(frozen=True)
class Plan:
    """What is missing of what was asked for, and the errors on file that no session tries again.

    `kind` is the kind of machine that the times are of, and `needs` the recipes that each open cell or claim waits for.
    `settled` is how many wait for none. `elsewhere` are checkpoints of recipes that this suite does not have, and
    `changed` are runs that were made on other data than lies here: on file, and inconclusive.
    """

    lacks: tuple[Lack, ...]
    errors: tuple[str, ...]
    kind: str
    needs: tuple[frozenset[str], ...]
    settled: int
    elsewhere: tuple[Path, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        """How many runs are missing that nobody is training."""
        return sum(len(one.seeds) for one in self.lacks)


def seconds_of(budget: str) -> float:
    """What a budget says, in seconds.

    >>> seconds_of("6h"), seconds_of("1.5 d"), seconds_of("90m")
    (21600.0, 129600.0, 5400.0)

    Raises BadInput for anything but a number above 0 and one of s, m, h, d.
    """
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?([smhd])", budget.strip())
    if not found or not (seconds := float(found[1]) * UNITS[found[2]]):
        raise BadInput(f"--budget {budget}: wanted is a number and one of s, m, h, d, such as 6h")
    return seconds


def plan(suite: Suite, mark: str = "") -> Plan:
    """What is missing for the cells and claims of a mark, or for all. Raises BadInput as `marks.needed` does.

    A run is missing where there is no result, or an error that the next session tries again.
    """
    needed = marks.needed(suite, mark)
    wanted = {name: recipe for one in needed for name, recipe in one.items()}
    found = {name: suite.runs(recipe).results for name, recipe in wanted.items()}
    everything = [*recipe_status.recipes(suite).values()]
    good = {one: [run for run in suite.runs(one).results.values() if not run.error] for one in everything}
    times = Times(measuring.here(suite.maker.device, suite.maker.threads), good)
    lacks, errors, changed = [], [], []
    for name, recipe in wanted.items():
        runs = found[name]
        errors += [f"{name}, seed {seed}: {one.error}" for seed, one in runs.items() if one.error and one.final]
        changed += [f"{name}, seed {seed}: {why}" for seed, why in suite.runs(recipe).changed.items()]
        seeds = [
            seed for seed in suite.maker.seeds or () if seed not in runs or (runs[seed].error and not runs[seed].final)
        ]
        if seeds:
            training = [seed for seed in seeds if results.being_made(suite.folder, recipe, seed)]
            rest = tuple(seed for seed in seeds if seed not in training)
            lacks.append(Lack(recipe, rest, tuple(training), times.of(recipe)))
    open_ones = frozenset(one.recipe.id for one in lacks)
    waiting = tuple(frozenset(one) & open_ones for one in needed if one and open_ones & set(one))
    settled = sum(1 for one in needed if one and not open_ones & set(one))
    folders = {results.path_of(suite.folder, one, 0).parent for one in everything}
    elsewhere = cleanup.checkpoints_elsewhere(suite.folder / suite.name, folders)
    return Plan(tuple(lacks), tuple(errors), times.kind, waiting, settled, tuple(elsewhere), tuple(changed))


def chosen(found: Plan, seconds: float) -> list[Lack]:
    """The runs to do within so many seconds of one machine, in their order: those that settle most for their time.

    The rule, again and again until nothing fits: of the open cells and claims, take the one whose missing runs settle
    the most of them an hour, all others that the same runs settle included. One is settled when no run that it waits
    for is missing; a recipe's seeds go together. Greedy, so not always the best choice, but one that can be followed.
    Runs of unknown time are never chosen; what somebody else trains now counts as done.
    """
    costs = {one.recipe.id: one.seconds for one in found.lacks if one.seeds}
    by_name = {one.recipe.id: one for one in found.lacks}
    left, order = seconds, []
    waiting = [needs & frozenset(costs) for needs in found.needs]
    waiting = [needs for needs in waiting if needs and None not in (costs[name] for name in needs)]
    while True:
        best = max(
            ((_settled(needs, waiting) / cost, -cost, sorted(needs)) for needs in {*waiting}
             if (cost := math.fsum(costs[name] for name in needs)) <= left),
            default=None,
        )  # fmt: skip
        if best is None:
            return order
        names = best[2]
        left -= math.fsum(costs[name] for name in names)
        settles = _settled(frozenset(names), waiting)
        order += [replace(by_name[name], settles=settles if name == names[-1] else 0) for name in names]
        waiting = [rest for needs in waiting if (rest := needs - frozenset(names))]


def _settled(runs: frozenset[str], waiting: Sequence[frozenset[str]]) -> int:
    return sum(1 for needs in waiting if needs <= runs)


def telling(lacks: Iterable[Lack]) -> list[str]:
    """Recipes of which one run each, made alone here, would tell the time of those that are unknown: one a task."""
    found: dict[tuple[str, str], str] = {}
    for one in lacks:
        if one.seeds and one.seconds is None:
            found.setdefault((one.recipe.task, one.recipe.precision), one.recipe.id)
    return [*found.values()]


def total(lacks: Iterable[Lack]) -> tuple[float, int]:
    """The seconds of all whose time is known, and how many runs have none."""
    lacks = [*lacks]
    unknown = sum(len(one.seeds) for one in lacks if one.seconds is None)
    return math.fsum(one.seconds for one in lacks if one.seconds is not None), unknown
