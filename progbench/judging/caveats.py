"""What a reader should know of the runs behind a cell before comparing its score with another. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from progbench import environment
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult


def caveats(cell: str, made: Mapping[Recipe, Sequence[RunResult]]) -> list[str]:
    """Sentences on a cell's runs, by recipe: unlike versions or data, what was left out, partial or known data.

    >>> caveats("minilm-constant-rte", {})
    []
    """
    runs = [run for results in made.values() for run in results]
    found = _mixed(cell, (*environment.PACKAGES, "device", "threads"), runs)
    if len({"side_by_side" in run.environment for run in runs}) > 1:
        found.append(f"{cell}: its runs mix seeds trained alone and seeds trained side by side")
    for wanted, results in made.items():
        found += _mixed(wanted.id, ("data", "weights"), results)
        sentences = [*_of_data(results), *dict.fromkeys(note for run in results for note in run.notes)]
        sentences += _of_recipe(wanted) if results else []
        found += [f"{wanted.id}: {sentence}" for sentence in sentences]
    return found


def unlike(made: Mapping[Recipe, Sequence[RunResult]]) -> list[str]:
    """Sentences on recipes that are compared with each other, but were made on other data of a task, or other weights.

    >>> unlike({})
    []
    """
    found = []
    for what, same in (("data", _same_data), ("weights", lambda wanted: wanted.model)):
        groups: dict[object, dict[str, dict[str, None]]] = {}
        for wanted, run in ((wanted, run) for wanted, results in made.items() for run in results):
            prints = groups.setdefault(same(wanted), {})
            prints.setdefault(str(run.fingerprints.get(what, "unknown")), {})[wanted.id] = None
        for prints in (prints for prints in groups.values() if len(prints) > 1):
            sides = sorted(f"{_some(sorted(names))} on {value[:15]}" for value, names in prints.items())
            found.append(f"made on unlike {what}, so their scores should not be compared: {'; '.join(sides)}")
    return found


def _same_data(wanted: Recipe) -> tuple[object, ...]:
    """What recipes have in common that read the same data."""
    return wanted.task, wanted.data_source


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _mixed(name: str, fields: Sequence[str], results: Sequence[RunResult]) -> list[str]:
    """A warning for each of these fields in which results differ."""
    values = {
        key: dict.fromkeys(str((run.environment | run.fingerprints).get(key)) for run in results) for key in fields
    }
    return [f"{name}: its runs mix {key} {' and '.join(found)}" for key, found in values.items() if len(found) > 1]


def _of_data(results: Sequence[RunResult]) -> list[str]:
    left_out = {part: count for run in results[:1] for part, count in run.left_out.items() if count}
    return [f"left out of the data: {left_out}"] if left_out else []


def _of_recipe(wanted: Recipe) -> list[str]:
    found = []
    if wanted.train_questions:
        found.append(f"partial: trained on the first {wanted.train_questions:,} questions only")
    if wanted.precision == "bf16":
        found.append(f"trained in {wanted.precision}, which can move a score")
    if wanted.prefix_cache:
        found.append("frozen blocks ran without dropout (prefix_cache), which can move a score")
    if wanted.task in spec(wanted.model).seen:
        found.append(f"not a clean score: the weights of {wanted.model} have seen this task's data before")
    return found
