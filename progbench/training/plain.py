"""Algorithm 1 of the paper on one page: a recipe and a seed in, losses, scores and updated parameters out.

This trainer is written to be read. Its batches are padded, the forward pass is Hugging Face's own, and optimizer and
schedule are torch's and transformers' own. The fast trainer (`train.train`) must learn the same: `test_oracle.py` holds
it to this one. A model that the fast trainer does not know is trained here.

    Algorithm 1                                                  here
     1  if algorithm == Adapter tuning or BitFit or LoRA then    apply_tuning
     2    add or select trainable parameters and freeze others
     3  end if
     4  if fine-tuning type == Progtuning then
     5    divide trainable parameters into T parts as Eq. 2      recipe.build_schedule: method/schedule.py
     6    arrange divided parts to form T stages as Eq. 3
     7    for i = 1 to T do                                      for t, stage in enumerate(schedule)
     8      update parameters of i-th stage                      anatomy.freeze(stage), and a _step for each batch
     9    end for
    10  else
    11    for i = 1 to T do                                      the same loop: every stage of the schedule
    12      update all trainable parameters                      `constant` has all blocks
    13    end for
    14  end if"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from torch import nn

from progbench import environment, files
from progbench.method.anatomy import Anatomy
from progbench.method.tuning import apply_tuning
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult
from progbench.runs.run_result import Provenance
from progbench.tasks import catalog
from progbench.training import lines, process, scoring
from progbench.training.process import Clock
from progbench.training.scoring import Batch, NonFinite, epoch_result
from progbench.training.workload import tokenise


def train(recipe: Recipe, seed: int, device: str = "cpu", threads: int = 0) -> RunResult:
    """Train a recipe with a seed by Algorithm 1, and score the model after each epoch.

    >>> from dataclasses import replace
    >>> from progbench.recipes.reading import read
    >>> recipe = read("smoke", "glue", model="tiny-roberta", schedule="shrinking", task="rte")
    >>> result = train(replace(recipe, epochs=2), seed=0)
    >>> [epoch.updated_parameters for epoch in result.epochs] == [*replace(recipe, epochs=2).planned_by_epoch()]
    True

    The seed fixes the new weights, the order of the rows and the dropout, each from a generator started anew.
    Raises Missing or BadInput before the first step, and NonFinite at the first loss or score that is not finite.
    """
    clock = Clock()
    environment.commit()  # of the code that trains now: the tree may change meanwhile
    with files.temporary_folder() as folder, process.settings(recipe.precision, device, threads) as used:
        environment.reset_peak_memory(device)
        task = catalog.tasks()[recipe.task]
        data = catalog.load(task, recipe.data_source)
        torch.manual_seed(seed)
        model, tokenizer, weights = loading.load(spec(recipe.model), task.num_labels, task.head)
        apply_tuning(model, recipe.tuning, **recipe.tuning_options)
        model.to(device)
        anatomy, schedule = Anatomy.of(model, recipe.tuning), recipe.build_schedule()
        recipe.require_planned(anatomy.updated_parameters(schedule))
        work = tokenise(task, data, tokenizer, recipe, Path(folder))
        padded = transformers.DataCollatorWithPadding(tokenizer)
        steps = math.ceil(len(work.rows) / recipe.batch_size)
        optimizer, total = _optimizer(anatomy, recipe), steps * schedule.T
        shape = "linear" if recipe.decay == "linear" else "constant_with_warmup"
        rate = transformers.get_scheduler(shape, optimizer, math.ceil(recipe.warmup * total), total)
        order = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)

        epochs, fingerprints = [], {"data": data.fingerprint, "weights": weights}
        label = f"{recipe.id} seed {seed}"
        try:
            with lines.steps(label, total) as step_done:
                for t, stage in enumerate(schedule):
                    anatomy.freeze(stage)
                    losses = []
                    clock.begin_epoch()
                    for rows in torch.randperm(len(work.rows), generator=order).split(recipe.batch_size):
                        batch = padded([work.rows[i] for i in rows.tolist()]).to(device)
                        losses.append(_step(model, batch, recipe, optimizer, anatomy.trainable(stage)))
                        rate.step()
                        if not math.isfinite(losses[-1]):
                            raise NonFinite(f"epoch {t + 1}, step {len(losses)}: the loss is {losses[-1]}")
                        step_done(f"epoch {t + 1}/{schedule.T}, loss {losses[-1]:.3f}")
                    seconds, cpu_seconds = clock.epoch()
                    updated = sum(p.numel() for p in model.parameters() if p.grad is not None)
                    with _autocast(recipe, device):
                        (scores,) = work.score(model, scoring.alone(padded))
                    if isinstance(scores, NonFinite):
                        raise scores
                    loss = statistics.fmean(losses)
                    epochs.append(epoch_result(scores, updated, loss, seconds, steps, None, cpu_seconds))
                    lines.epoch(label, t + 1, schedule.T, epochs[-1:])
        except NonFinite as problem:
            raise NonFinite(str(problem), fingerprints) from None
        peak = environment.peak_memory(device)
    return RunResult(
        recipe, seed, tuple(epochs), clock.run(), peak, fingerprints, work.examples, work.left_out,
        tuple(work.notes), environment=environment.describe(device, used), provenance=Provenance(trainer="plain"),
    )  # fmt: skip


def _optimizer(anatomy: Anatomy, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over all that may ever train, built once. Vectors (biases and norms) have no weight decay."""
    parameters = anatomy.parameters()
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    betas = recipe.adam_beta1, recipe.adam_beta2
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=betas, eps=recipe.adam_epsilon)


def _step(
    model: nn.Module, batch: Batch, recipe: Recipe, optimizer: torch.optim.Optimizer, trainable: Sequence[nn.Parameter]
) -> float:
    model.train()
    optimizer.zero_grad()
    with _autocast(recipe, model.device.type):
        loss = _loss(model, batch)
    loss.backward()
    nn.utils.clip_grad_norm_(trainable, recipe.clip_norm)
    optimizer.step()
    return loss.item()


def _loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The mean loss over a batch's texts. The tokens that may begin or end an answer are those of the text alone."""
    if "start_positions" not in batch:
        return model(**batch).loss
    targets = {name: batch[f"{name}_positions"] for name in ("start", "end")}
    outputs = model(**{name: value for name, value in batch.items() if not name.endswith("_positions")})
    padding = batch["attention_mask"] == 0
    logits = {name: outputs[f"{name}_logits"].masked_fill(padding, -math.inf) for name in targets}
    return sum(nn.functional.cross_entropy(logits[name], target) / 2 for name, target in targets.items())


def _autocast(recipe: Recipe, device: str) -> torch.autocast:
    """The forward pass in the recipe's precision. Weights, gradients and moments are in float32 whatever it is."""
    return torch.autocast(device, torch.bfloat16, enabled=recipe.precision == "bf16")
