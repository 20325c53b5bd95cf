"""One run from its first step to its results, or from where a killed one stood."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path

import torch

from progbench import environment, files
from progbench.recipes.recipe import Recipe
from progbench.runs.results import EpochResult, RunResult
from progbench.runs.run_result import Provenance
from progbench.training import checkpoints, lines, process
from progbench.training.checkpoints import Checkpoints
from progbench.training.clock import Clock
from progbench.training.fitting import Hooks, TrainedEpoch, fit
from progbench.training.graph import Stages
from progbench.training.prepared import Prepared
from progbench.training.resuming import Keeper, past_of
from progbench.training.scoring import NonFinite, epoch_result


def perform(
    recipe: Recipe,
    seeds: Sequence[int],
    device: str,
    threads: int,
    kept: Checkpoints | None,
    *,
    together: bool = False,
    micro_batches: int = 1,
) -> list[RunResult]:
    """Train a recipe with these seeds, `together` as one model or a single one; gives a result for each.

    Each batch is trained in so many `micro_batches`, one after another. With checkpoints `kept` it goes on from the
    last one, and leaves its own. Raises as `train.train` does, and torch.OutOfMemoryError.
    """
    clock = Clock()
    environment.commit()  # is that of the code now, not of a tree that moves on while it trains
    with files.temporary_folder() as folder, process.settings(recipe, device, threads) as used:
        prepared = Prepared.of(recipe, seeds, device, Path(folder), together=together)
        made = checkpoints.made_with(prepared.seeds, device, used, prepared.fingerprints, together=together)
        past = past_of(prepared, kept, made, micro_batches)
        clock.before = past.seconds
        keeper = Keeper(prepared, device, kept, made, past, clock)
        stages = Stages(device) if together and past.micro_batches == 1 else None
        label = f"{recipe.id} seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
        hooks = _hooks(prepared, stages, keeper, label)
        batches = functools.partial(prepared.batches, past.micro_batches)
        with contextlib.suppress(NonFinite):  # no seed is left: `failed` has what stopped each
            keeper.begin()
            schedule = recipe.build_schedule()
            for trained in fit(prepared.model, recipe, schedule, batches, prepared.steps, past=past.state, hooks=hooks):
                keeper.after_epoch(_scored(prepared, trained, clock), trained.state)
                lines.tell(label, trained.t + 1, recipe.epochs, keeper.epochs[-1])
        if stages:
            stages.close()
        peak = max(environment.peak_memory(device), past.peak_memory_bytes)
    seconds, failed, work = clock.run() / len(seeds), prepared.axis.failed, prepared.work
    made_how = {
        "fingerprints": prepared.fingerprints,
        "environment": environment.describe(device, threads=used),
        "provenance": Provenance(prepared.seeds if together else (), past.micro_batches, past.resumed),
    }
    return [
        RunResult(recipe, seed, error=str(failed[place]), **made_how)
        if place in failed
        else RunResult(
            recipe=recipe,
            seed=seed,
            epochs=tuple(epoch[place] for epoch in keeper.epochs),
            seconds=seconds,
            peak_memory_bytes=peak,
            examples=work.examples,
            left_out=work.left_out,
            notes=(*work.notes, *(stages.refused if stages else ()), *past.notes),
            **made_how,
        )
        for place, seed in enumerate(seeds)
    ]


def _hooks(prepared: Prepared, stages: Stages | None, keeper: Keeper, label: str) -> Hooks:
    """The loop's hooks of a run; with `stages` its steps are replayed, and read the learning rate from a tensor."""
    if stages is None:
        return Hooks(prepared.axis, after_step=keeper.after_step, label=label)
    parameter = next(prepared.model.parameters())
    held = torch.zeros((), dtype=parameter.dtype, device=parameter.device)
    return Hooks(prepared.axis, stages, held, keeper.after_step, label)


def _scored(prepared: Prepared, trained: TrainedEpoch, clock: Clock) -> tuple[EpochResult, ...]:
    """An epoch's results, a seed each. Raises NonFinite if no seed is left."""
    spent = [seconds / len(prepared.seeds) for seconds in clock.epoch()]  # a seed's share
    scored = prepared.score()
    for place, scores in enumerate(scored):
        if isinstance(scores, NonFinite):
            prepared.axis.fail(place, scores)
    flops = prepared.epoch_flops(prepared.recipe.build_schedule()[trained.t])
    updated, steps = prepared.updated_parameters(trained.updated_parameters), prepared.steps
    return tuple(
        epoch_result(scores, updated, loss, spent[0], steps, flops, spent[1])
        for scores, loss in zip(scored, trained.losses, strict=True)
    )
