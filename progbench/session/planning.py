"""What a suite lacks, what that takes, what is trained now, and which runs to do first. Nothing is trained."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from progbench.errors import BadInput
from progbench.method.schedule import shared_epochs
from progbench.recipes.recipe import Recipe
from progbench.runs import cleanup, results
from progbench.session import marks, measuring
from progbench.session.suite import Suite

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Lack:
    """One recipe's missing runs: `seeds` that nobody trains, and those that somebody is `training` now.

    `each` is the time of a seed. `settles` counts the cells and claims that wait for no other run, once those before it
    in its list are there. `spared` is the share of its time that another schedule's run of this plan trains for it.
    """

    recipe: Recipe
    seeds: tuple[int, ...]
    training: tuple[int, ...]
    each: measuring.Estimate
    settles: int = 0
    spared: float = 0.0

    @property
    def seconds(self) -> float | None:
        """The time of all its seeds that nobody trains, one after another."""
        return None if self.each.seconds is None else self.each.seconds * len(self.seeds) * (1 - self.spared)


@dataclass(frozen=True)
class Plan:
    """What is missing of what was asked for, and the errors on file that no session tries again.

    The times are of the kind of machine `kind`. `needs` has the recipes that each open cell or claim waits for;
    `settled` counts those that wait for none. `elsewhere` are checkpoints of recipes that this suite does not have.
    `changed` are runs on other data than lies here: they are on file, and inconclusive.
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
        return sum(len(lack.seeds) for lack in self.lacks)


def seconds_of(budget: str) -> float:
    """A budget in seconds.

    >>> seconds_of("6h"), seconds_of("1.5 d"), seconds_of("90m")
    (21600.0, 129600.0, 5400.0)

    Raises BadInput for anything but a number above 0 and one of s, m, h, d.
    """
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?([smhd])", budget.strip())
    if not match or not (seconds := float(match[1]) * UNITS[match[2]]):
        raise BadInput(f"--budget {budget}: wanted is a number and one of s, m, h, d, such as 6h")
    return seconds


def plan(suite: Suite, mark: str = "") -> Plan:
    """What is missing for a mark's cells and claims, or for all. Raises BadInput as `marks.needed` does.

    A run is missing without a result, and with an error that the next session tries again.
    """
    needed = marks.needed(suite, mark)
    wanted = {name: recipe for recipes in needed for name, recipe in recipes.items()}
    everything = [*suite.every_recipe().values()]
    times = measuring.Times(measuring.here(suite.maker.device, suite.maker.threads), suite.good(everything))
    lacks, errors, changed = [], [], []
    for name, recipe in wanted.items():
        runs = suite.runs(recipe).results
        final = {seed for seed, run in runs.items() if run.final or not run.error}
        errors += [f"{name}, seed {seed}: {runs[seed].error}" for seed in sorted(final) if runs[seed].error]
        changed += [f"{name}, seed {seed}: {why}" for seed, why in suite.runs(recipe).changed.items()]
        seeds = [seed for seed in suite.filing.seeds or () if seed not in final]
        if seeds:
            training = [seed for seed in seeds if results.being_made(suite.folder, recipe, seed)]
            rest = tuple(seed for seed in seeds if seed not in training)
            lacks.append(Lack(recipe, rest, tuple(training), times.of(recipe)))
    lacks = _sharing(lacks)
    lacking = frozenset(lack.recipe.id for lack in lacks)
    waiting = tuple(open_ones for recipes in needed if (open_ones := lacking & set(recipes)))
    settled = sum(1 for recipes in needed if recipes and not lacking & set(recipes))
    folders = {results.path_of(suite.folder, recipe, 0).parent for recipe in everything}
    elsewhere = cleanup.checkpoints_elsewhere(suite.folder / suite.name, folders)
    return Plan(tuple(lacks), tuple(errors), times.kind, waiting, settled, tuple(elsewhere), tuple(changed))


def _sharing(lacks: Sequence[Lack]) -> list[Lack]:
    """The lacks; of recipes that differ in their schedules alone, all but the first are spared the shared epochs."""
    families: dict[Recipe, list[Lack]] = {}
    found = []
    for lack in lacks:
        families.setdefault(replace(lack.recipe, schedule=""), []).append(lack)
    for lack in lacks:
        family = families[replace(lack.recipe, schedule="")]
        epochs = shared_epochs(one.recipe.build_schedule() for one in family) if lack is not family[0] else 0
        both = len({*lack.seeds} & {*family[0].seeds})
        found.append(replace(lack, spared=measuring.share_of(lack.recipe, epochs) * both / max(1, len(lack.seeds))))
    return found


def chosen(planned: Plan, seconds: float) -> list[Lack]:
    """The runs to do within so many seconds of one machine, in order: those that settle most for their time.

    The rule, repeated until nothing fits: of the open cells and claims, take the one whose missing runs settle the most
    an hour, all others that they settle included. A cell is settled once no run that it waits for is missing. A
    recipe's seeds go together, and spared nothing: `progbench run`, which trains a recipe by itself, shares no epoch.
    Greedy, so not always the best choice, but one that can be followed. Runs of unknown time are never chosen; runs
    that somebody trains now count as done.
    """
    by_name = {lack.recipe.id: replace(lack, spared=0.0) for lack in planned.lacks}
    costs = {name: lack.seconds for name, lack in by_name.items() if lack.seeds}
    left, order = seconds, []
    waiting = [needs & frozenset(costs) for needs in planned.needs]
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
    """Recipes of which one run each, made alone here, would tell the unknown times: one for each task."""
    recipes: dict[tuple[str, str], str] = {}
    for lack in lacks:
        if lack.seeds and lack.seconds is None:
            recipes.setdefault((lack.recipe.task, lack.recipe.precision), lack.recipe.id)
    return [*recipes.values()]


def total(lacks: Iterable[Lack]) -> tuple[float, int]:
    """The known seconds together, and how many runs have none."""
    lacks = [*lacks]
    unknown = sum(len(lack.seeds) for lack in lacks if lack.seconds is None)
    return math.fsum(lack.seconds for lack in lacks if lack.seconds is not None), unknown
