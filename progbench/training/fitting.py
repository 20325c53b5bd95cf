"""The loop: a model through a schedule's stages, an epoch each.

Nothing here asks which schedule or tuning it runs: a schedule is a list of stages, and the anatomy knows what a stage
trains. The optimizer is built once, over everything that may ever train, and its groups never change.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from progbench.method.anatomy import Anatomy
from progbench.method.schedule import Schedule, require_depth
from progbench.recipes.recipe import Recipe
from progbench.training import lines
from progbench.training.optimizer import build_optimizer, release, schedule_of_rates, state_now, take_over
from progbench.training.scoring import NonFinite
from progbench.training.step import SeedAxis, Step

Snapshot = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class TrainedEpoch:
    """What one epoch did: its number from 0, a seed's elements that had a gradient, and each seed's mean loss.

    A model whose vocabulary was cut has fewer elements than it stands for; `Prepared.updated_parameters` adds them.
    `state()` is what the next epoch depends on, as it is now.
    """

    t: int
    updated_parameters: int
    losses: tuple[float, ...]
    state: Snapshot


@dataclass(frozen=True)
class Hooks:
    """What a caller may change of the loop. The default is one seed whose steps run as they are.

    `runner(step)`, made anew for each stage, takes that stage's batches. The learning rate lives in the tensor `held`,
    if there is one, for captured steps to read. `after_step(snapshot)` is called after each step; `snapshot()` gives
    the state, which the next step overwrites. `label` stands before the progress bar.
    """

    axis: SeedAxis = field(default_factory=SeedAxis)
    runner: Callable[[Step], Callable[[Any], torch.Tensor]] = lambda step: step
    held: torch.Tensor | None = None
    after_step: Callable[[Snapshot], None] = lambda snapshot: None
    label: str = ""


def fit(
    model: nn.Module,
    recipe: Recipe,
    schedule: Schedule,
    batches: Callable[[], Iterable[Any]],
    steps: int,
    past: dict[str, Any] | None = None,
    hooks: Hooks | None = None,
) -> Iterator[TrainedEpoch]:
    """Train through a schedule's stages, yielding after each epoch; with a `past`, a state, what follows it.

    `batches()` is called once an epoch and gives its `steps` batches. The learning rate falls linearly over all epochs
    together, never anew in a stage. What will not train again loses its moments.
    Raises BadInput for a schedule of another depth, NonFinite, and RuntimeError if what had a gradient is not the
    stage.
    """
    hooks = hooks or Hooks()
    anatomy = Anatomy.of(model, recipe.tuning)
    require_depth(schedule, anatomy.L, anatomy.name)
    optimizer = build_optimizer(anatomy, recipe, hooks.axis, hooks.held, schedule[0])
    total = steps * schedule.T
    rate = schedule_of_rates(optimizer, recipe, total)
    begin, done, seen = (past["epoch"], past["step"], past["losses"]) if past else (0, 0, [])
    if past:
        take_over(past, anatomy, optimizer, rate)

    def snapshot(t: int, step: int, losses: Losses | None = None) -> dict[str, Any]:
        place = {"epoch": t, "step": step, "losses": losses.seen() if losses else []}
        return place | state_now(anatomy, optimizer, rate)

    with lines.steps(hooks.label, total, begin * steps + done) as step_done:
        for t in range(begin, schedule.T):
            stage = schedule[t]
            model.train()
            anatomy.freeze(stage)
            release(optimizer, anatomy, schedule, t)
            run = hooks.runner(Step(model, recipe, optimizer, anatomy.trainable(stage), hooks.axis, t))
            losses = Losses(t, hooks.axis, seen)
            for step, batch in enumerate(itertools.islice(batches(), done, None), done):
                losses.add(run(batch))
                rate.step()
                step_done(f"epoch {t + 1}/{schedule.T}, loss {losses.latest:.3f}")
                hooks.after_step(functools.partial(snapshot, t, step + 1, losses))
            done, seen = 0, []
            optimizer.zero_grad(set_to_none=True)  # scoring does without them
            updated = anatomy.count(stage) // hooks.axis.count
            yield TrainedEpoch(t, updated, losses.means(), functools.partial(snapshot, t + 1, 0))


class Losses:
    """An epoch's losses, looked at a few dozen at a time: reading each would make a GPU wait in every step.

    A loss that is not finite is so found up to that many steps late; nothing of such a run is kept.
    """

    LOOK_EVERY = 32

    def __init__(self, t: int, axis: SeedAxis, seen: Sequence[Sequence[float]] = ()) -> None:
        self.t = t
        self._axis = axis
        self._seen = [list(losses) for losses in seen]
        self.latest = self._mean(self._seen[-1]) if self._seen else math.nan
        self._waiting: list[torch.Tensor] = []

    def add(self, losses: torch.Tensor) -> None:
        self._waiting.append(losses.reshape(-1))
        if len(self._waiting) == self.LOOK_EVERY or not self._seen:
            self._look()

    def seen(self) -> list[list[float]]:
        """The losses of the epoch's steps so far, a list a step; they are looked at now."""
        self._look()
        return self._seen

    def means(self) -> tuple[float, ...]:
        """Each seed's mean loss over the epoch's steps."""
        return tuple(math.fsum(losses) / len(losses) for losses in zip(*self.seen(), strict=True))

    def _look(self) -> None:
        """Note NonFinite, naming epoch and step, for each seed's first loss that is not finite."""
        for losses in torch.stack(self._waiting).tolist() if self._waiting else ():
            self._seen.append(losses)
            for place, loss in enumerate(losses):
                if not math.isfinite(loss):
                    where = f"epoch {self.t + 1}, step {len(self._seen)}"
                    self._axis.fail(place, NonFinite(f"{where}: the loss is {loss}"))
            self.latest = self._mean(losses)
        self._waiting.clear()

    def _mean(self, losses: Sequence[float]) -> float:
        going = [loss for place, loss in enumerate(losses) if place not in self._axis.failed]
        return math.fsum(going) / len(going)
