"""The loop: a model through a schedule's stages, an epoch each.

Nothing here asks which schedule or tuning it runs: a schedule is a list of stages, and the anatomy knows what a stage
trains. The optimizer is built once, over everything that may ever train, and its groups never change.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import nn
from tqdm import tqdm

from progbench.method.anatomy import Anatomy
from progbench.method.schedule import Schedule, Stage, require_depth
from progbench.recipes.recipe import Recipe
from progbench.training import state
from progbench.training.scoring import Batch, NonFinite


class SeedAxis:
    """What a step does for one seed; `side_by_side.StackedSeeds` does it for several at once.

    `failed` holds, by the seed's place, what stopped it. One seed alone stops the run.
    """

    count = 1

    def __init__(self) -> None:
        self.failed: dict[int, NonFinite] = {}

    def losses(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """The mean loss over a batch, a number a seed."""
        return model(**batch).loss

    def clip(self, parameters: Sequence[nn.Parameter], norm: float) -> None:
        nn.utils.clip_grad_norm_(parameters, norm)

    def adamw(self, groups: list[dict[str, Any]], **options: Any) -> torch.optim.AdamW:
        """The optimizer of parameters in groups; its step comes after `clip`."""
        return torch.optim.AdamW(groups, **options)

    def is_matrix(self, parameter: nn.Parameter) -> bool:
        """Whether weight decay is for it: in these models everything else is a bias or a LayerNorm."""
        return parameter.ndim >= 2

    def fail(self, place: int, problem: NonFinite) -> None:
        """Note what stopped a seed. Raises it when none is left."""
        self.failed.setdefault(place, problem)
        if len(self.failed) == self.count:
            raise self.failed[min(self.failed)]


@dataclass(frozen=True)
class TrainedEpoch:
    """What one epoch did: its number from 0, a seed's elements that had a gradient, and each seed's mean loss.

    A model whose vocabulary was cut has fewer elements than it stands for; `Prepared.updated_parameters` adds them.

    `state()` is what the next epoch depends on, as it is now.
    """

    t: int
    updated_parameters: int
    losses: tuple[float, ...]
    state: Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class MicroBatches:
    """A batch in smaller ones, to save memory. Its loss is a mean over rows, so each counts by its share of them."""

    batches: Sequence[Batch]
    shares: Sequence[float]


@dataclass
class Step:
    """One training step of a stage on one batch; gives the losses, a number a seed.

    It reads nothing from the device, so that it can be captured and replayed (`graph.Replayed`). The first one raises
    RuntimeError if what has a gradient is not the stage: a replay leaves no gradients to look at.
    """

    model: nn.Module
    recipe: Recipe
    optimizer: torch.optim.Optimizer
    parameters: Sequence[nn.Parameter]
    axis: SeedAxis
    t: int = 0
    looked: bool = False

    def __call__(self, batch: Batch | MicroBatches) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._accumulated(batch) if isinstance(batch, MicroBatches) else self._backward(batch)
        if not self.looked:
            self._require_stage()
        self.axis.clip(self.parameters, self.recipe.clip_norm)
        self.optimizer.step()
        return losses

    def _require_stage(self) -> None:
        self.looked = True
        stage = sum(parameter.numel() for parameter in self.parameters)
        updated = sum(parameter.numel() for parameter in self.model.parameters() if parameter.grad is not None)
        if updated != stage:
            raise RuntimeError(f"epoch {self.t + 1}: {updated} elements have a gradient, but its stage holds {stage}")

    def _accumulated(self, batch: MicroBatches) -> torch.Tensor:
        """One after another: what a micro-batch keeps for its gradients goes with it."""
        return sum(self._backward(own, share) for own, share in zip(batch.batches, batch.shares, strict=True))

    def _backward(self, batch: Batch, share: float | None = None) -> torch.Tensor:
        with autocast(self.model, self.recipe):
            losses = self.axis.losses(self.model, batch)
        if share is not None:
            losses = losses * share
        losses.sum().backward()
        return losses.detach()


def fit(
    model: nn.Module,
    recipe: Recipe,
    schedule: Schedule,
    batches: Callable[[], Iterable[Any]],
    steps: int,
    *,
    axis: SeedAxis | None = None,
    runner: Callable[[Step], Callable[[Any], torch.Tensor]] = lambda step: step,
    held: torch.Tensor | None = None,
    past: dict[str, Any] | None = None,
    after_step: Callable[[Callable[[], dict[str, Any]]], None] = lambda snapshot: None,
    label: str = "",
) -> Iterator[TrainedEpoch]:
    """Train through a schedule's stages, yielding after each epoch; with a `past`, a state, what follows it.

    `batches()` is called once an epoch and gives its `steps` batches, which `runner(step)` takes, made anew for each
    stage. `after_step(snapshot)` is called after each step; `snapshot()` gives the state, which the next step
    overwrites. The learning rate falls linearly over all epochs together, never anew in a stage; with a tensor `held`
    it lives there, for captured steps to read. What will not train again loses its moments.
    Raises BadInput for a schedule of another depth, NonFinite, and RuntimeError if what had a gradient is not the
    stage.
    """
    axis = axis or SeedAxis()
    anatomy = Anatomy.of(model, recipe.tuning)
    require_depth(schedule, anatomy.L, anatomy.name)
    optimizer = build_optimizer(anatomy, recipe, axis, held, schedule[0])
    total = steps * schedule.T
    rate = _schedule_of_rates(optimizer, recipe, total)
    begin, done, seen = (past["epoch"], past["step"], past["losses"]) if past else (0, 0, [])
    if past:
        state.take_over(past, anatomy, optimizer, rate)

    def snapshot(t: int, step: int, losses: Losses | None = None) -> dict[str, Any]:
        place = {"epoch": t, "step": step, "losses": losses.seen() if losses else []}
        return place | state.taken(anatomy, optimizer, rate)

    with tqdm(
        total=total, initial=begin * steps + done, desc=label, unit="step", disable=None, leave=False
    ) as progress:
        for t in range(begin, schedule.T):
            stage = schedule[t]
            model.train()
            anatomy.freeze(stage)
            _release(optimizer, anatomy, schedule, t)
            run = runner(Step(model, recipe, optimizer, anatomy.trainable(stage), axis, t))
            losses = Losses(t, axis, seen)
            for step, batch in enumerate(itertools.islice(batches(), done, None), done):
                losses.add(run(batch))
                rate.step()
                progress.update()
                progress.set_postfix_str(f"epoch {t + 1}/{schedule.T}, loss {losses.latest:.3f}", refresh=False)
                after_step(functools.partial(snapshot, t, step + 1, losses))
            done, seen = 0, []
            optimizer.zero_grad(set_to_none=True)  # scoring does without them
            updated = anatomy.count(stage) // axis.count
            yield TrainedEpoch(t, updated, losses.means(), functools.partial(snapshot, t + 1, 0))


class Losses:
    """An epoch's losses, looked at a few dozen at a time: reading each would make a GPU wait in every step.

    A loss that is not finite is so found up to that many steps late; nothing of such a run is kept.
    """

    LOOK_EVERY = 32

    def __init__(self, t: int, axis: SeedAxis, seen: Sequence[Sequence[float]] = ()) -> None:
        self.t = t
        self.latest = math.nan
        self._axis = axis
        self._seen = [list(losses) for losses in seen]
        self._waiting: list[torch.Tensor] = []

    def add(self, losses: torch.Tensor) -> None:
        self._waiting.append(losses.reshape(-1))
        if len(self._waiting) == self.LOOK_EVERY or not self._seen:
            self._look()

    def seen(self) -> list[list[float]]:
        """Those of the epoch's steps so far, a list a step; they are looked at now."""
        self._look()
        return self._seen

    def means(self) -> tuple[float, ...]:
        """Each seed's mean loss over the epoch's steps."""
        self._look()
        return tuple(math.fsum(one) / len(one) for one in zip(*self._seen, strict=True))

    def _look(self) -> None:
        """Note NonFinite, naming epoch and step, for each seed's first loss that is not finite."""
        for losses in torch.stack(self._waiting).tolist() if self._waiting else ():
            self._seen.append(losses)
            for place, loss in enumerate(losses):
                if not math.isfinite(loss):
                    where = f"epoch {self.t + 1}, step {len(self._seen)}"
                    self._axis.fail(place, NonFinite(f"{where}: the loss is {loss}"))
            going = [loss for place, loss in enumerate(losses) if place not in self._axis.failed]
            self.latest = math.fsum(going) / len(going)
        self._waiting.clear()


