"""What a comparison stated before its results were there, kept so that nobody takes a later margin for it."""

import hashlib
import json
from pathlib import Path

from progbench import files, kinds
from progbench.errors import BadInput
from progbench.recipes import reading
from progbench.runs import results
from progbench.session import own_data, own_model, own_suite

MADE_FROM = "made_from.json"  # in a suite's folder: which files its question is about
MARGIN = "margin.json"  # beside the results that a margin was stated for
_STATED = {"points": kinds.number("above 0", lambda x: x > 0), "runs": kinds.whole(0, 10**6)}


def home(suites: Path, model: own_model.Guest, train: Path, dev: Path) -> tuple[str, Path]:
    """A name for the data, and the folder of its suite: never one where a question about other files lies.

    Its results and its answer would else be hidden by this one's. The name then ends in a digest of the paths.
    """
    about = _files(model, train, dev)
    name = own_data.named(train)
    folder = suites / f"{model.name}-on-{name}"
    if (folder / MADE_FROM).exists() and files.read_json(folder / MADE_FROM) != about:
        name = f"{name}-{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:6]}"
        folder = suites / f"{model.name}-on-{name}"
    return name, folder


def take(folder: Path, model: own_model.Guest, train: Path, dev: Path) -> None:
    """Say in a suite's folder which files its question is about, for `home`."""
    files.write_atomically(folder / MADE_FROM, json.dumps(_files(model, train, dev), indent=1) + "\n")


def _files(model: own_model.Guest, train: Path, dev: Path) -> dict[str, str]:
    return {"model": model.entry.get("path", model.name), "train": str(train.resolve()), "dev": str(dev.resolve())}


def state(asked: own_suite.Question, folder: Path, runs: Path, *, keep: bool) -> list[str]:
    """Write when each claim of the included suite was asked; what was not before the first result is returned in words.

    With `keep` the margin is kept beside the results to come. Raises BadInput for a recipe that cannot be.
    """
    sources = {}
    for schedule in asked.schedules[1:]:
        file = _folder(asked, schedule, runs) / MARGIN
        there = len([*file.parent.glob("seed*.json")])
        stated = {"points": asked.margin, "runs": there}
        if there and file.exists():
            stated = kinds.fields(files.read_json(file), str(file), _STATED)
        elif keep:
            files.write_atomically(file, json.dumps(stated) + "\n")
        first = f"asked after {_runs(stated['runs'])}" if stated["runs"] else own_suite.BEFORE
        changed = f"the margin was changed from {stated['points']:g} to {asked.margin:g} points after {_runs(there)}"
        sources[f"{schedule}-keeps-up"] = first if stated["points"] == asked.margin else changed
        sources[f"{schedule}-is-better"] = first
    path = folder / "expected" / asked.suite / "claims.toml"
    own_suite.write_toml(path, own_suite.claims(asked, sources))
    return [f"{claim}: {words}" for claim, words in sources.items() if words != own_suite.BEFORE]


def _folder(asked: own_suite.Question, schedule: str, runs: Path) -> Path:
    which = {"model": asked.model.name, "schedule": schedule, "task": asked.data.name, "tuning": asked.tuning}
    try:
        return results.path_of(runs, reading.read(asked.suite, own_suite.FILE, **which), 0).parent
    except BadInput as problem:  # in the words of a recipe's file, which nobody here has written
        raise BadInput(str(problem).rpartition(f"{own_suite.FILE}.toml: ")[2]) from None


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"
