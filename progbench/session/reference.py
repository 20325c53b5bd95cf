"""Our own references: recorded from result files on request, with the change shown before it is written.

If expected/<suite>/runs has copies of the results, reference.json follows from these alone. Smoke's has no copies:
anybody makes its runs again in minutes.
"""

import json
import statistics
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tabulate import tabulate

from progbench import environment, files
from progbench.errors import BadInput
from progbench.judging import caveats, expected, guards, references
from progbench.judging.references import REFERENCE_SEEDS, SCHEMA_VERSION
from progbench.runs import results
from progbench.session.suite import Suite


def refuse_dirty_tree(root: Path, lead: str = "") -> None:
    """Raise BadInput unless the checkout at `root` is exactly one commit: a reference names the code that made it."""
    try:
        changed = environment.git(root, "status", "--porcelain", "--untracked-files=normal").splitlines()
    except (OSError, subprocess.CalledProcessError):
        raise BadInput(f"{lead}{root} is not a git checkout, so a reference could not name its commit") from None
    if changed:
        shown = "; ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise BadInput(f"{lead}the tree is dirty ({shown}): commit first, then record references")


def gather(suite: Suite, cells: Iterable[expected.Cell]) -> dict[str, dict]:
    """The raw scores of every recipe that the cells need, as reference.json holds them.

    Recipes that were not run stay as they are on file. Raises BadInput if none was run, and for a run with an error, on
    unpublished data, with too few seeds, or made by uncommitted code.
    """
    gathered: dict[str, dict] = {}
    recipes = {wanted.id: wanted for cell in cells if cell.kind == "scored" for wanted in suite.recipes(cell)}
    for name, wanted in recipes.items():
        by_seed, changed = suite.runs(wanted).results, suite.runs(wanted).changed
        if not by_seed:
            continue
        for seed, result in by_seed.items():
            path = results.path_of(suite.folder, wanted, seed)
            if result.error:
                raise BadInput(f"{path}: {result.error}: an error is no reference")
            commit = str(result.environment.get("commit", "unknown"))
            if commit == "unknown" or commit.endswith(environment.DIRTY):
                raise BadInput(f"{path}: made by code that is not a commit ({commit}); delete it and run it again")
        if why := caveats.other_data(wanted, list(by_seed.values())):
            raise BadInput(f"{name}: {why[0]}: no reference for those who have the published data")
        if changed:
            seed, why = min(changed.items())
            raise BadInput(f"{name}, seed {seed}: {why}: no reference; delete it, run it again")
        if len(by_seed) < REFERENCE_SEEDS:
            raise BadInput(f"{name}: {len(by_seed)} seeds; a reference needs {REFERENCE_SEEDS}")
        gathered[name] = entry(by_seed.values())
    if not gathered:
        raise BadInput("this session ran no scored cell")
    return gathered


def entry(runs: Iterable[results.RunResult]) -> dict[str, Any]:
    """One recipe's runs as reference.json holds them: raw scores by seed, where each was made, and the errors."""
    every = sorted(runs, key=lambda run: run.seed)
    good = [run for run in every if not run.error]
    errors = {str(run.seed): run.error for run in every if run.error}
    return {
        "digest": every[0].recipe.digest,
        "seeds": {str(run.seed): run.epochs[-1].scores for run in good},
        "environment": {str(run.seed): run.about for run in good},
        "fingerprints": (good or every)[0].fingerprints,
        **({"errors": errors} if errors else {}),
    }


def changes(old: dict[str, dict], new: dict[str, dict]) -> str:
    """What recording `new` would change: for each evaluation set and metric, mean and spread before and after."""
    rows = []
    for name, run in new.items():
        first = next(iter(run["seeds"].values()), {})
        for column in ((evaluation_set, metric) for evaluation_set, scores in first.items() for metric in scores):
            before = _spread(old[name], *column) if name in old else "none"
            rows.append([name, *column, before, _spread(run, *column)])
    return tabulate(rows, ("recipe", "set", "metric", "before", "after"), disable_numparse=True)


def _spread(run: dict, evaluation_set: str, metric: str) -> str:
    sets = [scores.get(evaluation_set, {}) for scores in run["seeds"].values()]
    points = [100 * scores[metric] for scores in sets if metric in scores]
    if not points:
        return "none"
    sd = f" ± {statistics.stdev(points):.2f}" if len(points) > 1 else ""
    return f"{statistics.fmean(points):.2f}{sd} (n={len(points)}, {run['digest']})"


def record(root: Path, suite: str, new: dict[str, dict]) -> Path:
    """Write expected/<suite>/reference.json and its checksum: the new runs, and those on file that were not run now."""
    return _written(root, suite, {"recorded": environment.describe()}, on_file(root, suite) | new)


def copies(root: Path, suite: str) -> Path:
    """The folder with the results that a suite's reference.json follows from."""
    return root / suite / "runs"


def on_copies(root: Path, suite: str) -> Suite:
    """The suite as the copies of its results have it; nothing is trained."""
    return Suite(suite, root, copies(root, suite), seeds=None, train=False)


def derive(root: Path, suite: str) -> Path:
    """Write expected/<suite>/reference.json and its checksum from the copies of results alone."""
    return _written(root, suite, {}, derived(root, suite))


def derived(root: Path, suite: str) -> dict[str, dict]:
    """The entries of reference.json that follow from the copies of results.

    Raises BadInput for a damaged copy, and for a recipe with results of two digests: one of them is stale.
    """
    runs_of: dict[str, list[results.RunResult]] = {}
    for path in sorted((copies(root, suite) / suite).glob("*/*/seed*.json")):
        run = results.read(path)
        runs_of.setdefault(run.recipe.id, []).append(run)
    for name, runs in runs_of.items():
        if len(digests := sorted({run.recipe.digest for run in runs})) > 1:
            raise BadInput(f"{copies(root, suite) / suite / name}: results of {' and '.join(digests)}; one is stale")
    return {name: entry(runs) for name, runs in runs_of.items()}


def recorded_alone(root: Path, suite: str) -> str:
    """A recipe whose reference was recorded without copies of its results, as smoke's are; "" for none."""
    return next(iter(sorted(on_file(root, suite).keys() - derived(root, suite).keys())), "")


def _written(root: Path, suite: str, about: dict[str, Any], runs: dict[str, dict]) -> Path:
    path = root / suite / "reference.json"
    files.write_atomically(path, text(suite, runs, about))
    if sums := guards.renewed(path.parent, path.name):
        files.write_atomically(path.with_name(guards.SUMS), sums)
    return path


def text(suite: str, runs: dict[str, dict], about: dict[str, Any] | None = None) -> str:
    """The content of a reference.json with these entries."""
    content = {"schema_version": SCHEMA_VERSION, "suite": suite, **(about or {}), "runs": dict(sorted(runs.items()))}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def on_file(root: Path, suite: str) -> dict[str, dict]:
    """The recorded runs. Raises BadInput for a damaged one, which would else be written again as if sound."""
    path = root / suite / "reference.json"
    return {name: references.checked(one, f"{path}: {name}") for name, one in references.read(root, suite).items()}


def updated(suite: Suite, cells: Iterable[expected.Cell]) -> list[str]:
    """Record the runs behind these cells as the suite's reference; gives lines on the change, and the file.

    Raises BadInput as `gather` does, and then writes nothing.
    """
    new, old = gather(suite, cells), on_file(suite.answers, suite.name)
    return [changes(old, new), f"reference: {record(suite.answers, suite.name, new)}"]
