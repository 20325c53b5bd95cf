"""Suites and their recipes, read from the folders beside this file and from included ones. No torch.

What is wrong in them is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from progbench import kinds, places
from progbench.errors import BadInput
from progbench.files import read_toml
from progbench.method.options import TUNINGS
from progbench.recipes import allowed
from progbench.recipes.recipe import Recipe
from progbench.tasks.catalog import tasks

MOST_SEEDS = 1000  # a slip of the hand would be as many files


@dataclass(frozen=True)
class SuiteSettings:
    """What a suite has and how it runs: nothing of the recipe, so not in its digest.

    `purpose` tells the reader of its report what the suite is; without it, the `title` and `arxiv` of its paper do.
    `tables` names the files of expected/<suite>/ that the suite has: its tables and figures, and "claims". `device` is
    "cpu", "cuda" (a cell is missing without a GPU), or "auto" (a GPU if there is one). `threads` is how many CPU
    threads torch uses; 0 leaves that to torch. With `checksums` no answer is judged by unless SHA256SUMS is there.
    """

    seeds: int
    device: str
    tables: tuple[str, ...]
    threads: int = 0
    checksums: bool = False
    title: str = ""
    arxiv: str = ""
    purpose: str = ""

    @property
    def about(self) -> str:
        """What the suite is, in words; "" where its suite.toml says nothing of that.

        >>> SuiteSettings(5, "cuda", ("table1",), title="BitFit", arxiv="2106.10199").about
        'BitFit (arXiv 2106.10199), 5 seeds'
        """
        if self.purpose or not (self.title or self.arxiv):
            return self.purpose
        named = " ".join(filter(None, [self.title, f"(arXiv {self.arxiv})" if self.arxiv else ""]))
        return f"{named}, {self.seeds} seed{'s' * (self.seeds != 1)}"


def _names(value: object) -> bool:
    return kinds.TEXTS[1](value) and all(re.fullmatch(r"\w+", name) for name in value)


_SETTINGS: dict[str, kinds.Kind] = {
    "seeds": kinds.whole(1, MOST_SEEDS),
    "device": kinds.choice("cpu", "cuda", "auto"),
    "tables": ('a list of names, each once, such as ["table1", "claims"]', _names),
}


_OPTIONAL: dict[str, kinds.Kind] = {
    "threads": kinds.whole(0, 1024),
    "purpose": kinds.TEXT,
    "checksums": ("true or false", lambda value: isinstance(value, bool)),
    "title": kinds.TEXT,
    "arxiv": ("an id of arXiv, such as '2506.21119'", lambda x: bool(re.fullmatch(r"[0-9]{4}\.[0-9]{4,5}", str(x)))),
}


def suites() -> list[str]:
    """The suites there are: the folders below recipes/, here and in included folders. BadInput for a name twice."""
    entries = [entry for folder in _folders() if folder.is_dir() for entry in folder.iterdir()]
    names = sorted(entry.name for entry in entries if (entry / "suite.toml").is_file())
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadInput(f"two folders have a suite {twice[0]!r}: give the included one another name")
    return names


def home(suite: str, root: Path) -> Path:
    """The folder that holds a suite's `recipes` and `expected`: an included one, or else `root`."""
    return next((folder for folder in places.included() if (folder / "recipes" / suite / "suite.toml").is_file()), root)


def settings(suite: str) -> SuiteSettings:
    """A suite's own settings, from its suite.toml. Raises BadInput naming file, field and what is allowed."""
    path = _of(suite) / "suite.toml"
    content = kinds.fields(read_toml(path), str(path), _SETTINGS, _OPTIONAL)
    return SuiteSettings(**content | {"tables": tuple(content["tables"])})


def read(
    suite: str, file: str, *, model: str, schedule: str, task: str, tuning: str = "full", variant: str = ""
) -> Recipe:
    """The recipe for one model, tuning, schedule and task: the file's layers, each laid over the one before.

    The layers are [defaults], [tasks.<task>], [tunings.<tuning>], [tunings.<tuning>.tasks.<task>] and, for a variant,
    [tunings.<tuning>.variants.<variant>] with its own tasks; its `schedules`, if it has them, are those it is for.
    Raises BadInput naming file, field and what is allowed, for a value that is absent, unknown, or out of range.
    """
    path = _of(suite) / f"{file}.toml"
    content = _file(path)
    layers = [content["defaults"] | {"tasks": content.get("tasks", {})}, content.get("tunings", {}).get(tuning, {})]
    if variant:
        known = layers[1].get("variants", {})
        if variant not in known:
            raise BadInput(f"{path}: no [tunings.{tuning}.variants.{variant}]; there are {', '.join(known) or 'none'}")
        layers.append(known[variant])
    entries: dict[str, Any] = {}
    for layer in layers:
        entries |= {name: entry for name, entry in layer.items() if name not in ("tasks", "variants", "schedules")}
        entries |= layer.get("tasks", {}).get(task, {})
    values = {"model": model} | {field: entry["value"] for field, entry in entries.items()}
    values |= {"suite": suite, "tuning": tuning, "schedule": schedule, "task": task, "variant": variant}
    return allowed.checked(values, str(path))


