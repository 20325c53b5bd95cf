"""Whether the stage, and nothing else, has gradients and moves while it lasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from progbench.errors import BadInput
from progbench.method.checks import moving_statistics
from progbench.method.layout import listed
from progbench.method.schedule import Schedule, Stage
from progbench.method.wrappers import has_peft_layers

SAMPLED = 64  # elements of each frozen tensor that are compared: what moves a tensor moves nearly all of it


class StageWatch:
    """Compares a stage with what a loop does: call `enter` after freezing, then around each optimizer step.

    >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    >>> from progbench.method.anatomy import Anatomy
    >>> anatomy = Anatomy.split(net, embeddings=["0"], blocks=["1"], head=["2"])
    >>> watch = StageWatch(anatomy)
    >>> anatomy.freeze(Stage(range(0)))
    >>> watch.enter(Stage(range(0)))
    >>> _ = net[1].requires_grad_(True)  # as peft's disable_adapter() does
    >>> watch.before_step()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    progbench.errors.BadInput: 2 parameters that this stage freezes were unfrozen while it lasted: 1.weight, 1.bias. ...

    64 elements of each frozen tensor are compared, bit by bit: on a CPU in every step; on a GPU, which a look makes
    wait, in the first step of a stage, at its end, and when torch's version counter of a tensor has moved. `extra` are
    parameters that train beside the model's: they are counted with the stage. `anatomy` is an Anatomy, whose module
    imports this one.
    """

    def __init__(self, anatomy: Any, extra: Iterable[nn.Parameter] = ()) -> None:
        self._anatomy = anatomy
        self._extra = list(extra)
        beside = {id(p): f"a weight of shape {tuple(p.shape)} beside the model, as of a loss" for p in self._extra}
        self._names = beside | anatomy.names()
        self._peft = has_peft_layers(anatomy.model)
        self._said: set[str] = set()
        self._frozen: list[nn.Parameter] = []
        self._unseen: dict[int, nn.Parameter] = {}
        self._versions: list[int] = []
        self._planned = self._steps = 0

    @property
    def trained(self) -> int:
        """How many elements train in this stage; after its first step, without those that had no gradient."""
        return self._planned - (sum(p.numel() for p in self._unseen.values()) if self._steps else 0)

    @property
    def unseen(self) -> list[str]:
        """The names of the stage's parameters that have had no gradient yet."""
        return [self._names[identity] for identity in self._unseen]

    def enter(self, stage: Stage) -> None:
        """Begin a stage, to which the model has just been frozen."""
        live = {id(p): p for p in (*self._anatomy.trainable(stage), *self._extra)}
        everything = (*self._anatomy.parameters(), *self._anatomy.frozen)
        self._frozen = [p for p in everything if id(p) not in live and not p.is_meta and p.numel()]
        self._unseen, self._planned, self._steps = live, sum(p.numel() for p in live.values()), 0
        self._began = {identity: p._version for identity, p in live.items()}
        self._cpu = all(p.device.type == "cpu" for p in self._frozen)
        self._remember()
        self._modules = self._frozen_modules(stage)
        self._buffers = {name: (buffer, _bits(_sample(buffer)).clone()) for name, buffer in self._moving()}

    def before_step(self) -> None:
        """Raise BadInput if something that this stage freezes was unfrozen; note what has a gradient."""
        if thawed := [p for p in self._frozen if p.requires_grad or p.grad is not None]:
            raise BadInput(
                f"{len(thawed)} parameters that this stage freezes were unfrozen while it lasted: "
                f"{listed(self._called(thawed), 3)}. {self._by_whom()}"
            )
        self._note_seen()

    def _require_same_kind(self) -> None:
        """Raise BadInput if what is frozen was converted or sent elsewhere: an optimizer's states do not follow."""
        for p, (device, dtype) in zip(self._frozen, self._as, strict=True):
            if (p.device, p.dtype) != (device, dtype):
                raise BadInput(
                    f"the model was converted while a stage lasts: {self._called([p])[0]} was {dtype} on {device}, and "
                    f"is {p.dtype} on {p.device}. Call .to(), .double(), .half() and the like before the first stage"
                )

    def after_step(self, optimizer: object) -> str:
        """Raise BadInput if the step moved what this stage freezes; gives a warning of buffers that moved, or ""."""
        self._note_seen()
        self._steps += 1
        versions = [p._version for p in self._frozen]
        if self._steps == 1 or self._cpu or versions != self._versions:
            self.require_still(optimizer)
            self._versions = versions
        if self._steps > 1:
            return ""
        moved = [name for name, now in self._moving() if self._has_moved(name, now) and name not in self._said]
        self._said |= set(moved)
        if not moved:
            return ""
        return (
            f"{self._anatomy.name}: buffers of frozen blocks go on moving, since a stage freezes parameters only: "
            f"{listed(moved)}. What these blocks compute changes with them; put their modules into eval mode, in which "
            "most buffers stand still, if that must not be"
        )

    def require_still(self, optimizer: object = None) -> None:
        """Raise BadInput if what this stage freezes is not what it was when the stage began, bit by bit."""
        self._require_same_kind()
        if [p.data_ptr() for p in self._frozen] == self._places and all(
            torch.equal(_bits(torch.cat(views)), kept) for views, kept in zip(self._views, self._kept, strict=True)
        ):
            return
        before = {id(p): bits for p, bits in self._samples()}
        if moved := [p for p in self._frozen if not torch.equal(_bits(_sample(p)), before[id(p)])]:
            raise BadInput(
                f"{len(moved)} of {len(self._frozen)} tensors that this stage freezes have moved, although they have "
                f"no gradient: {listed(self._called(moved), 3)}. {_mover(optimizer)}. Train with an optimizer that "
                "leaves alone what has no gradient (AdamW, SGD, Adafactor, Muon)"
            )
        self._remember()

    def unseen_words(self) -> str:
        """A warning of the stage's parameters that have had no gradient, once each; else ""."""
        new = [name for name in self.unseen if name not in self._said]
        if not new or len(self._unseen) == len(self._began):
            return ""
        self._said |= set(new)
        return (
            f"{self._anatomy.name}: {len(new)} parameters have no gradient although the stage trains them, and are not "
            f"counted as updated until they have one: {listed(new)}. The loss does not depend on them"
        )

    def _note_seen(self) -> None:
        for identity, p in [*self._unseen.items()]:
            if p.grad is not None or p._version != self._began[identity]:  # it may have been moved and cleared at once
                del self._unseen[identity]

    def _remember(self) -> None:
        """Keep a sample of all that is frozen, those of one device and type together, to compare them at once."""
        self._kinds: dict[tuple[torch.device, torch.dtype], list[nn.Parameter]] = {}
        for p in self._frozen:
            self._kinds.setdefault((p.device, p.dtype), []).append(p)
        self._views = [[_sample(p) for p in kind] for kind in self._kinds.values()]
        self._kept = [_bits(torch.cat(views)) for views in self._views]
        self._places = [p.data_ptr() for p in self._frozen]
        self._as = [(p.device, p.dtype) for p in self._frozen]
        self._versions = [p._version for p in self._frozen]

    def _samples(self) -> Iterator[tuple[nn.Parameter, torch.Tensor]]:
        """Each frozen tensor with its sample's bits, as they were kept."""
        for kind, views, kept in zip(self._kinds.values(), self._views, self._kept, strict=True):
            yield from zip(kind, kept.split([view.numel() * view.element_size() for view in views]), strict=True)

    def _frozen_modules(self, stage: Stage) -> list[tuple[str, nn.Module]]:
        """The modules of the blocks that a stage freezes, without batch normalisation, which has its own warning."""
        frozen = {f"block {number}" for number in range(self._anatomy.L) if number not in stage.blocks}
        modules = dict(self._anatomy.model.named_modules())
        paths = [piece.path for piece in self._anatomy.pieces if piece.component in frozen and piece.path in modules]
        places = [(path, modules[path]) for path in paths]
        spoken_of = {*moving_statistics(places)}
        inside = ((path, *named) for path, module in places for named in module.named_modules())
        modules_of = ((f"{path}.{name}" if name else path, module) for path, name, module in inside)
        return [(path, module) for path, module in modules_of if module._buffers and path not in spoken_of]

    def _moving(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every buffer of the frozen blocks, looked up anew: a module may put another tensor in its place."""
        for path, module in self._modules:
            for name, buffer in module._buffers.items():
                if buffer is not None and not buffer.is_meta and buffer.numel():
                    yield f"{path}.{name}", buffer

    def _has_moved(self, name: str, now: torch.Tensor) -> bool:
        before = self._buffers.get(name)
        return before is not None and not torch.equal(_bits(_sample(now)), before[1])

    def _called(self, parameters: Sequence[nn.Parameter]) -> list[str]:
        return [self._names[id(p)] for p in parameters]

    def _by_whom(self) -> str:
        if self._peft:
            return (
                "peft's disable_adapter(), set_adapter() and enable_adapters() do so, as in a reference pass without "
                "adapters: take the reference from a model of its own, or compute it before training "
                "(precompute_ref_log_probs in trl)"
            )
        return (
            "requires_grad_(True) and methods such as unfreeze() do so, on the model or some of it: call them before "
            "training, so that the schedule knows of it"
        )


def _mover(optimizer: object) -> str:
    name = type(optimizer).__name__
    if name == "LBFGS":
        return "LBFGS moves all that it holds along one direction"
    if has_two_forms(optimizer):
        return f"{name} keeps two forms of the weights and swaps them in eval() and train(), frozen or not"
    did = f"{name} did it" if optimizer is not None else "An optimizer did it"
    return f"{did}, or what copies averaged weights into the model (SWA, EMA, Lookahead)"


def has_two_forms(optimizer: object) -> bool:
    """Whether an optimizer swaps the weights in `eval()` and `train()`, as schedule-free ones do."""
    return all(callable(getattr(optimizer, name, None)) for name in ("train", "eval"))


def two_forms_words(optimizer: object, schedule: Schedule) -> str:
    """A warning of such an optimizer if a block trains and is frozen later; else ""."""
    trained, later = set[int](), False
    for stage in schedule:
        later = later or not trained <= {*stage.blocks}
        trained |= {*stage.blocks}
    if not later or not has_two_forms(optimizer):
        return ""
    return (
        f"{type(optimizer).__name__} keeps two forms of the weights: its eval() and train() move blocks that have "
        "trained and are frozen now. An evaluation during training is found in the next step and ends it; after "
        "training, its eval() moves them once more"
    )


def _sample(tensor: torch.Tensor) -> torch.Tensor:
    """SAMPLED elements, evenly apart; a view where the tensor's memory allows."""
    order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
    flat = tensor.detach().permute(order).reshape(-1)
    return flat[:: max(1, flat.numel() // SAMPLED)][:SAMPLED]


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """As bytes, so that NaN equals itself."""
    return tensor.contiguous().view(torch.uint8)
