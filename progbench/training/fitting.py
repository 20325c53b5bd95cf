"""The loop: a model through a schedule's stages, an epoch each.

Nothing here asks which schedule or tuning it runs: a schedule is a list of stages, and the anatomy knows what a stage
trains. The optimizer is built once, over everything that may ever train, and its groups never change.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import nn
from tqdm import tqdm

from progbench.method.anatomy import Anatomy
from progbench.method.schedule import Schedule, require_depth
from progbench.recipes.recipe import Recipe
from progbench.training.fork import Past
from progbench.training.workload import Batch, NonFinite


@dataclass(frozen=True)
class TrainedEpoch:
    """What one epoch did: its number from 0, elements that had a gradient, and the mean loss over its steps.

    A model whose vocabulary was cut has fewer elements than it stands for; `Prepared.updated_parameters` adds them.

    `state()` is what the next epoch depends on, as it is now.
    """

    t: int
    updated_parameters: int
    loss: float
    state: Callable[[], dict[str, Any]]


def fit(
    model: nn.Module,
    recipe: Recipe,
    schedule: Schedule,
    batches: Callable[[], Iterable[Batch]],
    steps: int,
    *,
    past: Past | None = None,
    label: str = "",
) -> Iterator[TrainedEpoch]:
    """Train through a schedule's stages, yielding after each epoch; with a `past`, those that follow it.

    `batches()` is called once an epoch and gives its `steps` batches. The learning rate falls linearly over all epochs
    together, never anew in a stage. What will not train again loses its moments.
    Raises BadInput for a schedule of another depth, NonFinite, and RuntimeError if what had a gradient is not the
    stage.
    """
    anatomy = Anatomy.of(model, recipe.tuning)
    require_depth(schedule, anatomy.L, anatomy.name)
    optimizer = build_optimizer(anatomy, recipe)
    total = steps * schedule.T
    shape = "linear" if recipe.decay == "linear" else "constant_with_warmup"
    rate = transformers.get_scheduler(shape, optimizer, math.ceil(recipe.warmup * total), total)
    begin = len(past.epochs) if past else 0
    if past:
        _go_on(past, anatomy, optimizer, rate)
    with tqdm(total=total, initial=begin * steps, desc=label, unit="step", disable=None, leave=False) as progress:
        for t in range(begin, schedule.T):
            stage = schedule[t]
            model.train()
            anatomy.freeze(stage)
            _release(optimizer, anatomy, schedule, t)
            updated = 0
            losses = Losses(t)
            for step, batch in enumerate(batches()):
                with autocast(model, recipe):
                    loss = model(**batch).loss
                loss.backward()
                losses.add(loss)
                if step == 0:
                    updated = sum(p.numel() for p in model.parameters() if p.grad is not None)
                    if updated != anatomy.count(stage):
                        raise RuntimeError(
                            f"epoch {t + 1}: {updated} elements have a gradient, but its stage holds "
                            f"{anatomy.count(stage)}"
                        )
                nn.utils.clip_grad_norm_(anatomy.trainable(stage), recipe.clip_norm)
                optimizer.step()
                rate.step()
                optimizer.zero_grad(set_to_none=True)
                progress.update()
                progress.set_postfix_str(f"epoch {t + 1}/{schedule.T}, loss {losses.latest:.3f}", refresh=False)
            yield TrainedEpoch(t, updated, losses.mean(), functools.partial(_state, anatomy, optimizer, rate))


class Losses:
    """An epoch's losses, looked at a few dozen at a time: reading each would make a GPU wait in every step.

    A loss that is not finite is so found up to that many steps late; nothing of such a run is kept.
    """

    LOOK_EVERY = 32

    def __init__(self, t: int) -> None:
        self.t = t
        self.latest = math.nan
        self._seen: list[float] = []
        self._waiting: list[torch.Tensor] = []

    def add(self, loss: torch.Tensor) -> None:
        self._waiting.append(loss.detach())
        if len(self._waiting) == self.LOOK_EVERY or not self._seen:
            self._look()

    def mean(self) -> float:
        self._look()
        return math.fsum(self._seen) / len(self._seen)

    def _look(self) -> None:
        """Raise NonFinite, naming epoch and step, for the first loss that is not finite."""
        for loss in torch.stack(self._waiting).tolist() if self._waiting else ():
            self._seen.append(loss)
            if not math.isfinite(loss):
                raise NonFinite(f"epoch {self.t + 1}, step {len(self._seen)}: the loss is {loss}")
            self.latest = loss
        self._waiting.clear()


def _state(anatomy: Anatomy, optimizer: torch.optim.Optimizer, rate: torch.optim.lr_scheduler.LRScheduler) -> dict:
    """What the next epoch depends on but for the order of the rows: parameters, moments, learning rate and dropout."""
    parameters = [parameter.detach() for parameter in anatomy.parameters()]
    random = {"cpu": torch.get_rng_state()}
    if parameters[0].is_cuda:
        random["cuda"] = torch.cuda.get_rng_state(parameters[0].device)
    moments = {"optimizer": optimizer.state_dict(), "rate": rate.state_dict()}
    return {"parameters": parameters, "random": random} | moments


@torch.no_grad()
def _go_on(
    past: Past, anatomy: Anatomy, optimizer: torch.optim.Optimizer, rate: torch.optim.lr_scheduler.LRScheduler
) -> None:
    """Take over a past's state, which it then no longer holds: it would be a second copy for the rest of the run."""
    for parameter, then in zip(anatomy.parameters(), past.state.pop("parameters"), strict=True):
        parameter.copy_(then)
    optimizer.load_state_dict(past.state.pop("optimizer"))
    rate.load_state_dict(past.state.pop("rate"))
    random = past.state.pop("random")
    torch.set_rng_state(random["cpu"])
    if "cuda" in random:
        torch.cuda.set_rng_state(random["cuda"], anatomy.parameters()[0].device)


def _release(optimizer: torch.optim.Optimizer, anatomy: Anatomy, schedule: Schedule, t: int) -> None:
    """Drop the moments of what will never train again; its gradients went when it was frozen."""
    later = {id(parameter) for stage in schedule.stages[t:] for parameter in anatomy.trainable(stage)}
    for parameter in anatomy.parameters():
        if id(parameter) not in later:
            optimizer.state.pop(parameter, None)


def autocast(model: nn.Module, recipe: Recipe) -> torch.autocast:
    """A forward pass in the recipe's precision; weights, gradients and optimizer stay in float32 whatever it is."""
    device = next(model.parameters()).device.type
    return torch.autocast(device, torch.bfloat16, enabled=recipe.precision == "bf16")


def build_optimizer(anatomy: Anatomy, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over everything that may train, without weight decay on vectors: in these models biases and LayerNorms."""
    parameters = anatomy.parameters()
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    betas = (recipe.adam_beta1, recipe.adam_beta2)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=betas, eps=recipe.adam_epsilon, fused=True)
