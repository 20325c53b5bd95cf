"""The models known by name: their dimensions, and where their weights come from. No torch."""

from __future__ import annotations

import functools
import importlib.resources
import tomllib
from dataclasses import asdict, dataclass

from progbench.errors import BadInput

UNSCORED = ("source", "seen")  # what is said of a model, and moves no score


@dataclass(frozen=True)
class ModelSpec:
    """One entry of models.toml.

    >>> spec("bert-base-uncased").blocks
    12

    `position_buckets` is how many distances MPNet's bias by relative position tells apart.
    `hub` with `revision`, or `package` with `folder`, say where the weights are; with neither the model is built from
    its dimensions with random weights (the smoke suite). `seen` names the tasks whose data its weights were trained on,
    so that its scores there are not clean.
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
    seen: tuple[str, ...] = ()
    hub: str = ""
    revision: str = ""
    package: str = ""
    folder: str = ""

    @property
    def readable(self) -> int:
        """The most tokens it reads: RoBERTa's and MPNet's positions start above the padding token's id, which is 1."""
        return self.positions - (2 if self.architecture in ("roberta", "mpnet") else 0)

    @property
    def random(self) -> bool:
        return not (self.hub or self.package)

    def identity(self) -> dict[str, str | int | float]:
        """What of this entry can move a score, for the recipe's digest: everything but what is said of it."""
        return {key: value for key, value in asdict(self).items() if key not in UNSCORED and value not in ("", None)}


@functools.cache
def specs() -> dict[str, ModelSpec]:
    """Every model of models.toml by its short name."""
    text = (importlib.resources.files(__package__) / "models.toml").read_text(encoding="utf-8")
    entries = tomllib.loads(text).items()
    return {name: ModelSpec(name=name, **entry | {"seen": tuple(entry.get("seen", ()))}) for name, entry in entries}


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
