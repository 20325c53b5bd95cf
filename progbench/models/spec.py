"""The models known by name: their dimensions, and where their weights come from. No torch."""

from __future__ import annotations

import functools
import importlib.resources
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path

from progbench.errors import BadInput
from progbench.files import read_toml

UNSCORED = ("source", "seen", "random")  # what is said of a model, and moves no score
HELD = ("activation", "dropout", "layer_norm_eps")  # what weights were made for: a folder that differs is refused


@dataclass(frozen=True)
class ModelSpec:
    """One entry of models.toml.

    >>> spec("bert-base-uncased").blocks
    12

    `position_buckets` is how many distances MPNet's bias by relative position tells apart.
    `hub` with `revision`, or `package` with `folder`, say where the weights are; without either, PROGBENCH_MODELS must
    hold them. A `random` model is built from its dimensions with random weights (the smoke suite). `activation`,
    `dropout` and `layer_norm_eps` are those that its weights were made for. `seen` names the tasks whose data its
    weights were trained on, so that its scores there are not clean.
    """

    name: str
    architecture: str
    blocks: int
    hidden: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    token_types: int
    source: str
    initializer_range: float = 0.02
    position_buckets: int | None = None
    activation: str = "gelu"
    dropout: float = 0.1
    layer_norm_eps: float = 1e-12
    seen: tuple[str, ...] = ()
    hub: str = ""
    revision: str = ""
    package: str = ""
    folder: str = ""
    random: bool = False

    @property
    def readable(self) -> int:
        """The most tokens it reads: RoBERTa's and MPNet's positions start above the padding token's id, which is 1."""
        return self.positions - (2 if self.architecture in ("roberta", "mpnet") else 0)

    def identity(self) -> dict[str, str | int | float]:
        """What of this entry can move a score, for the recipe's digest: everything but what is said of it.

        What a folder's own configuration is held to, and what was added since, counts where it is not the usual.
        """
        usual = {field.name: field.default for field in fields(self) if field.name in HELD}
        content = {
            name: value for name, value in asdict(self).items() if name not in UNSCORED and value not in ("", None)
        }
        if not self.random:
            return {name: value for name, value in content.items() if name not in HELD}
        return {name: value for name, value in content.items() if name not in HELD or value != usual[name]}


@functools.cache
def specs() -> dict[str, ModelSpec]:
    """Every model of models.toml by its short name. Raises BadInput, naming entry and field, for an unsound one."""
    entries = read_toml(Path(str(importlib.resources.files(__package__))) / "models.toml")
    return {name: _read(name, entry) for name, entry in entries.items()}


_KINDS: dict[str, tuple[type, str]] = {
    "str": (str, "a text"),
    "int": (int, "a whole number of at least 0"),
    "int | None": (int, "a whole number of at least 0"),
    "float": (float, "a number with a point or an exponent"),
    "bool": (bool, "true or false"),
    "tuple[str, ...]": (list, "a list of texts"),
}


def _read(name: str, entry: object) -> ModelSpec:
    if not isinstance(entry, dict):
        raise BadInput(f"models.toml: {name} = {entry!r}: an entry is a table, [{name}]")
    known = {field.name: field for field in fields(ModelSpec) if field.name != "name"}
    if unknown := sorted(set(entry) - set(known)):
        raise BadInput(f"models.toml: [{name}]: unknown field {unknown[0]}; known are {', '.join(known)}")
    if absent := [key for key, field in known.items() if field.default is MISSING and key not in entry]:
        raise BadInput(f"models.toml: [{name}]: no {absent[0]}")
    for key, value in entry.items():
        kind, wanted = _KINDS[str(known[key].type)]
        if (
            type(value) is not kind
            or (kind is int and value < 0)
            or (kind is list and not all(type(one) is str for one in value))
        ):
            raise BadInput(f"models.toml: [{name}]: {key} = {value!r}: wanted is {wanted}")
    if entry.get("random") and (entry.get("hub") or entry.get("package")):
        raise BadInput(f"models.toml: [{name}]: random = true, and yet it names weights; one of the two")
    return ModelSpec(name=name, **entry | {"seen": tuple(entry.get("seen", ()))})


def spec(name: str) -> ModelSpec:
    """The model called `name`: its short name, its hub id, or the hub id's last part.

    >>> spec("google-bert/bert-base-uncased") is spec("bert-base")
    True

    Raises BadInput for an unknown name, listing the known ones.
    """
    for model in specs().values():
        if name and name in (model.name, model.hub, model.hub.rpartition("/")[2]):
            return model
    raise BadInput(f"unknown model {name!r}: known are {', '.join(specs())}; for any other, pass the model object")
