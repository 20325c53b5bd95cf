"""What a run trains on: a model made ready, rows, and how it is scored, as one object."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from torch import nn

from progbench import environment
from progbench.errors import BadInput
from progbench.method.flops import step_flops
from progbench.method.schedule import Stage
from progbench.method.tuning import apply_tuning
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.tasks import catalog
from progbench.training import cpu, vocabulary
from progbench.training.fitting import autocast
from progbench.training.packing import pack
from progbench.training.prefix import PrefixCache
from progbench.training.workload import Batch, Row, Workload, tokenise


@dataclass(frozen=True)
class Prepared:
    """A recipe's model with fresh head and tuning, its rows in batches, and its scorer, on one device.

    `order` is the generator that shuffles the rows, `unseen` how many of the model's numbers were cut with words that
    do not occur, `fingerprints` what data and weights were read.
    """

    recipe: Recipe
    task: catalog.Task
    model: nn.Module
    work: Workload
    rows: Sequence[Row] | PrefixCache
    collate: Callable[[list[Row]], Batch]
    order: torch.Generator
    packed: bool
    unseen: int
    fingerprints: dict[str, str]

    @classmethod
    def of(cls, recipe: Recipe, seed: int, device: str, folder: Path) -> Prepared:
        """Make everything a run needs before its first step; what is large lies in files in `folder`.

        The seed fixes head initialisation, data order and dropout, each from a generator started anew.
        Raises Missing or BadInput.
        """
        task = catalog.tasks()[recipe.task]
        data = catalog.load(task, recipe.data_source)
        environment.reset_peak_memory(device)
        torch.manual_seed(seed)
        model, tokenizer, weights = loading.load(spec(recipe.model), task.num_labels, task.head)
        apply_tuning(model, recipe.tuning, **recipe.tuning_options)
        model.to(device)
        packed = pack(model)
        if device == "cpu":
            cpu.take_over(model)
        collate = packed or transformers.DataCollatorWithPadding(tokenizer)
        work = tokenise(task, data, tokenizer, recipe, collate, folder)
        unseen = vocabulary.cut(model, work.words | {tokenizer.pad_token_id})
        order = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)  # dropout does not depend on how many numbers the head drew
        rows = work.rows
        if recipe.prefix_cache:
            if not packed:
                raise BadInput(f"{recipe.id}: prefix_cache needs packed batches, which do not serve this model")
            rows = PrefixCache(model, rows, work.lengths, packed, folder / "prefix")
        fingerprints = {"data": data.fingerprint, "weights": weights}
        return cls(recipe, task, model, work, rows, collate, order, packed is not None, unseen, fingerprints)

    @property
    def steps(self) -> int:
        """Steps an epoch; the last one may have fewer rows."""
        return math.ceil(len(self.rows) / self.recipe.batch_size)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the scores should know."""
        padded = () if self.packed else ("padded batches: packing does not serve this model",)
        return (*self.work.notes, *padded)

    def batches(self) -> Iterator[Batch]:
        """An epoch's batches, on the model's device, in a new order each time."""
        if isinstance(self.rows, PrefixCache):
            with autocast(self.model, self.recipe):
                self.rows.refresh()
        device = self.model.device
        shuffled = torch.randperm(len(self.rows), generator=self.order).tolist()
        for start in range(0, len(shuffled), self.recipe.batch_size):
            chosen = [self.rows[i] for i in shuffled[start : start + self.recipe.batch_size]]
            yield self.collate(chosen).to(device, non_blocking=True)

    def score(self) -> dict[str, dict[str, float]]:
        """The model's scores now, as fractions by evaluation set and metric. Raises NonFinite."""
        with autocast(self.model, self.recipe):
            return self.work.score(self.model)

    def updated_parameters(self, counted: int) -> int:
        """The elements that trained in an epoch, of which `counted` had a gradient.

        Words that were cut would have had a gradient too, of zeros.
        """
        return counted + (self.unseen if self.model.get_input_embeddings().weight.requires_grad else 0)

    def epoch_flops(self, stage: Stage) -> int | None:
        """What an epoch of a stage costs: no product spans two texts, so how they are batched does not matter.

        None where the closed form does not hold: for padded batches, and with a prefix cache.
        """
        if not self.packed or self.recipe.prefix_cache:
            return None
        options = {"num_labels": self.task.num_labels, **self.recipe.tuning_options}
        recipe, lengths = self.recipe, self.work.lengths
        return step_flops(recipe.model, stage.blocks, recipe.tuning, self.task.head, lengths=lengths, **options)
