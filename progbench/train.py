"""The compact trainer: a recipe and a seed in, a result out. It cannot see what is expected.

Nothing here asks which schedule or tuning it runs: a schedule is a list of stages, and the anatomy knows what a stage
trains. The optimizer is built once, over everything that may ever train, and its groups never change.
"""

from __future__ import annotations

import contextlib
import functools
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from tqdm import tqdm

from progbench import cpu, environment, models, tasks, vocabulary
from progbench.anatomy import Anatomy
from progbench.counting import require_depth
from progbench.errors import BadInput
from progbench.flops import step_flops
from progbench.fork import Past, Shared
from progbench.packing import pack
from progbench.prefix import PrefixCache
from progbench.recipe import Recipe
from progbench.runs import EpochResult, RunResult
from progbench.schedule import Schedule, Stage
from progbench.tuning import apply_tuning
from progbench.workload import Batch, NonFinite, prepare


@dataclass(frozen=True)
class TrainedEpoch:
    """What one epoch did: its number from 0, elements that had a gradient, and the mean loss over its steps.

    A model whose vocabulary was cut has fewer elements than it stands for; `train` adds them.

    `state()` is what the next epoch depends on, as it is now.
    """

    t: int
    updated_parameters: int
    loss: float
    state: Callable[[], dict[str, Any]]


def train(recipe: Recipe, seed: int, device: str = "cpu", threads: int = 0, shared: Shared | None = None) -> RunResult:
    """Train one recipe with one seed and score it after every epoch; on `threads` CPU threads, unless 0.

    The seed fixes head initialisation, data order and dropout, each from a generator started anew, so that fine-tuning
    and Progtuning of one seed start from the same head and see the same batches. The same seed gives bit-identical
    scores at the same thread count on the same CPU. Epochs `shared` with another schedule's run of this seed are taken
    from there, or left for it; what the result says of time and memory is what the run takes alone.

    Raises Missing or BadInput before the first step, and NonFinite as soon as a loss or a score is not finite.
    """
    started = time.perf_counter()
    environment.commit()  # is that of the code now, not of a tree that moves on while it trains
    task = tasks.tasks()[recipe.task]
    data = task.load(recipe)
    environment.reset_peak_memory(device)
    scratch = tempfile.TemporaryDirectory(prefix="progbench-")
    memory = cpu.kept_memory() if device == "cpu" else contextlib.nullcontext()
    with _threads(threads) as used, torch.random.fork_rng(), _products(recipe), memory, scratch as folder:
        torch.manual_seed(seed)
        model, tokenizer, weights = models.load(models.spec(recipe.model), task.num_labels, task.head)
        apply_tuning(model, recipe.tuning, **recipe.tuning_options)
        model.to(device)
        packed = pack(model)
        if device == "cpu":
            cpu.take_over(model)
        collate = packed or transformers.DataCollatorWithPadding(tokenizer)
        work = prepare(task, data, tokenizer, recipe, collate, Path(folder))
        unseen = vocabulary.cut(model, work.words | {tokenizer.pad_token_id})
        order = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)  # dropout does not depend on how many numbers the head drew

        rows = work.rows
        if recipe.prefix_cache:
            if not packed:
                raise BadInput(f"{recipe.id}: prefix_cache needs packed batches, which do not serve this model")
            rows = PrefixCache(model, rows, work.lengths, packed, Path(folder) / "prefix")

        def batches() -> Iterator[Batch]:
            if isinstance(rows, PrefixCache):
                with autocast(model, recipe):
                    rows.refresh()
            shuffled = torch.randperm(len(rows), generator=order).tolist()
            for start in range(0, len(shuffled), recipe.batch_size):
                chosen = [rows[i] for i in shuffled[start : start + recipe.batch_size]]
                yield collate(chosen).to(device, non_blocking=True)

        past = shared.load() if shared else None
        if past:
            order.set_state(past.state["order"])
        epochs = [*past.epochs] if past else []
        steps = math.ceil(len(rows) / recipe.batch_size)
        label = f"{recipe.id} seed {seed}"
        begun = clock = time.perf_counter()
        schedule = recipe.build_schedule()
        countable = packed and not recipe.prefix_cache
        for trained in fit(model, recipe, schedule, batches, steps, past=past, label=label):
            seconds = time.perf_counter() - clock
            with autocast(model, recipe):
                scores = work.score(model)
            flops = _epoch_flops(recipe, task, schedule[trained.t], work.lengths) if countable else None
            # words that were cut would have had a gradient too, of zeros
            updated = trained.updated_parameters + (unseen if model.get_input_embeddings().weight.requires_grad else 0)
            epochs.append(EpochResult(scores, updated, trained.loss, seconds, steps, flops))
            if shared and not past and len(epochs) == shared.epochs:
                state = trained.state() | {"order": order.get_state()}
                so_far = time.perf_counter() - begun
                shared.save(Past(tuple(epochs), so_far, environment.peak_memory(device), state))
            clock = time.perf_counter()
    return RunResult(
        recipe=recipe,
        seed=seed,
        epochs=tuple(epochs),
        seconds=time.perf_counter() - started + (past.seconds if past else 0.0),
        peak_memory_bytes=max(environment.peak_memory(device), past.peak_memory_bytes if past else 0),
        fingerprints={"data": data.fingerprint, "weights": weights},
        examples=work.examples,
        left_out=work.left_out,
        notes=tuple(work.notes if packed else [*work.notes, "padded batches: packing does not serve this model"]),
        environment=environment.describe(device, threads=used),
    )


def _epoch_flops(recipe: Recipe, task: tasks.Task, stage: Stage, lengths: Sequence[int]) -> int:
    """What an epoch of a stage costs: no product spans two texts, so how they are batched does not matter."""
    options = {"num_labels": task.num_labels, **recipe.tuning_options}
    return step_flops(recipe.model, stage.blocks, recipe.tuning, task.head, lengths=lengths, **options)


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


@contextlib.contextmanager
def _threads(threads: int) -> Iterator[int]:
    """Torch's CPU threads for a run, whatever this process has set for itself; 0: as many as that."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _products(recipe: Recipe) -> Iterator[None]:
    """The precision of float32 products for a run, whatever this process has set for itself."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if recipe.precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


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
