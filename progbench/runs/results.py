"""Results as JSON files, one a recipe, digest and seed: runs/<suite>/<recipe>/<digest>/seed<k>.json. No torch.

The file is the only thing training and judging share. It appears whole or not at all, and carries a checksum of its
content.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from progbench import kinds
from progbench.errors import BadInput
from progbench.files import parse_json, read_text, write_atomically
from progbench.recipes import allowed
from progbench.recipes.recipe import SCORES_VERSION, Recipe
from progbench.runs import predictions
from progbench.runs.run_result import EpochResult, Provenance, RunResult, without

if TYPE_CHECKING:
    import filelock

SCHEMA_VERSION = 1
SEALED_SINCE = 6  # the SCORES_VERSION whose results all have a checksum
CORRELATIONS = {"matthews_correlation", "pearson", "spearman"}  # may be below 0
_SLACK = 1e-9  # a correlation's last bits
UNSEALED = "without a checksum, as results were before they had one: nobody can see whether it was edited"


def path_of(folder: Path, recipe: Recipe, seed: int) -> Path:
    """Where this recipe's result with this seed is filed. Raises BadInput for a name that would lead elsewhere."""
    return folder / name_of(recipe, seed)


def name_of(recipe: Recipe, seed: int) -> str:
    """Where in a folder of results this one is filed, as a report names it."""
    return f"{_folder(recipe.suite, recipe.id)}/{recipe.digest}/seed{seed}.json"


@functools.cache  # a report of thousands of results asks again and again
def _folder(suite: str, recipe: str) -> str:
    for name in (suite, *recipe.split("~", 1)):
        kinds.require(name, kinds.NAME, f"the recipe {kinds.shown(recipe)}: its name in a path")
    return f"{suite}/{recipe}"


