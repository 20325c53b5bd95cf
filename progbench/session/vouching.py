"""What can be vouched for: results that this code made, whole, on the published data, a seed on one kind of machine."""

import functools
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from progbench import environment
from progbench.errors import BadInput
from progbench.judging.caveats import other_data
from progbench.judging.likeness import MACHINE, VERSIONS
from progbench.recipes.recipe import SCORES_VERSION
from progbench.runs import predictions, results
from progbench.session import rescoring
from progbench.tasks.catalog import tasks

Runs = Mapping[int, tuple[Path, results.RunResult]]  # one recipe's, by seed
_KIND = ("cpu", "cpu_model", "device", "gpu")  # of MACHINE: which processor
_COMMIT = re.compile(r"[0-9a-f]{40}")  # a name such as HEAD is another commit tomorrow
_RECIPE = "progbench/recipes/recipe.py"  # which says SCORES_VERSION, in every commit


def doubts(root: Path, runs: Mapping[Path, results.RunResult]) -> list[str]:
    """Why nobody can vouch for one recipe's results, each by its file; empty if everybody can.

    The code of the checkout at `root` must have made them. A failed run is vouched for, too: it did fail.
    """
    return [f"{path}: {why}" for path, result in runs.items() for why in _of_run(root, path, result)]


def _of_run(root: Path, path: Path, result: results.RunResult) -> Iterator[str]:
    if not result.sealed:
        yield results.UNSEALED
    made = str(result.environment.get("commit", "unknown"))
    earlier = re.findall(r"trained by commit (\S+)", " ".join(result.notes))  # of a run that another commit began
    for commit in dict.fromkeys([made, *earlier]):
        if why := other_code(root, commit):
            yield why
    if result.error:
        return
    if problem := results.checked(result).error:
        yield problem
    yield from other_data(result.recipe, [result])
    try:
        kept = predictions.load(path, result.predictions)
    except BadInput as problem:
        yield str(problem).removeprefix(f"{path}: ")
        return
    yield from of_predictions(result, kept)


def of_predictions(result: results.RunResult, kept: rescoring.Kept) -> Iterator[str]:
    """Why a result's scores do not follow from its predictions."""
    for name, lists in kept.items():
        counts = {len(predicted) for predicted in lists["epochs"]}
        if counts != {result.examples.get(name)}:
            yield f"{max(counts)} predictions of {name}, of which it read {result.examples.get(name)} examples"
            return
    again = rescoring.scores_of(tasks()[result.recipe.task], kept)
    if len(again) != len(result.epochs):
        yield f"predictions of {len(again)} epochs, and scores of {len(result.epochs)}"
        return
    for number, (epoch, scores) in enumerate(zip(result.epochs, again, strict=True), start=1):
        if epoch.scores != scores:
            yield f"its predictions after epoch {number} give {scores}, and it says {epoch.scores}"
            return


@functools.cache
def other_code(root: Path, commit: str) -> str:
    """Why a commit's code may score otherwise than the checkout at `root`; "" if it scores alike.

    >>> other_code(Path("."), "0123abc-dirty")
    'made by code that is not a commit (0123abc-dirty)'
    """
    if not _COMMIT.fullmatch(commit):
        return f"made by code that is not a commit ({commit})"
    try:
        environment.git(root, "merge-base", "--is-ancestor", commit, "HEAD")
        text = environment.git(root, "show", f"{commit}:{_RECIPE}")
    except (OSError, subprocess.CalledProcessError):
        return f"made by commit {commit}, which this checkout does not come from"
    version = re.search(r"^SCORES_VERSION = (\d+)$", text, re.MULTILINE)
    theirs = int(version[1]) if version else None
    return "" if theirs == SCORES_VERSION else f"made at SCORES_VERSION {theirs}, which is {SCORES_VERSION} here"


def mixed(runs: Mapping[Path, results.RunResult]) -> list[str]:
    """How one recipe's good results differ in machine, threads, versions, data or weights.

    Each such field has a sentence, which names the first two files that differ. Seeds may come from different kinds of
    CPU: these round differently in the last bits, which is one more thing that differs between seeds. A GPU has other
    arithmetic and other dropout.
    """
    good = {path: run for path, run in runs.items() if not run.error}
    on_cpu = all(run.about.get("device") == "cpu" for run in good.values())
    machine = MACHINE if not on_cpu else [field for field in MACHINE if field not in _KIND]
    return [*_differing(good, (*machine, *VERSIONS, "data", "weights")), *_twice(good)]


def _twice(good: Mapping[Path, results.RunResult]) -> Iterator[str]:
    """Seeds that are one training under two numbers: their losses and predictions are the same to the last digit."""
    trained: dict[tuple, Path] = {}
    for path, run in good.items():
        digits = (*(epoch.loss for epoch in run.epochs), run.predictions.get("checksum"))
        if (other := trained.setdefault(digits, path)) != path:
            yield f"{path}: its losses and predictions are those of {other}, so it is no other seed's"


def apart(runs: Runs, whole: Runs) -> list[str]:
    """How a recipe's seeds differ in kind of machine from the same seeds of fine-tuning, `whole`.

    A difference between schedules is taken seed by seed, so it must not be one between machines.
    """
    pairs = [dict((whole[seed], runs[seed])) for seed in sorted(runs.keys() & whole.keys())]
    good = [pair for pair in pairs if not any(run.error for run in pair.values())]
    return [sentence for pair in good for sentence in _differing(pair, _KIND)]


def _differing(runs: Mapping[Path, results.RunResult], fields: Iterable[str]) -> Iterator[str]:
    for field in fields:
        values: dict[str, Path] = {}
        for path, run in runs.items():
            values.setdefault(str((run.about | run.fingerprints).get(field, "unknown")), path)
        if len(values) > 1:
            (value, here), (other, there), *_ = values.items()
            yield f"{there}: made on another {field} ({other}) than {here} ({value})"
