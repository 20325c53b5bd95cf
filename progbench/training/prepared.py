"""What a run needs before its first step: the model, its rows in batches, and its scorer."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from torch import nn

from progbench import environment
from progbench.method.anatomy import Anatomy
from progbench.method.flops import step_flops
from progbench.method.schedule import Stage
from progbench.method.tuning import apply_tuning
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.tasks import catalog
from progbench.training import cpu, scoring, vocabulary
from progbench.training.packed_seeds import SeedCollator, in_arrays
from progbench.training.packing import pack
from progbench.training.scoring import Infer, Row, Scored
from progbench.training.side_by_side import StackedSeeds, infer_together, stack
from progbench.training.step import MicroBatches, SeedAxis, autocast
from progbench.training.workload import Workload, tokenise

Item = TypeVar("Item")


class NotServed(Exception):
    """A model that takes no packed batches, and why; `plain.train` can train it."""


class NotTogether(Exception):
    """A recipe whose seeds cannot be trained side by side, and why; each of them can be trained alone."""


@dataclass(frozen=True)
class Prepared:
    """A recipe's model with fresh head and tuning, its rows in batches, and its scorer, on one device.

    `axis` is what a step does for the `seeds`. `orders` are the generators that shuffle each seed's rows. `collate`
    makes a batch of rows, or of as many lists of rows as there are seeds. `unseen` is how many of a seed's parameters
    were cut with words that do not occur. `fingerprints` say what data and weights were read.
    """

    recipe: Recipe
    seeds: tuple[int, ...]
    task: catalog.Task
    model: nn.Module
    work: Workload
    collate: Callable[[Any], Any]
    infer: Infer
    axis: SeedAxis
    orders: tuple[torch.Generator, ...]
    unseen: int
    fingerprints: dict[str, str]

    @classmethod
    def of(cls, recipe: Recipe, seeds: Sequence[int], device: str, folder: Path, *, together: bool = False) -> Prepared:
        """Make everything a run needs before its first step; what is large lies in files in `folder`.

        A seed fixes its head's initialisation, its data order and its dropout, each from a generator started anew.
        Seeds `together` share the dropout of the first. Raises Missing or BadInput, NotServed, and NotTogether.
        """
        task = catalog.tasks()[recipe.task]
        data = catalog.load(task, recipe.data_source)
        environment.reset_peak_memory(device)
        model, tokenizer, weights = _model(recipe, task, seeds[0])
        recipe.require_planned(Anatomy.of(model, recipe.tuning).updated_parameters(recipe.build_schedule()))
        model.to(device)
        packed = pack(model) if spec(recipe.model).described else None
        if not packed:
            raise NotServed(f"packed batches do not serve {type(model).__name__}")
        if device == "cpu" and not together:
            cpu.take_over(model)
        collate = packed
        work = tokenise(task, data, tokenizer, recipe, folder)
        axis, infer = SeedAxis(), scoring.alone(collate)
        if together:
            try:
                stack([model, *(_model(recipe, task, seed)[0] for seed in seeds[1:])])
            except TypeError as problem:
                raise NotTogether(f"each seed was trained alone: {problem}") from None
            answering = task.head == "question_answering"
            collate = SeedCollator(packed, tokenizer.pad_token_id, recipe.max_length, answering)
            axis, infer = StackedSeeds(len(seeds)), infer_together(collate, len(seeds))
            work = replace(work, rows=in_arrays(work.rows))
        unseen = vocabulary.cut(model, work.words | {tokenizer.pad_token_id})
        orders = tuple(torch.Generator().manual_seed(seed) for seed in seeds)
        torch.manual_seed(seeds[0])  # dropout does not depend on how much the head drew
        return cls(
            recipe,
            tuple(seeds),
            task,
            model,
            work,
            collate,
            scoring.within_memory(infer),
            axis,
            orders,
            unseen // len(seeds),
            {"data": data.fingerprint, "weights": weights},
        )

    @property
    def steps(self) -> int:
        """Steps an epoch; the last one may have fewer rows."""
        return math.ceil(len(self.work.rows) / self.recipe.batch_size)

    @property
    def together(self) -> bool:
        return isinstance(self.axis, StackedSeeds)

    def batches(self, micro_batches: int = 1) -> Iterator[Any]:
        """An epoch's batches on the model's device, in a new order for each seed, each in so many micro-batches.

        Those of seeds together are made ahead, and on a GPU stay in pinned memory: a replayed step copies them itself.
        Micro-batches are not, since memory is scarce.
        """
        orders = [torch.randperm(len(self.work.rows), generator=order).tolist() for order in self.orders]
        if micro_batches > 1:
            yield from (self._divided(chosen, micro_batches) for chosen in self._chosen(orders))
            return
        if self.together:
            device = self.model.device.type
            yield from prefetched(self.collate(chosen).ready_for(device) for chosen in self._chosen(orders))
            return
        for (chosen,) in self._chosen(orders):
            yield self.collate(chosen).to(self.model.device, non_blocking=True)

    def _chosen(self, orders: Sequence[Sequence[int]]) -> Iterator[list[list[Row]]]:
        """The rows of each step, a list a seed."""
        size = self.recipe.batch_size
        for start in range(0, len(self.work.rows), size):
            yield [[self.work.rows[i] for i in order[start : start + size]] for order in orders]

    def _divided(self, chosen: Sequence[Sequence[Row]], micro_batches: int) -> MicroBatches:
        """A batch in micro-batches; a shorter batch may have fewer of them, of the same size."""
        size, rows = math.ceil(self.recipe.batch_size / micro_batches), len(chosen[0])
        pieces = [[own[start : start + size] for own in chosen] for start in range(0, rows, size)]
        device = self.model.device
        made = [
            self.collate(piece).to(device).inputs() if self.together else self.collate(piece[0]).to(device)
            for piece in pieces
        ]
        return [(own, len(piece[0]) / rows) for own, piece in zip(made, pieces, strict=True)]

    def score(self) -> list[Scored]:
        """Each seed's scores now, as fractions by evaluation set and metric."""
        with autocast(self.model, self.recipe.precision):
            return self.work.score(self.model, self.infer)

    def updated_parameters(self, counted: int) -> int:
        """The elements of a seed that trained in an epoch: those `counted`, and words that were cut."""
        return counted + (self.unseen if self.model.get_input_embeddings().weight.requires_grad else 0)

    def epoch_flops(self, stage: Stage) -> int:
        """What an epoch of a stage costs a seed. No product spans two texts, however they are batched."""
        options = {"num_labels": self.task.num_labels, **self.recipe.tuning_options}
        recipe, lengths = self.recipe, self.work.lengths
        return step_flops(recipe.model, stage.blocks, recipe.tuning, self.task.head, lengths=lengths, **options)


def _model(
    recipe: Recipe, task: catalog.Task, seed: int
) -> tuple[transformers.PreTrainedModel, transformers.PreTrainedTokenizerBase, str]:
    """The model of one seed, its tokenizer, and its weights' fingerprint."""
    torch.manual_seed(seed)
    model, tokenizer, weights = loading.load(spec(recipe.model), task.num_labels, task.head)
    apply_tuning(model, recipe.tuning, **recipe.tuning_options)
    return model, tokenizer, weights


def prefetched(items: Iterable[Item], most: int = 4) -> Iterator[Item]:
    """The same items in the same order, up to `most` of them made while earlier ones are used.

    >>> list(prefetched(n * n for n in range(3)))
    [0, 1, 4]

    An exception while an item is made comes out in its place. The thread ends with the iteration.
    """
    source, end = iter(items), object()
    thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
    try:
        # one more: while the first is used, so many wait, and one is being made
        made = deque(thread.submit(next, source, end) for _ in range(most + 1))
        while (item := made.popleft().result()) is not end:
            made.append(thread.submit(next, source, end))
            yield item
    finally:
        thread.shutdown(cancel_futures=True)
