"""Suites and their recipes, read from the folders beside this file; what is wrong in them is refused. No torch."""

from __future__ import annotations

import importlib.resources
import math
import re
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from progbench.errors import BadInput
from progbench.files import read_toml
from progbench.method import schedule
from progbench.method.counting import sizes
from progbench.method.options import TUNINGS
from progbench.models.spec import spec, specs
from progbench.recipes.recipe import Recipe
from progbench.tasks.catalog import tasks


@dataclass(frozen=True)
class SuiteSettings:
    """What a suite has and how it runs: nothing of the recipe, so not in its digest.

    `tables` names the files of expected/<suite>/ that the suite has: its tables and figures, and "claims". `device`
    is "cpu", "cuda" (a cell is missing without a GPU), or "auto" (a GPU if there is one). `threads` is how many CPU
    threads torch uses; 0 leaves that to torch. Seeds and device are defaults of the command line.
    """

    seeds: int
    device: str
    tables: tuple[str, ...]
    threads: int = 0


def suites() -> list[str]:
    """The suites there are: the folders below recipes/."""
    return sorted(entry.name for entry in _folder().iterdir() if (entry / "suite.toml").is_file())


def settings(suite: str) -> SuiteSettings:
    """A suite's own settings, from its suite.toml."""
    path = _folder() / suite / "suite.toml"
    try:
        found = SuiteSettings(**read_toml(path))
    except TypeError as problem:
        raise BadInput(f"{path}: seeds, device, tables and perhaps threads are wanted: {problem}") from None
    if found.device not in ("cpu", "cuda", "auto"):
        raise BadInput(f"{path}: device = {found.device!r}: allowed are cpu, cuda, auto")
    if not (isinstance(found.seeds, int) and found.seeds >= 1):
        raise BadInput(f"{path}: seeds = {found.seeds!r}: allowed is a whole number of at least 1")
    names = found.tables if isinstance(found.tables, list) else []
    plain = all(isinstance(name, str) and re.fullmatch(r"\w+", name) for name in names)
    if not names or not plain or len({*names}) < len(names):
        allowed = 'a list of names, each once, such as ["table1", "claims"]'
        raise BadInput(f"{path}: tables = {found.tables!r}: allowed is {allowed}")
    return replace(found, tables=tuple(names))


def read(
    suite: str, file: str, *, model: str, schedule: str, task: str, tuning: str = "full", variant: str = ""
) -> Recipe:
    """The recipe for one model, tuning, schedule and task: the file's layers, each laid over the one before.

    The layers are [defaults], [tasks.<task>], [tunings.<tuning>], [tunings.<tuning>.tasks.<task>] and, for a variant,
    [tunings.<tuning>.variants.<variant>] with its own tasks. Raises BadInput naming file, field and what is allowed,
    for a value that is absent, unknown, or out of range.
    """
    path = _folder() / suite / f"{file}.toml"
    content = read_toml(path)
    if "defaults" not in content:
        raise BadInput(f"{path}: no [defaults]")
    if unknown := sorted(set(content) - {"defaults", "tasks", "tunings"}):
        raise BadInput(f"{path}: unknown [{unknown[0]}]; known are [defaults], [tasks.…] and [tunings.…]")
    if tuning not in TUNINGS:
        raise BadInput(f"{path}: tuning = {tuning!r}: allowed are {', '.join(TUNINGS)}")
    if unknown := sorted(set(content.get("tunings", {})) - set(TUNINGS)):
        raise BadInput(f"{path}: unknown [tunings.{unknown[0]}]; known are {', '.join(TUNINGS)}")
    layers = [content["defaults"] | {"tasks": content.get("tasks", {})}, content.get("tunings", {}).get(tuning, {})]
    if variant:
        known = layers[1].get("variants", {})
        if variant not in known:
            raise BadInput(f"{path}: no [tunings.{tuning}.variants.{variant}]; there are {', '.join(known) or 'none'}")
        layers.append(known[variant])
    entries: dict[str, Any] = {}
    for layer in layers:
        by_task = layer.get("tasks", {})
        if unknown := sorted(set(by_task) - set(tasks())):
            raise BadInput(f"{path}: unknown [tasks.{unknown[0]}]; known are {', '.join(tasks())}")
        own = {name: entry for name, entry in layer.items() if name not in ("tasks", "variants")}
        own |= by_task.get(task, {})
        a_variants = bool(variant) and layer is layers[-1]
        if strange := sorted((_NAMED - {"model"} if a_variants else _NAMED) & set(own)):
            raise BadInput(f"{path}: {strange[0]} is for a table's row to say, not for a recipe")
        entries |= own
    for field, entry in entries.items():
        if not isinstance(entry, dict) or not entry.get("source") or "value" not in entry:
            raise BadInput(f"{path}: {field} must be written {{ value = ..., source = '...' }}, got {entry!r}")
    values = {"model": model} | {field: entry["value"] for field, entry in entries.items()}
    values |= {"suite": suite, "tuning": tuning, "schedule": schedule, "task": task, "variant": variant}
    _check(values, str(path))
    return Recipe(**values)


