"""AdamW over everything that may train, built once, and how its learning rate goes."""

from __future__ import annotations

import math

import torch
import transformers

from progbench.method.anatomy import Anatomy
from progbench.method.schedule import Schedule, Stage
from progbench.recipes.recipe import Recipe
from progbench.training.seed_axis import SeedAxis


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


def schedule_of_rates(
    optimizer: torch.optim.Optimizer, recipe: Recipe, total: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """How the learning rate goes over all steps: it rises through warm-up, and falls linearly or stays."""
    shape = "linear" if recipe.decay == "linear" else "constant_with_warmup"
    return transformers.get_scheduler(shape, optimizer, math.ceil(recipe.warmup * total), total)


def release(optimizer: torch.optim.Optimizer, anatomy: Anatomy, schedule: Schedule, t: int) -> None:
    """Drop the moments of what will never train again; its gradients went when it was frozen."""
    later = {id(parameter) for stage in schedule.stages[t:] for parameter in anatomy.trainable(stage)}
    for parameter in anatomy.parameters():
        if id(parameter) not in later:
            optimizer.state.pop(parameter, None)
