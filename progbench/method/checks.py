"""Checks before and while a schedule trains: each says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from progbench.errors import BadInput
from progbench.method.layout import listed
from progbench.method.schedule import Schedule


class Flags:
    """Each parameter's `requires_grad`, to be restored after training, or when it breaks off."""

    def __init__(self, model: nn.Module) -> None:
        self._before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]

    def restore(self) -> None:
        for parameter, flag in self._before:
            parameter.requires_grad_(flag)

    def hold(self, model: nn.Module) -> bool:
        """Whether the model has exactly these parameters with these flags, so that nobody changed them since."""
        now = [(id(parameter), parameter.requires_grad) for parameter in model.parameters()]
        return now == [(id(parameter), flag) for parameter, flag in self._before]


def require_unchanged(model: nn.Module, known: Iterable[nn.Parameter]) -> None:
    """Raise BadInput if the model has other parameters than when its anatomy was taken."""
    before = {id(parameter) for parameter in known}
    now = {id(parameter): name for name, parameter in model.named_parameters()}
    new, gone = [name for identity, name in now.items() if identity not in before], len(before - now.keys())
    if new or gone:
        what = [f"{len(new)} are new ({listed(new)})"] if new else []
        what += [f"{gone} are gone"] if gone else []
        raise BadInput(
            f"{type(model).__name__}: its parameters are not those of its anatomy: {' and '.join(what)}. peft, FSDP or "
            "a resized vocabulary change a model: take Anatomy.of(model) after that"
        )


def require_same_model(model: nn.Module, known: Sequence[nn.Parameter], frozen: Iterable[nn.Parameter]) -> None:
    """Raise BadInput unless the anatomy is of the model that a Trainer trains, and holds all that trains there."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    if absent := sum(id(parameter) not in names for parameter in known):
        raise BadInput(
            f"{absent} parameters of the anatomy are not in the Trainer's model, so it is of another one. model_init "
            "makes a new model for each run: leave anatomy out, and the callback takes apart the model it finds"
        )
    all_known = {id(parameter) for parameter in (*known, *frozen)}
    live = (parameter for parameter in model.parameters() if parameter.requires_grad)
    if outside := [names[id(parameter)] for parameter in live if id(parameter) not in all_known]:
        raise BadInput(
            f"the Trainer's model trains {len(outside)} parameters that are in no component of the anatomy, so no "
            f"stage freezes or counts them: {listed(outside)}. Take the anatomy of the model that the Trainer gets"
        )


def require_ddp_follows(model: object, schedule: Schedule) -> None:
    """Raise BadInput if the settings of a model in DDP do not allow other parameters in each stage."""
    if not isinstance(model, nn.parallel.DistributedDataParallel) or len(set(schedule)) == 1:
        return
    if model.static_graph:
        raise BadInput(
            "DDP was told static_graph, and a schedule changes which parameters get a gradient: the run would die at "
            "the first change of the stage. Set ddp_static_graph=False"
        )
    if not model.find_unused_parameters:
        raise BadInput(
            "DDP waits for the gradient of every parameter (find_unused_parameters=False), and frozen ones have none: "
            "the run would die at the first change of the stage. Set ddp_find_unused_parameters=True; with activation "
            'checkpointing, where the Trainer sets it to False, also activation_checkpointing_kwargs={"use_reentrant": '
            "False}"
        )


def require_no_dead_block(name: str, blocks: Sequence[Sequence[nn.Parameter]], numbers: Iterable[int]) -> None:
    """Raise BadInput if all of a block was frozen before training: its stages would train nothing of it."""
    dead = [number for number in numbers if blocks[number] and not any(p.requires_grad for p in blocks[number])]
    if dead:
        shown = listed([f"B{number + 1}" for number in dead])
        raise BadInput(
            f"{name}: everything in {shown} was frozen before training began, and the schedule trains these blocks. If "
            "you froze them, or a loop of your own that broke off did: Anatomy.of(model).unfreeze() first. If they are "
            "to stay frozen, use a schedule that leaves them out"
        )


def held_by(optimizer: Any) -> list[nn.Parameter]:
    """The parameters of an optimizer, also inside Accelerate's wrapper, and of the Trainer's layer-wise ones."""
    inside = getattr(optimizer, "optimizer", optimizer)
    layerwise = getattr(inside, "optimizer_dict", None)
    every = layerwise.values() if isinstance(layerwise, Mapping) else [inside]
    return [parameter for single in every for group in single.param_groups for parameter in group["params"]]


def require_held(optimizers: Iterable[Any], wanted: Iterable[nn.Parameter], names: Mapping[int, str]) -> None:
    """Raise BadInput unless the optimizers hold everything that some stage trains."""
    held = {id(parameter) for optimizer in optimizers for parameter in held_by(optimizer)}
    absent = [names.get(id(parameter), "a parameter") for parameter in wanted if id(parameter) not in held]
    if absent:
        raise BadInput(
            f"the optimizer does not hold {len(absent)} of the parameters that the schedule trains: {listed(absent)}. "
            "It was built over some of the model, or while a stage had frozen them. Build it before the first stage, "
            "over anatomy.parameters(); where several optimizers share them, give all in a list"
        )


def moving_statistics(modules: Iterable[tuple[str, nn.Module]]) -> list[str]:
    """The batch normalisations among these modules: their running statistics move although a block is frozen."""
    return [
        f"{path}.{name}" if name else path
        for path, module in modules
        for name, inner in module.named_modules()
        if isinstance(inner, nn.modules.batchnorm._BatchNorm) and inner.track_running_stats
    ]