def variants(suite: str, file: str, tuning: str) -> list[str]:
    """The names of a tuning's variants in a recipe file.

    >>> variants("paper", "peft", "lora")
    ['alpha-16', 'bert-base', 'fp32']
    """
    content = read_toml(_folder() / suite / f"{file}.toml")
    return list(content.get("tunings", {}).get(tuning, {}).get("variants", {}))


_ALLOWED = {
    "epochs": ("a whole number of at least 1", lambda x: isinstance(x, int) and x >= 1),
    "learning_rate": ("a number above 0", lambda x: x > 0),
    "batch_size": ("a whole number of at least 1", lambda x: isinstance(x, int) and x >= 1),
    "max_length": ("a whole number of at least 8", lambda x: isinstance(x, int) and x >= 8),
    "warmup": ("a share from 0 to 1", lambda x: 0 <= x <= 1),
    "weight_decay": ("a number of at least 0", lambda x: x >= 0),
    "adam_beta1": ("a number from 0 to below 1", lambda x: 0 <= x < 1),
    "adam_beta2": ("a number from 0 to below 1", lambda x: 0 <= x < 1),
    "adam_epsilon": ("a number above 0", lambda x: x > 0),
    "clip_norm": ("a number above 0", lambda x: x > 0),
    "train_questions": ("a whole number of at least 1", lambda x: isinstance(x, int) and x >= 1),
    "doc_stride": ("a whole number of at least 0", lambda x: isinstance(x, int) and x >= 0),
    "n_best": ("a whole number of at least 1", lambda x: isinstance(x, int) and x >= 1),
    "max_answer_length": ("a whole number of at least 1", lambda x: isinstance(x, int) and x >= 1),
    "null_threshold": ("a number", lambda x: True),
}


# A recipe is found by these, so its file does not set them; but a variant may be of another model.
_NAMED = {"suite", "model", "tuning", "schedule", "task", "variant"}
_CHOICES = {"task": tuple(tasks()), "decay": ("linear", "constant"), "precision": ("fp32", "tf32", "bf16")}
_WHOLE = ("epochs", "batch_size", "max_length", "train_questions", "doc_stride", "n_best", "max_answer_length")
_OF_TASKS = {name for task in tasks().values() for name in task.recipe_fields} | {"train_questions"}


def _check(values: dict, where: str) -> None:
    known = [field.name for field in fields(Recipe)]
    if unknown := sorted(set(values) - set(known)):
        raise BadInput(f"{where}: unknown field {', '.join(unknown)}; known are {', '.join(known)}")
    for name, choices in _CHOICES.items():
        if values.get(name, choices[0]) not in choices:
            raise BadInput(f"{where}: {name} = {values[name]!r}: allowed are {', '.join(choices)}")
    own = {*tasks()[values["task"]].recipe_fields}
    options = {f"{values['tuning']}_{name}" for name in TUNINGS[values["tuning"]]} | own
    wanted = {field.name for field in fields(Recipe) if field.default is MISSING} | options
    if absent := [name for name in known if name in wanted and name not in values]:
        raise BadInput(f"{where}: no value for {', '.join(absent)}")
    if strange := [name for name in values if name.partition("_")[0] in TUNINGS and name not in options]:
        raise BadInput(f"{where}: {strange[0]} is no option of the tuning {values['tuning']}")
    if strange := sorted((_OF_TASKS & set(values)) - own - ({"train_questions"} if own else set())):
        raise BadInput(f"{where}: {strange[0]} means nothing to the task {values['task']}")
    for name, (allowed, fits) in _ALLOWED.items():
        if name not in values:
            continue
        number = isinstance(values[name], int | float) and not isinstance(values[name], bool)
        if not number or not math.isfinite(values[name]) or not fits(values[name]):
            raise BadInput(f"{where}: {name} = {values[name]!r}: allowed is {allowed}")
        if not isinstance(values[name], int) or name not in _WHOLE:
            values[name] = float(values[name])  # so that 1 and 1.0 are one recipe
    if not isinstance(cached := values.get("prefix_cache", False), bool) or (
        cached and values["tuning"] in ("full", "bitfit")
    ):
        raise BadInput(
            f"{where}: prefix_cache = {cached!r}: allowed is true or false, and true only where the tuning leaves the "
            "embeddings frozen (adapter, lora)"
        )
    model = spec(values["model"]) if values["model"] in specs() else None
    if model and values["max_length"] > model.readable:
        raise BadInput(f"{where}: max_length = {values['max_length']}: {model.name} reads {model.readable} tokens")
    if values.get("doc_stride", 0) >= values["max_length"]:
        raise BadInput(f"{where}: doc_stride = {values['doc_stride']}: allowed is less than max_length")
    try:
        schedule.named(values["schedule"], spec(values["model"]).blocks, values["epochs"])
        given = {name: values[f"{values['tuning']}_{name}"] for name in TUNINGS[values["tuning"]]}
        sizes(spec(values["model"]), 2, values["tuning"], **given)
    except (BadInput, ValueError) as problem:
        raise BadInput(f"{where}: {problem}") from None
    if "lora_alpha" in values:
        values |= {"lora_alpha": float(values["lora_alpha"]), "lora_targets": tuple(values["lora_targets"])}


def _folder() -> Path:
    return Path(str(importlib.resources.files(__package__)))
