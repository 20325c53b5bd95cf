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
        self._anatomy, self._extra = anatomy, list(extra)
        beside = {id(p): f"a weight of shape {tuple(p.shape)} beside the model, as of a loss" for p in self._extra}
        self._names = beside | anatomy.names()
        self._said: set[str] = set()
        self._frozen, self._unseen, self._buffers = _Frozen([]), _Unseen([]), _Buffers([])
        self._steps = 0

    @property
    def trained(self) -> int:
        """How many elements train in this stage; after its first step, without those that had no gradient."""
        return self._unseen.planned - (sum(p.numel() for p in self._unseen.parameters()) if self._steps else 0)

    def enter(self, stage: Stage) -> None:
        """Begin a stage, to which the model has just been frozen."""
        live = {id(p): p for p in (*self._anatomy.trainable(stage), *self._extra)}
        everything = (*self._anatomy.parameters(), *self._anatomy.frozen)
        self._frozen = _Frozen([p for p in everything if id(p) not in live and not p.is_meta and p.numel()])
        self._unseen, self._steps = _Unseen(live.values()), 0
        self._buffers = _Buffers(self._anatomy.modules_of(n for n in range(self._anatomy.L) if n not in stage.blocks))

    def before_step(self) -> None:
        """Raise BadInput if something that this stage freezes was unfrozen; note what has a gradient."""
        if thawed := [p for p in self._frozen.tensors if p.requires_grad or p.grad is not None]:
            raise BadInput(
                f"{len(thawed)} parameters that this stage freezes were unfrozen while it lasted: "
                f"{listed(self._called(thawed), 3)}. {_thawer(self._anatomy.model)}"
            )
        self._unseen.look()

    def after_step(self, optimizer: object) -> str:
        """Raise BadInput if the step moved what this stage freezes; gives a warning of buffers that moved, or ""."""
        self._unseen.look()
        self._steps += 1
        written = self._frozen.was_written()
        if self._steps == 1 or self._frozen.on_cpu or written:
            self.require_still(optimizer)
        moved = [name for name in self._buffers.moved() if name not in self._said] if self._steps == 1 else []
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
        if converted := self._frozen.converted():  # an optimizer's states do not follow
            p, device, dtype = converted
            raise BadInput(
                f"the model was converted while a stage lasts: {self._called([p])[0]} was {dtype} on {device}, and "
                f"is {p.dtype} on {p.device}. Call .to(), .double(), .half() and the like before the first stage"
            )
        if moved := self._frozen.moved():
            raise BadInput(
                f"{len(moved)} of {len(self._frozen.tensors)} tensors that this stage freezes have moved, although "
                f"they have no gradient: {listed(self._called(moved), 3)}. {_mover(optimizer)}. Train with an "
                "optimizer that leaves alone what has no gradient (AdamW, SGD, Adafactor, Muon)"
            )

    def unseen_words(self) -> str:
        """A warning of the stage's parameters that have had no gradient, once each; else ""."""
        new = [name for name in self._called(self._unseen.parameters()) if name not in self._said]
        if not new or self._unseen.all():
            return ""
        self._said |= set(new)
        return (
            f"{self._anatomy.name}: {len(new)} parameters have no gradient although the stage trains them, and are not "
            f"counted as updated until they have one: {listed(new)}. The loss does not depend on them"
        )

    def _called(self, parameters: Iterable[nn.Parameter]) -> list[str]:
        return [self._names[id(p)] for p in parameters]


class _Frozen:
    """Tensors and a sample of each as it is now; samples of one device and type lie together, to be compared at once.

    A look at a GPU makes it wait; `was_written` asks torch's version counters alone.
    """

    def __init__(self, tensors: Sequence[nn.Parameter]) -> None:
        self.tensors = tensors
        self.on_cpu = all(p.device.type == "cpu" for p in tensors)
        self._remember()

    def _remember(self) -> None:
        self._kinds: dict[tuple[torch.device, torch.dtype], list[nn.Parameter]] = {}
        for p in self.tensors:
            self._kinds.setdefault((p.device, p.dtype), []).append(p)
        self._views = [[_sample(p) for p in kind] for kind in self._kinds.values()]
        self._kept = [_bits(torch.cat(views)) for views in self._views]
        self._places = [p.data_ptr() for p in self.tensors]
        self._versions = [p._version for p in self.tensors]

    def was_written(self) -> bool:
        """Whether something wrote to one of them since the last time that this was asked."""
        before, self._versions = self._versions, [p._version for p in self.tensors]
        return before != self._versions

    def converted(self) -> tuple[nn.Parameter, torch.device, torch.dtype] | None:
        """The first that has another device or type than it had, and those that it had."""
        for kind, tensors in self._kinds.items():
            for p in tensors:
                if (p.device, p.dtype) != kind:
                    return p, *kind
        return None

    def moved(self) -> list[nn.Parameter]:
        """Those that are not what they were, bit by bit. If only their memory is another, that is kept from now on."""
        if [p.data_ptr() for p in self.tensors] == self._places and all(
            torch.equal(_bits(torch.cat(views)), kept) for views, kept in zip(self._views, self._kept, strict=True)
        ):
            return []
        before: dict[int, torch.Tensor] = {}
        for kind, views, kept in zip(self._kinds.values(), self._views, self._kept, strict=True):
            sizes = [view.numel() * view.element_size() for view in views]
            before |= {id(p): bits for p, bits in zip(kind, kept.split(sizes), strict=True)}
        moved = [p for p in self.tensors if not torch.equal(_bits(_sample(p)), before[id(p)])]
        if not moved:
            self._remember()
        return moved


class _Unseen:
    """Parameters that train, of which those go that have had a gradient; `planned` is how many elements they are."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._left = {id(p): (p, p._version) for p in parameters}
        self._all = len(self._left)
        self.planned = sum(p.numel() for p in self.parameters())

    def parameters(self) -> list[nn.Parameter]:
        return [p for p, _ in self._left.values()]

    def all(self) -> bool:
        """Whether none of them has had a gradient."""
        return len(self._left) == self._all

    def look(self) -> None:
        for identity, (p, version) in [*self._left.items()]:
            if p.grad is not None or p._version != version:  # it may have been moved and cleared at once
                del self._left[identity]


class _Buffers:
    """The buffers of some modules as they are now, without batch normalisation's, which have a warning of their own."""

    def __init__(self, modules: Sequence[tuple[str, nn.Module]]) -> None:
        spoken_of = {*moving_statistics(modules)}
        inside = ((path, *named) for path, module in modules for named in module.named_modules())
        named = ((f"{path}.{name}" if name else path, module) for path, name, module in inside)
        self._modules = [(path, module) for path, module in named if module._buffers and path not in spoken_of]
        self._before = {name: _bits(_sample(buffer)).clone() for name, buffer in self._now()}

    def _now(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every buffer, looked up anew: a module may put another tensor in its place."""
        for path, module in self._modules:
            for name, buffer in module._buffers.items():
                if buffer is not None and not buffer.is_meta and buffer.numel():
                    yield f"{path}.{name}", buffer

    def moved(self) -> list[str]:
        known = ((name, buffer) for name, buffer in self._now() if name in self._before)
        return [name for name, buffer in known if not torch.equal(_bits(_sample(buffer)), self._before[name])]


def _thawer(model: nn.Module) -> str:
    if has_peft_layers(model):
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