def _release(optimizer: torch.optim.Optimizer, anatomy: Anatomy, schedule: Schedule, t: int) -> None:
    """Drop the moments of what will never train again; its gradients went when it was frozen."""
    later = {id(parameter) for stage in schedule.stages[t:] for parameter in anatomy.trainable(stage)}
    for parameter in anatomy.parameters():
        if id(parameter) not in later:
            optimizer.state.pop(parameter, None)


def autocast(model: nn.Module, recipe: Recipe) -> torch.autocast:
    """A forward pass in the recipe's precision; weights, gradients and optimizer stay in float32 whatever it is.

    On a GPU casts are not kept from one layer to another: a captured step must make its own.
    """
    device = next(model.parameters()).device.type
    return torch.autocast(device, torch.bfloat16, enabled=recipe.precision == "bf16", cache_enabled=device == "cpu")


def _schedule_of_rates(
    optimizer: torch.optim.Optimizer, recipe: Recipe, total: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """How the learning rate goes over all steps."""
    shape = "linear" if recipe.decay == "linear" else "constant_with_warmup"
    return transformers.get_scheduler(shape, optimizer, math.ceil(recipe.warmup * total), total)


def build_optimizer(
    anatomy: Anatomy,
    recipe: Recipe,
    axis: SeedAxis | None = None,
    held: torch.Tensor | None = None,
    first: Stage | None = None,
) -> torch.optim.AdamW:
    """AdamW over everything that may train, without weight decay on vectors: in these models biases and LayerNorms.

    With a tensor `held` the learning rate lives in it, and torch's schedules fill it: a captured step reads it anew,
    where it would repeat a number for ever. They take a share of `initial_lr`, which stays a number of Python's.
    Of a recipe whose optimizer has the `first` stage alone, what that leaves frozen never moves: its rate is nothing.
    """
    axis, rate = axis or SeedAxis(), recipe.learning_rate
    every = anatomy.parameters()
    moved = {id(p) for p in (anatomy.trainable(first) if first and recipe.optimized == "first_stage" else every)}
    parameters, still = ([p for p in every if (id(p) in moved) is moves] for moves in (True, False))
    groups = [
        {"params": [p for p in parameters if axis.is_matrix(p)], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if not axis.is_matrix(p)], "weight_decay": 0.0},
    ]
    unmoved = [{"params": still, "weight_decay": 0.0, "lr": 0.0, "initial_lr": 0.0}] if still else []
    return axis.adamw(
        [group | {"initial_lr": rate} for group in groups] + unmoved,
        lr=rate if held is None else held.fill_(rate),
        betas=(recipe.adam_beta1, recipe.adam_beta2),
        eps=recipe.adam_epsilon,
        fused=True,
        capturable=held is not None and parameters[0].is_cuda,
    )
