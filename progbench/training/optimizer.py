"""AdamW over everything that may train, built once; how its learning rate goes; and what the next step depends on."""

from __future__ import annotations

import math
from typing import Any

import torch
import transformers

from progbench.method.anatomy import Anatomy
from progbench.method.schedule import Schedule, Stage
from progbench.recipes.recipe import Recipe
from progbench.training.step import SeedAxis

Rate = torch.optim.lr_scheduler.LRScheduler


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
    If the recipe's optimizer is over the `first` stage alone, the rate of everything else is 0.
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


def schedule_of_rates(optimizer: torch.optim.Optimizer, recipe: Recipe, total: int) -> Rate:
    """How the learning rate goes over all steps: it rises through warm-up, and falls linearly or stays."""
    shape = "linear" if recipe.decay == "linear" else "constant_with_warmup"
    return transformers.get_scheduler(shape, optimizer, math.ceil(recipe.warmup * total), total)


def release(optimizer: torch.optim.Optimizer, anatomy: Anatomy, schedule: Schedule, t: int) -> None:
    """Drop the moments of what will never train again; its gradients went when it was frozen."""
    later = {id(parameter) for stage in schedule.stages[t:] for parameter in anatomy.trainable(stage)}
    for parameter in anatomy.parameters():
        if id(parameter) not in later:
            optimizer.state.pop(parameter, None)


def state_now(anatomy: Anatomy, optimizer: torch.optim.Optimizer, rate: Rate) -> dict[str, Any]:
    """The state as it is now, but for the order of the rows. Nothing is copied or drawn."""
    parameters = [parameter.detach() for parameter in anatomy.parameters()]
    random = {"cpu": torch.get_rng_state()}
    if parameters[0].is_cuda:
        random["cuda"] = torch.cuda.get_rng_state(parameters[0].device)
    moments = {"optimizer": optimizer.state_dict(), "rate": rate.state_dict()}
    return {"parameters": parameters, "random": random} | moments


@torch.no_grad()
def take_over(state: dict[str, Any], anatomy: Anatomy, optimizer: torch.optim.Optimizer, rate: Rate) -> None:
    """Go on from a state, and empty it: it would be a second copy for the rest of the run."""
    for parameter, then in zip(anatomy.parameters(), state.pop("parameters"), strict=True):
        parameter.copy_(then)
    rates = [group["lr"] for group in optimizer.param_groups]
    optimizer.load_state_dict(state.pop("optimizer"))
    for group, own in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(own, torch.Tensor):  # the one that captured steps read
            group["lr"] = own.fill_(float(group["lr"]))
    rate.load_state_dict(state.pop("rate"))
    random = state.pop("random")
    torch.set_rng_state(random["cpu"])
    if "cuda" in random:
        torch.cuda.set_rng_state(random["cuda"], anatomy.parameters()[0].device)
