"""Eq. 1: a Hugging Face model as embeddings E, blocks B1 ... BL and head H; freeze it to a stage; count it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from torch import nn
from torch.optim import Optimizer

from progbench.errors import BadInput
from progbench.method.checks import Flags, moving_statistics, require_held, require_no_dead_block, require_unchanged
from progbench.method.choice import require_divided, unassigned
from progbench.method.dissect import pieces_of
from progbench.method.layout import EMBEDDINGS, HEAD, listed
from progbench.method.loops import LoopWatch, several_optimizers
from progbench.method.pieces import Piece, Place, assembled, placed, several, shown
from progbench.method.schedule import Schedule, Stage, require_depth
from progbench.method.tuning import require_tuned, tuned
from progbench.method.watch import StageWatch, two_forms_words
from progbench.method.wrappers import has_peft_layers, opened

Parameters = tuple[nn.Parameter, ...]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The parameters that may train, each in exactly one of embeddings, a block, or the head (Eq. 1).

    >>> from progbench.models.loading import build
    >>> from progbench.models.spec import spec
    >>> from progbench.method import schedule
    >>> anatomy = Anatomy.of(build(spec("tiny-bert"), num_labels=2))
    >>> anatomy.L
    4
    >>> anatomy.freeze(schedule.shrinking(L=4, T=2)[1])  # the second epoch trains blocks 2 and 3
    >>> [p.requires_grad for block in anatomy.blocks for p in block[:1]]
    [False, False, True, True]

    Parameters are assigned by module, not by name: an added weight is an error, and does not silently stay frozen.
    """

    name: str
    model: nn.Module
    pieces: tuple[Piece, ...]
    embeddings: Parameters
    blocks: tuple[Parameters, ...]
    head: Parameters
    frozen: Parameters = ()

    @classmethod
    def of(cls, model: nn.Module, tuning: str = "full", *, blocks: str | None = None) -> Anatomy:
        """Take apart any transformer with one stack of blocks, or with an encoder's and a decoder's.

        >>> import transformers
        >>> tiny = transformers.GPT2Config(n_layer=2, n_embd=4, n_head=1, vocab_size=9, n_positions=9, bos_token_id=1)
        >>> tiny.eos_token_id = 2
        >>> print(Anatomy.of(transformers.GPT2LMHeadModel(tiny)))
        GPT2LMHeadModel: 2 blocks, 568 parameters, 568 of them may train
        E       72  transformer.wte, transformer.wpe (before the blocks)
        B1-B2  244  each: transformer.h.0 to transformer.h.1
        H        8  transformer.ln_f (after the blocks)

        The rules are in `layout`. Wrapped models are opened (`wrappers.opened`); of a model with peft's layers, the
        components hold what requires a gradient. With a tuning other than "full" they hold what that tuning trains,
        which `apply_tuning` has added before, and the rest is `frozen` in every stage. `blocks` is the path of the list
        to take where a model has several stacks; the others train in every stage.

        Raises BadInput for a model that the rules do not fit, with an `Anatomy.split` to copy where there is a sound
        one; for an unknown tuning, and for a model without what the tuning trains or with another tuning.
        """
        inside = opened(model)
        blocks = require_tuned(inside, tuning, blocks)
        whole = cls._assembled(inside, pieces_of(inside, blocks))
        if tuning != "full":
            return whole.restrict(tuned(inside, tuning))
        return whole._restricted_to_peft()

    @classmethod
    def split(
        cls, model: nn.Module, *, embeddings: Iterable[Place], blocks: Iterable[Place], head: Iterable[Place]
    ) -> Anatomy:
        """Take apart any model by naming the modules of E, of each block from low to high, and of H.

        >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
        >>> Anatomy.split(net, embeddings=["0"], blocks=[net[1], net[2]], head=[net[3].weight, "3.bias"]).L
        2

        Each is a module, a parameter, or the path of one. Tied weights of embeddings and head count once, as
        embeddings. Raises BadInput for parameters in no component or shared with a block, and for several blocks given
        as one.
        """
        inside = opened(model)
        pieces = [placed(inside, EMBEDDINGS, place) for place in several(embeddings)]
        pieces += [placed(inside, f"block {number}", place) for number, place in enumerate(several(blocks))]
        pieces += [placed(inside, HEAD, place) for place in several(head)]
        anatomy = cls._assembled(inside, pieces)
        require_divided(inside, anatomy.L)
        return anatomy._restricted_to_peft()

    @classmethod
    def _assembled(cls, model: nn.Module, pieces: list[Piece]) -> Anatomy:
        components, left = assembled(model, pieces)
        if left:
            raise unassigned(model, left)
        embeddings, head = components.pop(EMBEDDINGS), components.pop(HEAD)
        return cls(type(model).__name__, model, tuple(pieces), embeddings, tuple(components.values()), head)

    def restrict(self, parameters: Iterable[nn.Parameter]) -> Anatomy:
        """The same components with these parameters in the place of whole blocks (section 3); the rest never trains.

        >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 2))
        >>> whole = Anatomy.split(net, embeddings=[net[0]], blocks=[net[1]], head=[net[2]])
        >>> whole.restrict([net[1].bias, *net[2].parameters()]).count(Stage(range(1)))
        14

        For a tuning of your own: pass what requires a gradient once it is set up. Raises BadInput for a parameter in no
        component, and if no block keeps a parameter: the schedule would have no effect.
        """
        wanted = {id(parameter) for parameter in parameters}
        if wanted - {id(parameter) for parameter in self.parameters()}:
            raise BadInput(f"{self.name}: a parameter to train is in no component of this anatomy")

        def kept(component: Parameters) -> Parameters:
            return tuple(parameter for parameter in component if id(parameter) in wanted)

        rest = tuple(parameter for parameter in self.parameters() if id(parameter) not in wanted)
        blocks = tuple(map(kept, self.blocks))
        if not any(blocks):
            raise BadInput(f"{self.name}: nothing that trains is in a block, so a schedule of blocks has no effect")
        return replace(
            self, embeddings=kept(self.embeddings), blocks=blocks, head=kept(self.head), frozen=(*self.frozen, *rest)
        )

    def _restricted_to_peft(self) -> Anatomy:
        if not has_peft_layers(self.model):
            return self
        return self.restrict([parameter for parameter in self.parameters() if parameter.requires_grad])

    def __str__(self) -> str:
        return shown(self.name, self.pieces, self.parameters(), self.frozen)

    @property
    def L(self) -> int:
        return len(self.blocks)

    def parameters(self) -> list[nn.Parameter]:
        """All that may train in some epoch; build the optimizer over it once, before any stage."""
        return [*self.embeddings, *(parameter for block in self.blocks for parameter in block), *self.head]

    def trainable(self, stage: Stage) -> list[nn.Parameter]:
        """The parameters of this stage: embeddings, its blocks, head. Raises BadInput for a block that there is not."""
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

        A frozen parameter's gradient is dropped, not zeroed: AdamW moves a parameter whose gradient is zero. What you
        froze inside the stage is unfrozen (`staged` leaves it frozen). Raises BadInput if the model's parameters
        changed.
        """
        require_unchanged(self.model, (*self.parameters(), *self.frozen))
        live = {id(parameter) for parameter in self.trainable(stage)}
        for parameter in (*self.parameters(), *self.frozen):
            parameter.requires_grad_(id(parameter) in live)
            if id(parameter) not in live:
                parameter.grad = None

    def unfreeze(self) -> None:
        """Let everything that may train do so again, as before the first stage."""
        for parameter in self.parameters():
            parameter.requires_grad_(True)

    def without_frozen(self, schedule: Schedule) -> Anatomy:
        """The same components without what is frozen now, so that a stage does not unfreeze it.

        Raises BadInput if a block that the schedule trains is wholly frozen, or for a schedule of another depth.
        """
        require_depth(schedule, self.L, self.name)
        numbers = sorted({number for stage in schedule for number in stage.blocks})
        require_no_dead_block(self.name, self.blocks, numbers)
        return self.restrict(parameter for parameter in self.parameters() if parameter.requires_grad)

    def ever_trained(self, schedule: Schedule) -> list[nn.Parameter]:
        return list({id(parameter): parameter for stage in schedule for parameter in self.trainable(stage)}.values())

    def names(self) -> dict[int, str]:
        return {id(parameter): name for name, parameter in self.model.named_parameters()}

    def modules_of(self, blocks: Iterable[int]) -> list[tuple[str, nn.Module]]:
        """The modules that make up these blocks, with their paths."""
        components, modules = {f"block {number}" for number in blocks}, dict(self.model.named_modules())
        paths = [piece.path for piece in self.pieces if piece.component in components]
        return [(path, modules[path]) for path in paths if path in modules]

    @contextlib.contextmanager
    def staged(
        self, schedule: Schedule, optimizer: Optimizer | Iterable[Optimizer] | None = None, *, unfreeze: bool = False
    ) -> Iterator[Iterator[Stage]]:
        """The stages of a schedule for a training loop of your own: the model is frozen to each as it comes.

        >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 2))
        >>> anatomy = Anatomy.split(net, embeddings=["0"], blocks=["1"], head=["2"])
        >>> with anatomy.staged(Schedule("head only", 1, (Stage(range(0)),))) as stages:
        ...     for stage in stages:
        ...         print(net[1].weight.requires_grad)  # train one epoch here
        False
        >>> net[1].weight.requires_grad
        True

        Afterwards, also after an exception or Ctrl-C, every `requires_grad` is as it was before. What you had frozen
        stays frozen, unless you say `unfreeze=True`. Each step is watched (`StageWatch`). Raises BadInput if the
        optimizers (those given, else those that stepped in the first stage) lack something that a stage trains, if the
        model was changed, for a schedule of another depth, and in a step in which a frozen parameter moves.
        """
        flags = Flags(self.model)
        require_depth(schedule, self.L, self.name)
        anatomy = self if unfreeze else self.without_frozen(schedule)
        wanted, names = anatomy.ever_trained(schedule), anatomy.names()
        if given := several_optimizers(optimizer):
            require_held(given, wanted, names)
        if moving := anatomy.moving_statistics(schedule):
            warnings.warn(moving, stacklevel=3)
        for words in filter(None, (two_forms_words(own, schedule) for own in given)):
            warnings.warn(words, stacklevel=3)
        loop = LoopWatch(StageWatch(anatomy), wanted, names)

        def stages() -> Iterator[Stage]:
            for stage in schedule:
                anatomy.freeze(stage)
                loop.enter(stage)
                yield stage
                loop.leave()

        try:
            with loop:
                yield stages()
        finally:
            flags.restore()

    def moving_statistics(self, schedule: Schedule) -> str:
        """A warning of batch normalisation in blocks that a stage freezes; "" where there is none."""
        frozen = {number for stage in schedule for number in range(self.L) if number not in stage.blocks}
        if not (moving := moving_statistics(self.modules_of(frozen))):
            return ""
        return (
            f"{self.name}: the running statistics of {listed(moving)} go on moving while their blocks are frozen, "
            "since a stage freezes parameters only. Put these modules into eval mode if that must not be"
        )
