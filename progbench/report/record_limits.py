"""What could bias what is recorded, and what it cannot say: a reader of a difference should see it beside it."""

import math
import statistics
from collections.abc import Iterator

from progbench.judging.terms import Looks
from progbench.models.spec import spec
from progbench.report.record import OfSuite, Recorded

CLEAR = 2  # standard errors of a score over examples


def lines(found: Recorded) -> list[str]:
    """A sentence for each thing that could, of the suites that have runs."""
    return [f"{suite.name}: {line}" for suite in found.suites if suite.runs for line in _of_suite(suite)]


def _of_suite(suite: OfSuite) -> Iterator[str]:
    for name in dict.fromkeys(suite.recipes[recipe].model for recipe in suite.results):
        model = spec(name)
        seen = f" Its weights have seen the data of {', '.join(model.seen)}." if model.seen else ""
        yield (
            f"{name} ({model.blocks} blocks of {model.hidden}) is none of the paper's models, and was trained further, "
            f"to embed sentences.{seen}"
        )
    tasks = dict.fromkeys(suite.recipes[recipe].task for recipe in suite.results)
    yield (
        f"the recorded tasks ({', '.join(tasks)}) are small ones, chosen for the time they take. Scores of large tasks "
        "vary less, and decide an average sooner."
    )
    yield _of_looks(suite.looks)
    rises, near = [], []
    for recipe_id, recipe in suite.recipes.items():
        runs = [run for run in suite.results.get(recipe_id, ()) if not run.error]
        if recipe.schedule != "constant" or recipe.tuning != "full" or "~" in recipe_id or not runs:
            continue
        label = f"{recipe.model} {recipe.task}"
        evaluation_set, scores = next(iter(runs[0].epochs[-1].scores.items()))
        metric = next(iter(scores))
        last = 100 * statistics.fmean(run.epochs[-1].scores[evaluation_set][metric] for run in runs)
        if recipe.epochs > 1:
            before = 100 * statistics.fmean(run.epochs[-2].scores[evaluation_set][metric] for run in runs)
            rises.append(f"{label} {last - before:+.2f}")
        guess, examples = suite.guesses.get(f"{evaluation_set} {metric}"), runs[0].examples.get(evaluation_set)
        if metric == "accuracy" and guess is not None and examples:
            error = math.sqrt(last * (100 - last) / examples)
            if last - guess < CLEAR * error:
                near.append(f"{label} {last - guess:+.2f}, with a standard error of {error:.2f} over its examples")
    if rises:
        yield (
            f"in its last epoch fine-tuning moves by {', '.join(rises)} points (means over seeds). Where it still "
            "rises, a schedule that trains less may lose by that alone; and the gain that the paper explains by less "
            "overfitting (section 4.2) cannot show."
        )
    if near:
        yield (
            f"fine-tuning is near to always giving the most frequent class: {'; '.join(near)}. Where a model has "
            "learnt so little, a difference near 0 says little of the schedules."
        )


def _of_looks(looks: Looks) -> str:
    seeds = ", and again at ".join(map(str, looks.seeds))
    level = f"an interval leaves out {100 * looks.level:g} % on each side"
    share = " at each, so that the looks together err in about 5 % on that side" if len(looks.seeds) > 1 else ""
    return f"fixed before the first run: differences are judged at {seeds} seeds, and {level}{share}."
