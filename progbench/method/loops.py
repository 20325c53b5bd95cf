"""A user's own training loop under watch, by torch's hooks on the steps of optimizers."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from progbench.method.checks import held_by, require_held
from progbench.method.schedule import Stage
from progbench.method.watch import StageWatch


def several_optimizers(given: Optimizer | Iterable[Optimizer] | None) -> list[Optimizer]:
    if given is None:
        return []
    return [given] if hasattr(given, "param_groups") else [*given]  # type: ignore[list-item]


class LoopWatch:
    """While open, compares each step of an optimizer over these parameters with the stage (`StageWatch`)."""

    def __init__(self, watch: StageWatch, wanted: Iterable[nn.Parameter], names: Mapping[int, str]) -> None:
        self._watch = watch
        self._wanted, self._names = list(wanted), names
        self._ours = {id(parameter) for parameter in self._wanted}
        # those that stepped, by their ids, and whether they are ours; kept, so that no other one is given an id
        self._known: dict[int, tuple[Optimizer, bool]] = {}

    def __enter__(self) -> LoopWatch:
        self._handles = [register_optimizer_step_pre_hook(self._before), register_optimizer_step_post_hook(self._after)]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def enter(self, stage: Stage) -> None:
        self._watch.enter(stage)

    def leave(self) -> None:
        """End a stage. Raises BadInput for what moved in it, and if no optimizer holds what some stage trains."""
        self._watch.require_still()
        if stepped := [optimizer for optimizer, ours in self._known.values() if ours]:
            require_held(stepped, self._wanted, self._names)
            if words := self._watch.unseen_words():
                warnings.warn(words, stacklevel=3)

    def _before(self, optimizer: Optimizer, *_: object) -> None:
        if self._is_ours(optimizer):
            self._watch.before_step()

    def _after(self, optimizer: Optimizer, *_: object) -> None:
        if self._is_ours(optimizer) and (words := self._watch.after_step(optimizer)):
            warnings.warn(words, stacklevel=3)

    def _is_ours(self, optimizer: Optimizer) -> bool:
        if id(optimizer) not in self._known:
            ours = any(id(parameter) in self._ours for parameter in held_by(optimizer))
            self._known[id(optimizer)] = optimizer, ours
        return self._known[id(optimizer)][1]
