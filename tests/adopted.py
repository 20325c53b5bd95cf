"""Results that tests adopt: made up whole, with predictions that their scores follow from."""

import dataclasses
import subprocess

from made_up import result

from progbench.recipes.reading import read
from progbench.recipes.recipe import SCORES_VERSION
from progbench.runs import results

EXAMPLES = 277  # of RTE's development set


def recipe(schedule="constant", suite="mini", model="minilm", **values):
    return read(suite, "glue", model=model, schedule=schedule, task="rte", **values)


def checkout(folder, version=SCORES_VERSION):
    """A git checkout with one commit of this SCORES_VERSION; gives the commit."""
    where = folder / "progbench" / "recipes"
    where.mkdir(parents=True, exist_ok=True)
    (where / "recipe.py").write_text(f"SCORES_VERSION = {version}\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "one")
    return git(folder, "rev-parse", "HEAD").strip()


def git(folder, *arguments):
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def made(commit, wanted, seed, right=200, **values):
    """A result of RTE of which so many of the 277 predictions are right, after each epoch."""
    gold = [i % 2 for i in range(EXAMPLES)]
    predicted = [label if i < right else 1 - label for i, label in enumerate(gold)]
    one = result(wanted, seed, {"rte": {"accuracy": right / EXAMPLES}}, fingerprints={"data": "d", "weights": "w"})
    one = dataclasses.replace(one, environment=one.environment | {"commit": commit}, **values)
    kept = {"rte": {"gold": gold, "predicted": predicted}}
    return dataclasses.replace(one, epochs=tuple(dataclasses.replace(each, predictions=kept) for each in one.epochs))


def failed(commit, wanted, seed):
    """A run whose loss was not finite."""
    return dataclasses.replace(made(commit, wanted, seed), epochs=(), error="epoch 1, step 3: the loss is nan")


def saved(folder, commit, wanted, rights):
    """File results of seeds 0, 1, ... with so many right answers each."""
    return [results.save(folder, made(commit, wanted, seed, right)) for seed, right in enumerate(rights)]
