"""Whether runs are alike: so much that their scores must be the same, or in all but their schedules. Pure."""

from collections.abc import Iterable, Mapping

from progbench import environment
from progbench.judging.references import Reference
from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult

MACHINE = ("cpu", "cpu_model", "device", "gpu", "threads", "side_by_side", "batch_parts", "trainer")
VERSIONS = ("python", *environment.PACKAGES)


def made_alike(ours: Mapping[str, str | int], theirs: Mapping[str, str | int]) -> bool:
    """Whether two results' environments leave no room for other scores: the same machine, threads and versions.

    >>> here = {"cpu": "EPYC", "device": "cpu", "threads": 1, "torch": "2.13.0"}
    >>> made_alike(here, here | {"cores": 64}), made_alike(here, here | {"threads": 2})
    (True, False)

    A version that only one of them names says nothing. A machine that a result does not name is like no other. Seeds
    that train side by side share one stream of dropout, so the same seeds must have trained together. A killed run that
    went on ends as an uninterrupted one, to the last bit; on a GPU nobody knows.
    """
    if "cpu" not in ours:
        return False
    if ours.get("device") != "cpu" and ("resumed" in ours or "resumed" in theirs):
        return False
    machine = all(ours.get(key) == theirs.get(key) for key in MACHINE)
    return machine and all(ours[key] == theirs[key] for key in VERSIONS if key in ours and key in theirs)


def no_reference(reference: Reference, made: Mapping[Recipe, Iterable[RunResult]]) -> str:
    """Why a reference is none to these runs, else "": it has another recipe, or other data or weights."""
    for wanted, results in made.items():
        on_file = reference.runs[wanted.id]
        if on_file.get("digest") != wanted.digest:
            theirs = on_file.get("digest")
            return f"no reference: the one on file is of {wanted.id} {theirs}, and that recipe is now {wanted.digest}"
        for run in results:
            for what in ("data", "weights"):
                theirs, ours = on_file.get("fingerprints", {}).get(what), run.fingerprints.get(what)
                if theirs and ours and theirs != ours:
                    return f"no reference: the one on file was made on other {what} ({theirs}; seed {run.seed}: {ours})"
    return ""


def same_scores(
    reference: Reference, columns: Iterable[tuple[Recipe, str, str]], made: Mapping[Recipe, Iterable[RunResult]]
) -> dict[int, bool]:
    """The seeds whose runs were all made as the reference's, and whether all their scores are identical.

    `columns` are what a cell reads: a recipe, an evaluation set and a metric each. Scores are compared as recorded,
    before any mean is taken: to the last bit.
    """
    same: dict[int, bool] = {}
    runs = {(wanted, run.seed): run for wanted, results in made.items() for run in results}
    columns = list(columns)
    for seed in reference.seeds:
        pairs = [(runs.get((wanted, seed)), reference.runs[wanted.id], *column) for wanted, *column in columns]
        if all(
            run and made_alike(run.about, on_file.get("environment", {}).get(str(seed), {}))
            for run, on_file, _, _ in pairs
        ):
            same[seed] = all(
                run.epochs[-1].scores[evaluation_set][metric] == on_file["seeds"][str(seed)][evaluation_set][metric]
                for run, on_file, evaluation_set, metric in pairs
            )
    return same


def not_a_pair(
    left: RunResult, right: RunResult, first: tuple[Mapping[str, object], Mapping[str, object]] | None = None
) -> str:
    """Why two runs of one seed, whose first epochs train the same blocks, are no pair; "" if they are.

    Their first epochs are the same computation. So their scores after it must be the same to the last bit, and so must
    the predictions, if both kept them: `first` has those by evaluation set. Seeds that train side by side share one
    stream of dropout, so both runs must have had the same neighbours.
    """
    ours, theirs = (run.provenance.side_by_side for run in (left, right))
    if ours != theirs:
        return f"one was trained {_beside(ours)}, the other {_beside(theirs)}"
    if left.epochs[0].scores != right.epochs[0].scores:
        return "their scores after the first epoch, which both train alike, differ"
    if first and first[0] != first[1]:
        return "their predictions after the first epoch, which both train alike, differ"
    return ""


def _beside(seeds: tuple[int, ...]) -> str:
    return f"beside the seeds {' '.join(map(str, seeds))}" if seeds else "alone"
