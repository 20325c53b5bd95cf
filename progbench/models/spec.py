"""The models known by name: their dimensions, and where their weights come from. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from progbench import kinds, places
from progbench.errors import BadInput
from progbench.files import read_toml
from progbench.tasks.catalog import tasks

LIKE_ROBERTA = ("roberta", "mpnet", "xlm-roberta")  # architectures with its special tokens and position numbers
UNSCORED = ("source", "seen", "random", "path")  # what is said of a model, and moves no score
MOST_BLOCKS = 1000
# Those that transformers knows and that such models are made with; a test holds the names to transformers.
ACTIVATIONS = ("gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish", "tanh")


@dataclass(frozen=True)
class ModelSpec:
    """One entry of models.toml.

    >>> spec("bert-base-uncased").blocks
    12

    `hub` with `revision`, or `package` with `folder`, or the `path` of a person's own entry say where the weights are;
    else PROGBENCH_MODELS must hold them. Where an entry gives no sizes, the folder's configuration says all. A `random`
    model is built with random weights (the smoke suite). `position_buckets` is how many distances MPNet's bias by
    relative position tells apart. `seen` names the tasks whose data its weights were trained on. `configuration` holds
    what else of transformers' configuration is not at the architecture's default.
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
    path: str = ""
    random: bool = False
    configuration: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def readable(self) -> int:
        """The most tokens it reads: positions like RoBERTa's start above the padding token's id, which is 1."""
        return self.positions - (2 if self.architecture in LIKE_ROBERTA else 0)

    @property
    def described(self) -> bool:
        return self.hidden > 0

    @property
    def answers_to(self) -> tuple[str, ...]:
        """Every name that `spec` finds it by, each once: its own, the hub's, and the hub's last word."""
        return tuple(name for name in dict.fromkeys((self.name, self.hub, self.hub.rpartition("/")[2])) if name)

    def identity(self) -> dict[str, Any]:
        """What of this entry can move a score, for the recipe's digest: everything but what is said of it.

        What is the architecture's usual is left out: results are older than these fields.
        """
        like_bert = self.random or self.architecture == "bert"
        usual = {"activation": "gelu", "dropout": 0.1, "layer_norm_eps": 1e-12 if like_bert else 1e-5}
        content = {
            name: value for name, value in vars(self).items() if name not in UNSCORED and value not in ("", None, {})
        }
        return {name: value for name, value in content.items() if name not in usual or value != usual[name]}


@places.once
def specs() -> dict[str, ModelSpec]:
    """Every model of models.toml, and of included folders' own, by its short name. Raises BadInput for an unsound
    entry.
    """
    entries = dict(read_toml(Path(__file__).with_name("models.toml")))
    for path in places.files("models.toml"):
        for name, entry in read_toml(path).items():
            if name in entries:
                raise BadInput(f"{path}: [{name}]: there is a model of this name already")
            entries[name] = _like(entry, entries, f"{path}: [{name}]", path.parent)
    models = {name: _read(name, entry) for name, entry in entries.items()}
    _require_one_each(models.values())
    return models


def _like(entry: object, known: Mapping[str, dict], where: str, folder: Path) -> dict:
    """An entry with what it leaves to another, which it is `like`: all but its weights and what is said of it."""
    given = dict(kinds.table(entry, where))
    if "path" in given:
        kinds.require(given["path"], kinds.TEXT, f"{where}: path")
        given["path"] = str(folder / given["path"])
    if "like" not in given:
        return given
    other = given.pop("like")
    kinds.require(other, kinds.choice(*known), f"{where}: like")
    return {name: value for name, value in known[other].items() if name not in _NOT_ALIKE} | given


_NOT_ALIKE = ("hub", "revision", "package", "folder", "path", *UNSCORED)


def _require_one_each(models: Iterable[ModelSpec]) -> None:
    """Raise BadInput for a name that two entries answer to: which of them trains would hang on their order."""
    owner: dict[str, str] = {}
    for model in models:
        for name in model.answers_to:
            if owner.setdefault(name, model.name) != model.name:
                raise BadInput(
                    f"models.toml: [{owner[name]}] and [{model.name}] both answer to {name!r} (by name, hub, or the "
                    "hub's last word); leave one of them"
                )


_WANTED: dict[str, kinds.Kind] = {
    "architecture": kinds.TEXT,
    "source": kinds.TEXT,
    "blocks": kinds.whole(1, MOST_BLOCKS),
    "positions": kinds.whole(1, 10**7),
}
_SIZES: dict[str, kinds.Kind] = {
    **dict.fromkeys(("hidden", "heads", "intermediate", "vocabulary"), kinds.whole(1, 10**7)),
    "token_types": kinds.whole(0, 10**7),
}
_OPTIONAL: dict[str, kinds.Kind] = {
    "initializer_range": kinds.number("above 0", lambda x: x > 0),
    "position_buckets": kinds.whole(1, 10**7),
    "activation": kinds.choice(*ACTIVATIONS),
    "dropout": kinds.number("from 0 to below 1", lambda x: 0 <= x < 1),
    "layer_norm_eps": kinds.number("above 0", lambda x: x > 0),
    "seen": kinds.TEXTS,
    **dict.fromkeys(("hub", "revision", "package", "folder", "path"), kinds.TEXT),
    "random": ("true or false", lambda value: isinstance(value, bool)),
    "configuration": kinds.TABLE,
}


def _read(name: str, entry: object) -> ModelSpec:
    where = f"models.toml: [{name}]"
    kinds.require(name, kinds.NAME, "models.toml: the name of an entry")  # it stands in a result's path
    undescribed = isinstance(entry, dict) and "path" in entry and not set(entry) & set(_SIZES)
    read = kinds.fields(entry, where, _WANTED if undescribed else _WANTED | _SIZES, _OPTIONAL)
    sizes = dict.fromkeys(_SIZES, 0) if undescribed else {}
    model = ModelSpec(name=name, **sizes | read | {"seen": tuple(read.get("seen", ()))})
    if problem := _contradiction(model):
        raise BadInput(f"{where}: {problem}")
    return model


def _contradiction(model: ModelSpec) -> str:
    """What two fields of an entry, or a field and what there is, say against each other; nothing if they agree."""
    if model.random and (model.hub or model.package or model.path):
        return "random = true, and yet it names weights; one of the two"
    for first, second in (("hub", "revision"), ("package", "folder")):
        if model.path and first == "hub":
            continue  # a revision of the folder's own
        if bool(getattr(model, first)) != bool(getattr(model, second)):
            named, absent = (first, second) if getattr(model, first) else (second, first)
            return f"{named} = {getattr(model, named)!r} without {absent}: the two name weights together"
    if model.described and model.hidden % model.heads:
        return f"hidden = {model.hidden} does not divide by heads = {model.heads}"
    if model.readable < 1:
        return f"positions = {model.positions}: a {model.architecture} keeps 2 of them, and none is left for a text"
    if strange := [task for task in model.seen if task not in tasks()]:
        return f"seen = {strange[0]!r} is no task; known are {', '.join(tasks())}"
    return ""


def spec(name: str) -> ModelSpec:
    """The model called `name`: its short name, its hub id, or the hub id's last word.

    >>> spec("google-bert/bert-base-uncased") is spec("bert-base")
    True

    Raises BadInput for an unknown name, listing the known ones.
    """
    known = specs()
    named = known.get(name) or next((model for model in known.values() if name in model.answers_to), None)
    if named is None:
        raise BadInput(f"unknown model {name!r}: known are {', '.join(known)}; for any other, pass the model object")
    return named
