"""Eq. 1: a Hugging Face model as embeddings E, blocks B1 ... BL and head H; freeze it to a stage; count it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from progbench.counting import TUNINGS, require_depth
from progbench.errors import BadInput
from progbench.schedule import Schedule, Stage

# Where an architecture (config.model_type) keeps its parts, below `model.base_model`. What is outside the base model
# (the classifier) is head; so is what is named last here.
LAYOUTS = {
    "bert": ("embeddings", "encoder.layer", ("pooler",)),
    "roberta": ("embeddings", "encoder.layer", ("pooler",)),
}

Parameters = tuple[nn.Parameter, ...]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The parameters that may train, each in exactly one of embeddings, a block, or the head (Eq. 1).

    >>> from progbench import models, schedule
    >>> model = models.build(models.spec("tiny-bert"), num_labels=2)
    >>> anatomy = Anatomy.of(model)
    >>> anatomy.L
    4
    >>> anatomy.freeze(schedule.shrinking(L=4, T=2)[1])  # the second epoch trains blocks 2 and 3
    >>> [p.requires_grad for block in anatomy.blocks for p in block[:1]]
    [False, False, True, True]

    Assignment is by module, never by a parameter's name, so that a renamed or added weight is an error and not a
    weight that silently stays frozen.
    """

    name: str
    embeddings: Parameters
    blocks: tuple[Parameters, ...]
    head: Parameters

    @classmethod
    def of(cls, model: nn.Module, tuning: str = "full") -> Anatomy:
        """Take apart a BERT or RoBERTa model from transformers, with whatever head it has.

        Raises BadInput for an architecture it does not know, naming the ones it does and how to take the model apart
        by hand (`Anatomy.split`), and for a tuning it does not know.
        """
        if tuning not in TUNINGS:
            raise BadInput(f"unknown tuning {tuning!r}: known are {', '.join(TUNINGS)}")
        kind = getattr(getattr(model, "config", None), "model_type", None)
        if kind not in LAYOUTS:
            names = [name for name, _ in model.named_parameters()]
            raise BadInput(
                f"{type(model).__name__} has the unknown architecture {kind!r} (known: {', '.join(LAYOUTS)}); not "
                f"assigned: {_listed(names)}. Say where its parts are: Anatomy.split(model, embeddings=[module, ...], "
                "blocks=[module, ...], head=[module, ...])"
            )
        embeddings, blocks, head = LAYOUTS[kind]
        base = model.base_model
        outside = [module for module in model.children() if module is not base] if model is not base else []
        inside = [module for path in head if (module := getattr(base, path, None)) is not None]
        return cls.split(
            model,
            embeddings=[base.get_submodule(embeddings)],
            blocks=list(base.get_submodule(blocks)),
            head=inside + outside,
        )

    @classmethod
    def split(
        cls,
        model: nn.Module,
        *,
        embeddings: Iterable[nn.Module],
        blocks: Sequence[nn.Module],
        head: Iterable[nn.Module],
    ) -> Anatomy:
        """Take apart any model by naming the modules of E, of each block from low to high, and of H.

        >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
        >>> Anatomy.split(net, embeddings=[net[0]], blocks=[net[1], net[2]], head=[net[3]]).L
        2

        A parameter shared by embeddings and head (tied weights) counts once, as embeddings. Raises BadInput naming
        the parameters that no part holds, and those shared with a block: no stage could freeze one of its holders.
        """
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        owner: dict[int, str] = {}
        found: dict[str, list[nn.Parameter]] = {}
        parts = [("embeddings", list(embeddings)), ("head", list(head))]
        parts += [(f"block {number}", [block]) for number, block in enumerate(blocks)]
        for part, modules in parts:
            found[part] = []
            for parameter in (p for module in modules for p in module.parameters()):
                first = owner.setdefault(id(parameter), part)
                if first != part and part != "head":
                    raise BadInput(
                        f"{names.get(id(parameter), 'a parameter')} is shared by {first} and {part}: no stage can "
                        "freeze one and train the other"
                    )
                if first == part and not any(parameter is other for other in found[part]):
                    found[part].append(parameter)
        if left := [name for identity, name in names.items() if identity not in owner]:
            raise BadInput(f"{type(model).__name__}: in no part of Eq. 1 (embeddings, blocks, head): {_listed(left)}")
        return cls(
            type(model).__name__,
            tuple(found["embeddings"]),
            tuple(tuple(found[f"block {number}"]) for number in range(len(blocks))),
            tuple(found["head"]),
        )

    @property
    def L(self) -> int:
        return len(self.blocks)

    def parameters(self) -> list[nn.Parameter]:
        """Everything that may train in some epoch: what the optimizer is built over, once, before any stage."""
        return [*self.embeddings, *(parameter for block in self.blocks for parameter in block), *self.head]

    def trainable(self, stage: Stage) -> list[nn.Parameter]:
        """What trains in this stage: embeddings, its blocks, and the head. Raises BadInput for a block there is not."""
        if stage.blocks and not 0 <= min(stage.blocks) <= max(stage.blocks) < self.L:
            raise BadInput(f"the stage trains blocks {list(stage.blocks)}, but {self.name} has {self.L}")
        blocks = (parameter for number in stage.blocks for parameter in self.blocks[number])
        return [*self.embeddings, *blocks, *self.head]

    def count(self, stage: Stage) -> int:
        """How many elements train in this stage."""
        return sum(parameter.numel() for parameter in self.trainable(stage))

    def updated_parameters(self, schedule: Schedule) -> int:
        """Trainable elements summed over the epochs of a schedule. Raises BadInput if it is cut for another depth."""
        require_depth(schedule, self.L, self.name)
        return sum(self.count(stage) for stage in schedule)

    def freeze(self, stage: Stage) -> None:
        """Let exactly this stage train. Idempotent and reversible: the same call serves every schedule.

        A frozen parameter's gradient is dropped, not zeroed: AdamW moves a parameter whose gradient is zero, by its
        momentum and its weight decay, and passes over one that has none. What you froze yourself in a part that trains
        is unfrozen: the stage alone decides.
        """
        live = {id(parameter) for parameter in self.trainable(stage)}
        for parameter in self.parameters():
            parameter.requires_grad_(id(parameter) in live)
            if id(parameter) not in live:
                parameter.grad = None

    def unfreeze(self) -> None:
        """Let everything train again, as before the first stage."""
        for parameter in self.parameters():
            parameter.requires_grad_(True)


def _listed(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
