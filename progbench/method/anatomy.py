"""Eq. 1: a Hugging Face model as embeddings E, blocks B1 ... BL and head H; freeze it to a stage; count it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from progbench.errors import BadInput
from progbench.method.layout import base_of, blocks_of, layout_of, listed
from progbench.method.schedule import Schedule, Stage, require_depth
from progbench.method.tuning import tuned

Parameters = tuple[nn.Parameter, ...]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The parameters that may train, each in exactly one of embeddings, a block, or the head (Eq. 1).

    >>> from progbench.models.loading import build
    >>> from progbench.models.spec import spec
    >>> from progbench.method import schedule
    >>> model = build(spec("tiny-bert"), num_labels=2)
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
    frozen: Parameters = ()

    @classmethod
    def of(cls, model: nn.Module, tuning: str = "full") -> Anatomy:
        """Take apart a BERT or RoBERTa model from transformers, with whatever head it has.

        With a tuning other than "full" the parts hold what that tuning trains (Algorithm 1, line 2), and the rest is
        `frozen` in every stage; `apply_tuning` has added adapters or LoRA matrices before.

        Raises BadInput for an architecture it does not know, naming the ones it does and how to take the model apart
        by hand (`Anatomy.split`), for a tuning it does not know, and for a model without what the tuning trains.
        """
        layout = layout_of(model)
        base = base_of(model)
        outside = [module for module in model.children() if module is not base] if model is not base else []
        pooler = getattr(base, layout.pooler, None)
        whole = cls.split(
            model,
            embeddings=[base.get_submodule(layout.embeddings)],
            blocks=blocks_of(model, layout),
            head=[*([] if pooler is None else [pooler]), *outside],
        )
        return whole if tuning == "full" else whole.restrict(tuned(model, tuning))

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
            raise BadInput(f"{type(model).__name__}: in no part of Eq. 1 (embeddings, blocks, head): {listed(left)}")
        return cls(
            type(model).__name__,
            tuple(found["embeddings"]),
            tuple(tuple(found[f"block {number}"]) for number in range(len(blocks))),
            tuple(found["head"]),
        )

    def restrict(self, parameters: Iterable[nn.Parameter]) -> Anatomy:
        """The same parts with these parameters in the place of whole blocks (section 3); the rest never trains.

        >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 2))
        >>> whole = Anatomy.split(net, embeddings=[net[0]], blocks=[net[1]], head=[net[2]])
        >>> whole.restrict([net[1].bias, *net[2].parameters()]).count(Stage(range(1)))
        14

        For a method of your own, or of peft: whatever requires a gradient once that has been set up. Raises BadInput
        for a parameter that is in no part.
        """
        wanted = {id(parameter) for parameter in parameters}
        if wanted - {id(parameter) for parameter in self.parameters()}:
            raise BadInput(f"{self.name}: a parameter to train is in no part of this anatomy")

        def kept(part: Parameters) -> Parameters:
            return tuple(parameter for parameter in part if id(parameter) in wanted)

        rest = tuple(parameter for parameter in self.parameters() if id(parameter) not in wanted)
        blocks = tuple(map(kept, self.blocks))
        return Anatomy(self.name, kept(self.embeddings), blocks, kept(self.head), (*self.frozen, *rest))

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
        for parameter in (*self.parameters(), *self.frozen):
            parameter.requires_grad_(id(parameter) in live)
            if id(parameter) not in live:
                parameter.grad = None

    def unfreeze(self) -> None:
        """Let everything that may train do so again, as before the first stage."""
        for parameter in self.parameters():
            parameter.requires_grad_(True)
