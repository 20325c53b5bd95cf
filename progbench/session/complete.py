"""How many seeds of a recipe count: without a gap, and as many as the compared recipe has. Pure."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from progbench.recipes.recipe import split_id

_WHOLE, _REDUCED = "constant", "shrinking"  # fine-tuning and Progtuning, which wait for each other


@dataclass(frozen=True)
class Count:
    """The seeds from 0 to `seeds` - 1 count; `why` says what is left out, "" for nothing."""

    seeds: int
    why: str = ""


def counts(seeds_of: Mapping[str, Set[int]]) -> dict[str, Count]:
    """How many of each recipe's seeds count.

    >>> found = counts({"m-constant-rte": {0, 1, 2}, "m-shrinking-rte": {0, 1}, "m-growing-rte": {0, 2}})
    >>> found["m-constant-rte"]
    Count(seeds=2, why='seed 2 is left out: m-shrinking-rte has 2 seeds without a gap')
    >>> found["m-growing-rte"]
    Count(seeds=1, why='seed 2 is left out: there is no seed 1')

    Seeds are 0, 1, 2 and so on: a seed that is chosen after its score was seen proves nothing. Fine-tuning and
    Progtuning of one model and task have the same seeds. Other schedules have no seed that Progtuning lacks.
    """
    # how many there are from 0 on
    ordered = {name: next(n for n in range(len(seeds) + 1) if n not in seeds) for name, seeds in seeds_of.items()}
    return {name: _count(name, seeds_of[name], ordered) for name in seeds_of}


def _count(name: str, seeds: Set[int], ordered: Mapping[str, int]) -> Count:
    body, schedule, task = split_id(name.partition("~")[0])
    partner = f"{body}-{_REDUCED if schedule != _REDUCED else _WHOLE}-{task}"
    most = min(ordered[name], ordered.get(partner, ordered[name]))
    out = sorted(seed for seed in seeds if seed >= most)
    if not out:
        return Count(most)
    words = f"seeds {', '.join(map(str, out))} are" if len(out) > 1 else f"seed {out[0]} is"
    if most == ordered[name]:
        return Count(most, f"{words} left out: there is no seed {most}")
    return Count(most, f"{words} left out: {partner} has {most} seed{'s' * (most != 1)} without a gap")