def variants(suite: str, file: str, tuning: str, schedule: str = "") -> list[str]:
    """The names of a tuning's variants in a recipe file; with a schedule, of those that change something in it."""
    tried = _file(_of(suite) / f"{file}.toml").get("tunings", {}).get(tuning, {}).get("variants", {})
    return [name for name, variant in tried.items() if not schedule or schedule in variant.get("schedules", [schedule])]


# A recipe is found by these, so its file does not set them; but a variant may be of another model.
_NAMED = {"suite", "model", "tuning", "schedule", "task", "variant"}


_SOUND: dict[Path, dict[str, Any]] = {}  # recipe files that were looked at, by what `read_toml` keeps of them
_WHOLE: dict[Path, dict[str, Any]] = {}  # with what they inherit


def _file(path: Path, heirs: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe file's content, if each layer of it has the shape of one, also those that nobody asks for now.

    With `inherits = "paper/peft"` it is that file's, and what this one says is laid over it, field by field. Each file
    is looked at once, and again when it has been read anew.
    """
    read = read_toml(path)
    if _SOUND.get(path) is read:
        return _WHOLE[path]
    content = dict(read)
    if inherited := content.pop("inherits", ""):
        kinds.require(inherited, _INHERITED, f"{path}: inherits")
        suite, _, name = inherited.partition("/")
        parent = _of(suite) / f"{name}.toml"
        if parent in (path, *heirs):
            raise BadInput(f"{path}: inherits = {inherited!r}: a file cannot inherit from itself")
        content = _laid_over(_file(parent, (path, *heirs)), content)
    if "defaults" not in content:
        raise BadInput(f"{path}: no [defaults]")
    if unknown := sorted(set(content) - {"defaults", "tasks", "tunings"}):
        raise BadInput(f"{path}: unknown [{unknown[0]}]; known are [defaults], [tasks.…] and [tunings.…]")
    for place, layer in _layers(path, content):
        for field, entry in kinds.table(layer, f"{path}: [{place}]").items():
            if field in (_NAMED - {"model"} if ".variants." in place else _NAMED):
                raise BadInput(f"{path}: [{place}] {field} is for a table's row to say, not for a recipe")
            whole = isinstance(entry, dict) and set(entry) == {"value", "source"} and kinds.TEXT[1](entry["source"])
            if not whole:
                wanted = "{ value = ..., source = '...' }"
                raise BadInput(f"{path}: [{place}] {field} must be written {wanted}, got {kinds.shown(entry)}")
    _SOUND[path], _WHOLE[path] = read, content
    return content


_INHERITED: kinds.Kind = (
    "a suite and a recipe file of it, such as 'paper/peft'",
    lambda value: isinstance(value, str) and bool(re.fullmatch(r"[\w.-]+/[\w.-]+", value)),
)


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Two tables as one; a value with its source is replaced as a whole."""
    both = {
        name: _laid_over(below[name], value)
        for name, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(name), dict) and "value" not in value
    }
    return below | above | both


def _layers(path: Path, content: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of each layer of a recipe file, and where they stand."""
    yield "defaults", content["defaults"]
    yield from _by_task(path, "tasks", content.get("tasks", {}))
    for tuning, layer in kinds.table(content.get("tunings", {}), f"{path}: [tunings]").items():
        if tuning not in TUNINGS:
            raise BadInput(f"{path}: unknown [tunings.{tuning}]; known are {', '.join(TUNINGS)}")
        place = f"tunings.{tuning}"
        yield from _layer(path, place, kinds.table(layer, f"{path}: [{place}]"), "tasks", "variants")
        tried = kinds.table(layer.get("variants", {}), f"{path}: [{place}.variants]")
        for name, variant in tried.items():
            inner = f"{place}.variants.{name}"
            kinds.require(name, kinds.NAME, f"{path}: [{place}.variants]: a variant's name")  # part of a file's path
            fields = kinds.table(variant, f"{path}: [{inner}]")
            if "schedules" in fields:
                kinds.require(fields["schedules"], kinds.TEXTS, f"{path}: [{inner}] schedules")
            yield from _layer(path, inner, fields, "tasks", "schedules")


def _layer(path: Path, place: str, layer: dict[str, Any], *deeper: str) -> Iterator[tuple[str, Any]]:
    yield place, {field: entry for field, entry in layer.items() if field not in deeper}
    yield from _by_task(path, f"{place}.tasks", layer.get("tasks", {}))


def _by_task(path: Path, place: str, layers: Any) -> Iterator[tuple[str, Any]]:
    for task, fields in kinds.table(layers, f"{path}: [{place}]").items():
        if task not in tasks():
            raise BadInput(f"{path}: unknown [{place}.{task}]; known are {', '.join(tasks())}")
        yield f"{place}.{task}", fields


def _of(suite: str) -> Path:
    """The folder of a suite's recipes."""
    places_of = (folder / suite for folder in _folders()[1:])
    return next((place for place in places_of if (place / "suite.toml").is_file()), _folder() / suite)


def _folders() -> list[Path]:
    return [_folder(), *(folder / "recipes" for folder in places.included())]


def _folder() -> Path:
    return places.PACKAGE / "recipes"