def save(folder: Path, result: RunResult) -> Path:
    """File a result: written aside, flushed to disk, then moved into place in one step; its predictions before it."""
    path = path_of(folder, result.recipe, result.seed)
    filed = predictions.save(path, [epoch.predictions for epoch in result.epochs]) or result.predictions
    content = {
        "schema_version": SCHEMA_VERSION,
        "scores_version": SCORES_VERSION,
        "digest": result.recipe.digest,
        **asdict(result),
        "environment": result.about,
        "predictions": filed,
    }
    del content["sealed"], content["provenance"]
    for epoch in content["epochs"]:
        del epoch["predictions"]
    content["checksum"] = checksum(content)
    write_atomically(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return path


def checksum(content: Mapping[str, object]) -> str:
    """Of a result's content, however its file is laid out: as JSON with its keys in order and no space between them."""
    rest = {name: value for name, value in content.items() if name != "checksum"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def load(folder: Path, recipe: Recipe, seed: int) -> RunResult | None:
    """The result on file, or None. Raises BadInput, naming the file, when it cannot be read as one."""
    path = path_of(folder, recipe, seed)
    try:
        content = _content(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    # the folder is named after the digest, which is slow to take twice
    if tuple(map(content.get, ("digest", "seed"))) != (path.parent.name, seed):
        raise _unusable(path, "a result of another recipe, seed or format")
    if content.get("scores_version") != SCORES_VERSION:
        theirs = kinds.shown(content.get("scores_version"))
        raise _unusable(path, f"scores_version = {theirs}, not the {SCORES_VERSION} it is filed under")
    inside = _recipe(path, content)
    if inside != recipe:
        sides = ((name, getattr(inside, name), getattr(recipe, name)) for name in recipe.__dataclass_fields__)
        name, theirs, ours = next(side for side in sides if side[1] != side[2])
        but = f"({name} = {theirs!r}, not {ours!r})"
        raise _unusable(path, f"the recipe inside is another than the one it is filed under {but}")
    if "checksum" not in content:
        raise _unusable(path, _NO_CHECKSUM)
    return _result(path, content, recipe)


_NO_CHECKSUM = "it has no checksum, so nobody can see whether it was edited"


def read(path: Path) -> RunResult:
    """The result in a file, whatever recipe it is of, which the file itself says.

    Raises BadInput, naming the file, when it cannot be read as one, or is filed under another recipe, digest or seed.
    """
    content = _content(path)
    inside = _recipe(path, content)
    allowed.require(inside, f"{path}: its recipe")  # or what is planned of it could not be computed
    result = _result(path, content, inside)
    suite, name, digest, seed = (*(folder.name for folder in list(path.parents)[2::-1]), path.stem)
    made = (result.recipe.suite, result.recipe.id, str(content.get("digest")), f"seed{result.seed}")
    if made != (suite, name, digest, seed):
        raise BadInput(f"{path}: filed as {digest}, {seed}, but made as another recipe or seed: {', '.join(made)}")
    # a checksum covers recipe and digest; without one they are held against each other
    if not result.sealed and _digest(path, content, result.recipe) != digest:
        raise BadInput(f"{path}: filed as {digest}, which is not the digest of the recipe inside")
    if not result.sealed and content["scores_version"] >= SEALED_SINCE:
        raise _unusable(path, _NO_CHECKSUM)
    return result


def checked(result: RunResult) -> RunResult:
    """The result, as an error if an epoch updated another number of parameters than its recipe's schedule plans."""
    if result.error:
        return result
    planned = result.recipe.planned_by_epoch()
    updated = tuple(epoch.updated_parameters for epoch in result.epochs)
    if updated == planned:
        return result
    if sum(updated) != sum(planned):
        why = f"the run updated {sum(updated):,} parameters, but its schedule plans {sum(planned):,}"
    elif len(updated) != len(planned):
        why = f"the run has {len(updated)} epochs, but its schedule has {len(planned)}"
    else:
        t = next(t for t, (ours, theirs) in enumerate(zip(updated, planned, strict=True)) if ours != theirs)
        why = f"epoch {t + 1} updated {updated[t]:,} parameters, but its schedule plans {planned[t]:,} for it"
    return replace(result, error=why)


def _unusable(path: Path, why: str) -> BadInput:
    return BadInput(f"{path}: {why}; delete it to run this seed again")


def _content(path: Path) -> dict:
    try:
        content = parse_json(read_text(path), nan=False)
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():  # what it stands for may be on a disk that is not mounted now
            raise _unusable(path, "a link to what is not there") from None
        raise
    except PermissionError as problem:  # deleting it would lose a good result
        why = f"may not be read ({problem.strerror}): ask its owner for the right to, or its folder's"
        raise BadInput(f"{path}: {why}") from None
    except (OSError, ValueError) as problem:
        raise _unusable(path, f"not a readable result ({problem})") from None
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        raise _unusable(path, "a result of another recipe, seed or format")
    return content


def _recipe(path: Path, content: dict) -> Recipe:
    inside = content.get("recipe")
    if not isinstance(inside, dict):
        raise _unusable(path, "no recipe inside")
    try:
        inside = {name: tuple(value) if isinstance(value, list) else value for name, value in inside.items()}
        if inside.get("prefix_cache") is False:  # a field that recipes had, and that no recorded result made use of
            del inside["prefix_cache"]
        return Recipe(**inside)
    except TypeError as problem:
        raise BadInput(f"{path}: its recipe is none of this version's ({problem})") from None


def _digest(path: Path, content: dict, inside: Recipe) -> str:
    try:
        return inside.digest_at(content["scores_version"])
    except (KeyError, TypeError, ValueError) as problem:
        raise BadInput(f"{path}: its recipe is none of this version's ({problem})") from None


def _result(path: Path, content: dict, recipe: Recipe) -> RunResult:
    sealed = "checksum" in content
    older = {"notes": (), "session": "", "predictions": {}}  # what older results do not have
    known = older | content | {"sealed": sealed}
    try:
        epochs = tuple(EpochResult(**epoch) for epoch in known["epochs"])
        names = [name for name in RunResult.__dataclass_fields__ if name not in ("recipe", "epochs", "provenance")]
        rest = {name: known[name] for name in names}
        if strange := [name for name, fits in _looked_at(rest, epochs) if not fits]:
            raise TypeError(f"{strange[0]} is not what it should be")
        made = Provenance.of(known["environment"])
        rest |= {
            "notes": tuple(rest["notes"]),
            "environment": without(known["environment"]),
            "provenance": made,
        }
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise _unusable(path, f"not a whole result ({problem!r})") from None
    if not epochs and not rest["error"]:
        raise _unusable(path, "a result without an epoch")
    if sealed and content["checksum"] != checksum(content):
        raise _unusable(path, "its checksum does not fit its content, so it was damaged or edited")
    return RunResult(recipe=recipe, epochs=epochs, **rest)


@functools.cache
def kind_of_score(metric: str) -> kinds.Kind:
    """The kind of this metric's scores: fractions, and only correlations may be below 0."""
    least = -1 if metric in CORRELATIONS else 0
    return kinds.number(f"from {least} to 1", lambda x: least - _SLACK < x < 1 + _SLACK)


def _looked_at(rest: Mapping[str, Any], epochs: Sequence[Any]) -> Iterator[tuple[str, bool]]:
    """Each part of a result that a session computes with, in words, and whether it is of a kind to compute with.

    `rest` is all but the epochs, by name. A part that is wrong fails its judgement, not the session.
    """
    yield "seed", kinds.is_whole(rest["seed"])
    for name, kind in (("error", str), ("session", str), ("final", bool)):
        yield name, isinstance(rest[name], kind)
    notes = rest["notes"]
    yield "notes", isinstance(notes, list | tuple) and all(isinstance(note, str) for note in notes)
    for name, fits in (
        ("fingerprints", _plain),
        ("environment", _plain),
        ("predictions", lambda value: isinstance(value, str)),
        ("examples", kinds.is_whole),
        ("left_out", kinds.is_whole),
    ):
        yield name, isinstance(rest[name], dict) and all(map(fits, rest[name].values()))
    for name in ("seconds", "peak_memory_bytes"):
        yield name, kinds.is_number(rest[name])
    yield "updated_parameters", all(map(kinds.is_whole, [epoch.updated_parameters for epoch in epochs]))
    for name in ("loss", "seconds"):
        yield name, all(map(kinds.is_number, [getattr(epoch, name) for epoch in epochs]))
    for name in ("steps", "flops", "cpu_seconds"):
        known = [value for epoch in epochs if (value := getattr(epoch, name)) is not None]
        yield name, all(map(kinds.is_number, known))
    for metric, value in (item for epoch in epochs for scores in epoch.scores.values() for item in scores.items()):
        words, fits = kind_of_score(metric)
        if not fits(value):
            yield f"the score {metric}, {words},", False


def _plain(value: object) -> bool:
    return isinstance(value, str) or kinds.is_number(value)


def seeds_on_file(folder: Path, recipe: Recipe) -> list[int]:
    """The seeds whose results of this very recipe are there, readable or not."""
    names = (path.stem.removeprefix("seed") for path in path_of(folder, recipe, 0).parent.glob("seed*.json"))
    return sorted(int(name) for name in names if name.isdecimal())


def lock(folder: Path, recipe: Recipe, seed: int) -> filelock.FileLock:
    """Held while this result is being made, so that two processes never train the same seed."""
    import filelock  # takes longer to load than a recipe takes to read, and who only looks needs no lock

    path = path_of(folder, recipe, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(path.with_suffix(".lock"))


def being_made(folder: Path, recipe: Recipe, seed: int) -> bool:
    """Whether a process holds this result's lock now. It makes no file, and takes none that is another user's."""
    try:
        with path_of(folder, recipe, seed).with_suffix(".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
