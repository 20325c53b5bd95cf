"""What a recipe's values may be, whether a recipe file or a result has them. No torch."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from progbench import kinds
from progbench.errors import BadInput
from progbench.kinds import Kind, choice, number, whole
from progbench.method import schedule
from progbench.method.counting import sizes
from progbench.method.layout import LAYOUTS
from progbench.method.options import TUNINGS
from progbench.models.spec import spec, specs
from progbench.recipes.recipe import Recipe
from progbench.tasks.catalog import tasks

# The upper ends are far above anything sensible. They stop a slip of the hand (10**9 epochs are as many stages in
# memory) before it stops the machine.
ALLOWED: dict[str, Kind] = {
    "suite": kinds.NAME,
    "model": kinds.TEXT,
    "variant": ("'' or " + kinds.NAME[0], lambda x: x == "" or kinds.NAME[1](x)),
    "tuning": choice(*TUNINGS),
    "schedule": kinds.TEXT,
    "dataset": kinds.TEXT,
    "revision": kinds.ANY_TEXT,
    "epochs": whole(1, 1000),
    "learning_rate": number("above 0", lambda x: x > 0),
    "batch_size": whole(1, 100_000),
    "max_length": whole(8, 100_000),
    "warmup": ("a share from 0 to 1", lambda x: kinds.is_number(x) and 0 <= x <= 1),
    "weight_decay": number("of at least 0", lambda x: x >= 0),
    "adam_beta1": number("from 0 to below 1", lambda x: 0 <= x < 1),
    "adam_beta2": number("from 0 to below 1", lambda x: 0 <= x < 1),
    "adam_epsilon": number("above 0", lambda x: x > 0),
    "clip_norm": number("above 0", lambda x: x > 0),
    "decay": choice("linear", "constant"),
    "precision": choice("fp32", "tf32", "bf16"),
    "optimized": choice("all", "first_stage"),
    "adapter_reduction": whole(1, 100_000),
    "lora_rank": whole(1, 100_000),
    "lora_alpha": number("above 0", lambda x: x > 0),
    "lora_targets": kinds.TEXTS,
    "train_questions": whole(1, 1_000_000_000),
    "doc_stride": whole(0, 100_000),
    "n_best": whole(1, 1000),
    "max_answer_length": whole(1, 100_000),
    "null_threshold": number("", lambda x: True),
}
_KNOWN = [field.name for field in fields(Recipe)]
_WANTED = {field.name for field in fields(Recipe) if field.default is MISSING}
_FLOATS = {field.name for field in fields(Recipe) if str(field.type).startswith("float")}


def checked(values: dict[str, Any], where: str) -> Recipe:
    """The recipe with these values; those at their default may be left out.

    Raises BadInput naming the place, the field, and what is allowed: for a field that is unknown, absent, of another
    kind, out of range, or without meaning for the recipe's task, tuning or model. A whole number and its float are one
    recipe, where the field is no count.
    """
    if unknown := [name for name in values if name not in _KNOWN]:
        raise BadInput(f"{where}: unknown field {', '.join(unknown)}; known are {', '.join(_KNOWN)}")
    for name, value in values.items():
        kinds.require(value, choice(*tasks()) if name == "task" else ALLOWED[name], f"{where}: {name}")
    _require_fields(values, where)
    _require_sense(values, where)
    made = {name: float(value) if name in _FLOATS else value for name, value in values.items()}
    return Recipe(**{name: tuple(value) if isinstance(value, list) else value for name, value in made.items()})


def require(wanted: Recipe, where: str) -> None:
    """Raise BadInput, as `checked` does, for a recipe with a value that no recipe file may have: one from a result."""
    given = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    of_file = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    defaults = {field.name: field.default for field in fields(wanted)}
    checked({name: value for name, value in of_file.items() if value != defaults[name]}, where)


def _require_fields(values: dict[str, Any], where: str) -> None:
    if absent := sorted({"task", "tuning"} - set(values)):
        raise BadInput(f"{where}: no value for {', '.join(absent)}")
    own = {*tasks()[values["task"]].recipe_fields}
    options = {f"{values['tuning']}_{name}" for name in TUNINGS[values["tuning"]]}
    if absent := [name for name in _KNOWN if name in _WANTED | options | own and name not in values]:
        raise BadInput(f"{where}: no value for {', '.join(absent)}")
    if strange := [name for name in values if name.partition("_")[0] in TUNINGS and name not in options]:
        raise BadInput(f"{where}: {strange[0]} is no option of the tuning {values['tuning']}")
    of_tasks = {name for task in tasks().values() for name in task.recipe_fields} | {"train_questions"}
    if strange := sorted((of_tasks & set(values)) - own - ({"train_questions"} if own else set())):
        raise BadInput(f"{where}: {strange[0]} means nothing to the task {values['task']}")


def _require_sense(values: dict[str, Any], where: str) -> None:
    if values["model"] not in specs():  # a name on the hub would be found, but it is no name for a folder of results
        raise BadInput(f"{where}: unknown model {kinds.shown(values['model'])}: known are {', '.join(specs())}")
    model, length = spec(values["model"]), values["max_length"]
    if length > model.readable:
        raise BadInput(f"{where}: max_length = {length}: {model.name} reads {model.readable} tokens")
    if values.get("doc_stride", 0) >= length:
        raise BadInput(f"{where}: doc_stride = {values['doc_stride']}: allowed is less than max_length")
    if values.get("max_answer_length", 1) > length:
        raise BadInput(f"{where}: max_answer_length = {values['max_answer_length']}: allowed is at most max_length")
    try:
        schedule.named(values["schedule"], model.blocks, values["epochs"])
        given = {name: values[f"{values['tuning']}_{name}"] for name in TUNINGS[values["tuning"]]}
        if model.described and model.architecture in LAYOUTS:  # another model itself is asked, before its first step
            sizes(model, 2, values["tuning"], **given)
    except ValueError as problem:
        raise BadInput(f"{where}: {problem}") from None
