"""Updated parameters in closed form: arithmetic over a model's dimensions and a schedule's stages. No torch.

"The number of updated parameters is the sum of parameters that get updated in the backward propagation in each
epoch" (section 4.1): embeddings, the stage's blocks, and the head, summed over epochs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from progbench.errors import BadInput
from progbench.models import ModelSpec, spec
from progbench.schedule import Schedule

if TYPE_CHECKING:
    from torch.nn import Module

TUNINGS = ("full",)


@dataclass(frozen=True)
class Sizes:
    """How many parameters may train in the embeddings E, in one block, and in the head H (Eq. 1)."""

    embeddings: int
    block: int
    head: int


def sizes(model: ModelSpec, num_labels: int) -> Sizes:
    """Count E, one block and H of a BERT or RoBERTa classifier.

    >>> sizes(spec("bert-base"), num_labels=2)
    Sizes(embeddings=23837184, block=7087872, head=592130)

    With hidden size h and intermediate size i, a block holds four h*h attention matrices and the two h*i matrices of
    the feed-forward network, each with its bias, and two LayerNorms of 2h. The head is BERT's pooler (RoBERTa: the
    classifier's dense layer, which is as large) and the output layer.
    """
    h, i = model.hidden, model.intermediate
    layer_norm = 2 * h
    return Sizes(
        embeddings=(model.vocabulary + model.positions + model.token_types) * h + layer_norm,
        block=4 * (h * h + h) + layer_norm + (h * i + i) + (i * h + h) + layer_norm,
        head=(h * h + h) + (h * num_labels + num_labels),
    )


def updated_parameters(
    model: str | Module, schedule: Schedule, tuning: str = "full", *, num_labels: int | None = None
) -> int:
    """The paper's *updated parameters*: trainable elements summed over the epochs of a schedule, exactly.

    >>> from progbench.schedule import constant, shrinking
    >>> updated_parameters("bert-base-uncased", constant(L=12, T=3))
    328451334
    >>> updated_parameters("bert-base-uncased", shrinking(L=12, T=3))
    243396870

    A name is counted in closed form, without torch and with `num_labels` outputs (2 unless given); a model object is
    counted as it is. Raises BadInput for an unknown name, tuning or architecture, or a schedule for another depth.
    """
    if not isinstance(model, str):
        if num_labels is not None:
            raise BadInput("num_labels goes with a model's name; a model object already has its head")
        from progbench.anatomy import Anatomy

        return Anatomy.of(model, tuning).updated_parameters(schedule)
    if tuning not in TUNINGS:
        raise BadInput(f"unknown tuning {tuning!r}: known are {', '.join(TUNINGS)}")
    known = spec(model)
    require_depth(schedule, known.blocks, known.name)
    size = sizes(known, 2 if num_labels is None else num_labels)
    return sum(size.embeddings + len(stage.blocks) * size.block + size.head for stage in schedule)


def require_depth(schedule: Schedule, blocks: int, name: str) -> None:
    """Raise BadInput unless the schedule was cut for a model of this many blocks."""
    if blocks != schedule.L:
        raise BadInput(f"the schedule {schedule.name} is cut for L={schedule.L} blocks, but {name} has {blocks}")
