"""A recipe: everything that can change a score, its id and its digest. No torch.

A recipe is one training run of the suite up to its seed. Its id says what it is, its digest whether it is still the
same one: results are filed under both, so an edited recipe starts anew and overwrites nothing.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass, fields
from typing import Any

from progbench.errors import BadInput
from progbench.method import schedule
from progbench.method.counting import updated_by_epoch
from progbench.method.options import TUNINGS
from progbench.method.schedule import Schedule
from progbench.models.spec import spec
from progbench.tasks.catalog import tasks
from progbench.tasks.source import Source

# Raised by every change to code that can move a score (see CHANGELOG.md); part of every digest.
SCORES_VERSION = 6


@dataclass(frozen=True)
class Recipe:
    """One training run, up to its seed.

    >>> from progbench.recipes.reading import read
    >>> recipe = read("paper", "glue", model="bert-base", schedule="shrinking", task="rte")
    >>> recipe.id
    'bert-base-shrinking-rte'
    >>> recipe.build_schedule().stages[2].blocks
    range(8, 12)

    `warmup` is the share of all steps over which the learning rate rises; then it falls linearly to zero at the last
    step of the last epoch, or stays, with `decay = "constant"`. `batch_size` is in examples, `max_length` in tokens.
    `precision` "bf16" runs the model under autocast, with weights and optimizer in float32, and "tf32" lets a GPU
    round what it multiplies. `optimized` "first_stage" builds the optimizer after the first freeze: it holds the
    parameters of the first stage alone. Those of later stages get gradients, and no step changes them.
    The fields of one tuning (`adapter_…`, `lora_…`) are None under every other tuning. These fields are None for every
    task but SQuAD: `doc_stride`, by how many tokens windows (SQuAD's examples) overlap; `n_best`, among how many starts
    and ends an answer is sought; `max_answer_length`, in tokens; `null_threshold`, by how much "no answer" must score
    above the best span to be given (v2.0); and `train_questions`, to train on the first so many questions alone.

    `variant` names a departure from the primary recipe, where sources conflict; what departs is in the other fields.
    """

    suite: str
    model: str
    tuning: str
    schedule: str
    task: str
    dataset: str
    revision: str
    epochs: int
    learning_rate: float
    batch_size: int
    max_length: int
    warmup: float
    weight_decay: float
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float
    clip_norm: float
    decay: str = "linear"
    precision: str = "fp32"
    optimized: str = "all"
    adapter_reduction: int | None = None
    lora_rank: int | None = None
    lora_alpha: float | None = None
    lora_targets: tuple[str, ...] | None = None
    train_questions: int | None = None
    doc_stride: int | None = None
    n_best: int | None = None
    max_answer_length: int | None = None
    null_threshold: float | None = None
    variant: str = ""

    @functools.cached_property  # as is the digest: every result file is looked up by both
    def id(self) -> str:
        name = run_id(self.model, self.tuning, self.schedule, self.task)
        return f"{name}~{self.variant}" if self.variant else name

    @functools.cached_property
    def digest(self) -> str:
        """Eight hex digits over the canonical recipe, its model's identity, and SCORES_VERSION.

        A field at its default is left out, so that a field added later leaves older results valid.
        """
        return self.digest_at(SCORES_VERSION)

    def digest_at(self, scores_version: int) -> str:
        """The digest that the same recipe had when SCORES_VERSION was another."""
        given = ((field, getattr(self, field.name)) for field in fields(self) if field.name != "variant")
        content = {field.name: value for field, value in given if value != field.default}
        content |= {"model": spec(self.model).identity(), "scores_version": scores_version}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def data_source(self) -> Source:
        return Source(self.dataset, self.revision, self.train_questions)

    @property
    def tuning_options(self) -> dict[str, Any]:
        return {name: getattr(self, f"{self.tuning}_{name}") for name in TUNINGS[self.tuning]}

    def build_schedule(self) -> Schedule:
        return self._schedule

    @functools.cached_property  # each pair of runs asks for its first stage
    def _schedule(self) -> Schedule:
        return schedule.named(self.schedule, spec(self.model).blocks, self.epochs)

    def planned(self) -> int:
        return sum(self.planned_by_epoch())

    def require_planned(self, counted: int) -> None:
        """Raise BadInput if a run of the model at hand would update another number of parameters than is planned."""
        if counted != self.planned():
            raise BadInput(
                f"{self.id}: its schedule plans {self.planned():,} updated parameters, but this model would update "
                f"{counted:,}: E, its blocks or H are not of the sizes that models.toml says of {self.model}"
            )

    def planned_by_epoch(self) -> tuple[int, ...]:
        """The updated parameters of each of its run's epochs, by arithmetic alone."""
        return self._planned

    @functools.cached_property  # every view of a count asks for it
    def _planned(self) -> tuple[int, ...]:
        task = tasks()[self.task]
        return updated_by_epoch(
            self.model,
            self.build_schedule(),
            self.tuning,
            num_labels=task.num_labels,
            head=task.head,
            **self.tuning_options,
        )


def run_id(model: str, tuning: str, schedule: str, last: str) -> str:
    """The name of a recipe (`last` is its task) or of a cell (`last` is its column).

    >>> run_id("bert-base", "full", "shrinking", "rte"), run_id("bert-base", "lora", "constant", "avg")
    ('bert-base-shrinking-rte', 'bert-base-lora-constant-avg')
    """
    return "-".join([model] + ([] if tuning == "full" else [tuning]) + [schedule, last])


def split_id(name: str) -> tuple[str, str, str]:
    """Undo `run_id`: the model with its tuning, the schedule, and the task or column.

    >>> split_id("bert-base-lora-constant-rte"), split_id("bert-base-single_block_b12-sst2")
    (('bert-base-lora', 'constant', 'rte'), ('bert-base', 'single_block_b12', 'sst2'))

    A name of another shape comes back whole, as the first.
    """
    match = re.fullmatch(rf"(.+)-({'|'.join(schedule.SCHEDULES)}|single_block_b\d+)-(.+)", name, re.DOTALL)
    return match.groups() if match else (name, "", "")
