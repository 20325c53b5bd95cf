"""Recipes: everything that can change a score, read from recipes/<suite>/*.toml. No torch.

A recipe is one training run of the suite up to its seed. Its id says what it is, its digest whether it is still the
same one: results are filed under both, so an edited recipe starts anew and overwrites nothing.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
import math
import re
import tomllib
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from progbench import schedule
from progbench.counting import TUNINGS, sizes, updated_parameters
from progbench.errors import BadInput
from progbench.models import spec, specs
from progbench.schedule import Schedule
from progbench.tasks import tasks

# Raised by every change to code that can move a score (see CHANGELOG.md); part of every digest.
SCORES_VERSION = 5


@dataclass(frozen=True)
class Recipe:
    """One training run, up to its seed.

    >>> recipe = read("paper", "glue", model="bert-base", schedule="shrinking", task="rte")
    >>> recipe.id
    'bert-base-shrinking-rte'
    >>> recipe.build_schedule().stages[2].blocks
    range(8, 12)

    `warmup` is the share of all steps over which the learning rate rises; then it falls linearly to zero at the last
    step of the last epoch, or stays, with `decay = "constant"`. `batch_size` is in examples, `max_length` in tokens.
    `precision` "bf16" runs the model under autocast, with weights and optimizer in float32, and "tf32" lets a GPU
    round what it multiplies; `prefix_cache` keeps what the frozen lowest blocks make of each text, without their
    dropout.
    What only some tunings have (`adapter_…`, `lora_…`) is None in the others, and so is, outside SQuAD, what only that
    has: windows (which are its examples) overlap by `doc_stride` tokens; an answer is sought among the `n_best` starts
    and ends and has at most `max_answer_length` tokens; v2.0 answers nothing where that scores above the best span by
    more than `null_threshold`; and `train_questions`, where given, trains on the first so many.

    `variant` names a departure from the primary recipe, where sources conflict; what departs is in the other fields.
    """

    suite: str
    model: str
    tuning: str
    schedule: str
    task: str
    dataset: str
    revision: str
    epochs: int
    learning_rate: float
    batch_size: int
    max_length: int
    warmup: float
    weight_decay: float
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float
    clip_norm: float
    decay: str = "linear"
    precision: str = "fp32"
    prefix_cache: bool = False
    adapter_reduction: int | None = None
    lora_rank: int | None = None
    lora_alpha: float | None = None
    lora_targets: tuple[str, ...] | None = None
    train_questions: int | None = None
    doc_stride: int | None = None
    n_best: int | None = None
    max_answer_length: int | None = None
    null_threshold: float | None = None
    variant: str = ""

    @property
    def id(self) -> str:
        name = run_id(self.model, self.tuning, self.schedule, self.task)
        return f"{name}~{self.variant}" if self.variant else name

    @functools.cached_property  # every result file is looked up by it
    def digest(self) -> str:
        """Eight hex digits over the canonical recipe, its model's identity, and SCORES_VERSION.

        A field at its default is left out, so that a field added later leaves older results valid.
        """
        defaults = {field.name: field.default for field in fields(self)}
        content = {name: value for name, value in asdict(self).items() if value != defaults[name] and name != "variant"}
        content |= {"model": spec(self.model).identity(), "scores_version": SCORES_VERSION}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def tuning_options(self) -> dict[str, Any]:
        """The options of this recipe's tuning, as `apply_tuning` and `updated_parameters` take them."""
        return {name: getattr(self, f"{self.tuning}_{name}") for name in TUNINGS[self.tuning]}

    def build_schedule(self) -> Schedule:
        return schedule.named(self.schedule, spec(self.model).blocks, self.epochs)

    def planned(self) -> int:
        """The updated parameters this recipe's run must come to, by arithmetic alone."""
        task = tasks()[self.task]
        return updated_parameters(
            self.model,
            self.build_schedule(),
            self.tuning,
            num_labels=task.num_labels,
            head=task.head,
            **self.tuning_options,
        )


def run_id(model: str, tuning: str, schedule: str, last: str) -> str:
    """The name of a recipe (`last` is its task) or of a cell (`last` is its column).

    >>> run_id("bert-base", "full", "shrinking", "rte"), run_id("bert-base", "lora", "constant", "avg")
    ('bert-base-shrinking-rte', 'bert-base-lora-constant-avg')
    """
    return "-".join([model] + ([] if tuning == "full" else [tuning]) + [schedule, last])


def split_id(name: str) -> tuple[str, str, str]:
    """Undo `run_id`: the model with its tuning, the schedule, and the task or column.

    >>> split_id("bert-base-lora-constant-rte"), split_id("bert-base-single_block_b12-sst2")
    (('bert-base-lora', 'constant', 'rte'), ('bert-base', 'single_block_b12', 'sst2'))

    A name of another shape comes back whole, as the first.
    """
    found = re.fullmatch(rf"(.+)-({'|'.join(schedule.SCHEDULES)}|single_block_b\d+)-(.+)", name, re.DOTALL)
    return found.groups() if found else (name, "", "")


@dataclass(frozen=True)
class SuiteSettings:
    """How a suite runs: nothing of the recipe, so not in its digest.

    `device` is "cpu", "cuda" (a cell is missing without a GPU), or "auto" (a GPU if there is one). `threads` is how
    many CPU threads torch uses; 0 leaves that to torch. Seeds and device are defaults of the command line.
    """

    seeds: int
    device: str
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
        raise BadInput(f"{path}: seeds, device and perhaps threads are wanted: {problem}") from None
    if found.device not in ("cpu", "cuda", "auto"):
        raise BadInput(f"{path}: device = {found.device!r}: allowed are cpu, cuda, auto")
    if not (isinstance(found.seeds, int) and found.seeds >= 1):
        raise BadInput(f"{path}: seeds = {found.seeds!r}: allowed is a whole number of at least 1")
    return found


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
    ['alpha-16', 'bert-base']
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


@functools.cache
def read_toml(path: Path) -> dict:
    """A TOML file's content. Raises BadInput naming the file, and the line where it does not parse."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BadInput(f"{path}: cannot be read: {problem.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise BadInput(f"{path}: {problem}") from None


def _folder() -> Path:
    return Path(str(importlib.resources.files("progbench"))) / "recipes"
