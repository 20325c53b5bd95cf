"""Updated parameters in closed form: arithmetic over a model's dimensions and a schedule's stages. No torch."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from progbench.errors import BadInput
from progbench.method.layout import LAYOUTS
from progbench.method.options import bottleneck_of, require_tuning
from progbench.method.schedule import Schedule, require_depth
from progbench.models.spec import ModelSpec, spec

if TYPE_CHECKING:
    from torch.nn import Module

    from progbench.method.anatomy import Anatomy

# What a model ends in: over the whole text, or two scores a token (a start and an end).
HEADS = ("classification", "question_answering")


@dataclass(frozen=True)
class Sizes:
    """How many parameters may train in the embeddings E, in one block, and in the head H (Eq. 1)."""

    embeddings: int
    block: int
    head: int


def sizes(
    model: ModelSpec, num_labels: int, tuning: str = "full", head: str = "classification", **options: Any
) -> Sizes:
    """Count what a tuning trains in E, one block and H of a BERT, RoBERTa or MPNet model with this head.

    >>> sizes(spec("bert-base"), num_labels=2)
    Sizes(embeddings=23837184, block=7087872, head=592130)
    >>> sizes(spec("bert-base"), num_labels=2, tuning="adapter")
    Sizes(embeddings=0, block=149088, head=1538)

    A block holds four h*h attention matrices and two h*i matrices, each with its bias, and two LayerNorms of 2h. The
    head is the output layer, behind BERT's pooler or a dense layer of its size in a classifier. An adapter of
    bottleneck d has 2hd + d + h parameters, a LoRA pair of rank r 2hr.
    """
    options = require_tuning(tuning, options)
    if model.architecture not in LAYOUTS or not model.described:
        raise BadInput(
            f"{model.name}: how many parameters {model.architecture!r} has is not known: {', '.join(LAYOUTS)}"
        )
    layout = LAYOUTS[model.architecture]
    h, i = model.hidden, model.intermediate
    dense, output = h * h + h, h * num_labels + num_labels
    if head not in HEADS:
        raise BadInput(f"unknown head {head!r}: known are {', '.join(HEADS)}")
    pooled = head == "classification"
    classifier = dense + output if pooled and not layout.has_pooler else output
    if tuning == "adapter":
        d = bottleneck_of(h, options["reduction"])
        return Sizes(embeddings=0, block=2 * (2 * h * d + d + h), head=classifier)
    if tuning == "bitfit":
        pooler = h if pooled and layout.has_pooler else 0
        return Sizes(embeddings=h, block=4 * h + h + i + h + h, head=pooler + classifier)
    if tuning == "lora":
        projections = {target: layout.projection(target) for target in options["targets"]}
        if absent := [target for target, name in projections.items() if name is None]:
            there = ", ".join(layout.projections)
            raise BadInput(f"LoRA target {absent[0]!r} matches nothing in {model.name}, which has {there}")
        return Sizes(embeddings=0, block=len({*projections.values()}) * options["rank"] * 2 * h, head=classifier)
    layer_norm = 2 * h
    return Sizes(
        embeddings=(model.vocabulary + model.positions + model.token_types) * h
        + layer_norm
        + (model.position_buckets or 0) * model.heads,
        block=4 * dense + layer_norm + (h * i + i) + (i * h + h) + layer_norm,
        head=dense + output if pooled else output,
    )


def updated_parameters(
    model: str | Module,
    schedule: Schedule,
    tuning: str = "full",
    *,
    num_labels: int | None = None,
    head: str | None = None,
    **options: Any,
) -> int:
    """The paper's *updated parameters* (section 4.1): trainable elements summed over the epochs of a schedule, exactly.

    >>> from progbench.method.schedule import constant, shrinking
    >>> updated_parameters("bert-base-uncased", constant(L=12, T=3))
    328451334
    >>> updated_parameters("roberta-base", shrinking(L=12, T=80), "lora")  # Table 3: 60.2
    60248224
    >>> updated_parameters("bert-base", constant(L=12, T=3), head="question_answering")  # Table 2: 326.7
    326679558

    A name is counted in closed form, without torch; other architectures than BERT, RoBERTa and MPNet are built without
    weights. `num_labels` is 2 and `head` "classification" (see HEADS) unless given; TUNINGS has the options. A model
    object is counted as it is. Raises BadInput for an unknown name, tuning, option, head or architecture, or a schedule
    for another depth.
    """
    if isinstance(model, str):
        labels, head = 2 if num_labels is None else num_labels, head or HEADS[0]
        return sum(updated_by_epoch(model, schedule, tuning, num_labels=labels, head=head, **options))
    if num_labels is not None or head is not None or options:
        raise BadInput(
            "num_labels, head and a tuning's options go with a model's name; a model object already has them"
        )
    from progbench.method.anatomy import Anatomy

    return Anatomy.of(model, tuning).updated_parameters(schedule)


def updated_by_epoch(
    name: str, schedule: Schedule, tuning: str = "full", *, num_labels: int, head: str, **options: Any
) -> tuple[int, ...]:
    """The elements that train in each epoch of a schedule, of a model by name. Raises as `updated_parameters` does."""
    known = spec(name)
    require_depth(schedule, known.blocks, known.name)
    if known.described and known.architecture in LAYOUTS:
        size = sizes(known, num_labels, tuning, head, **options)
        return tuple(size.embeddings + len(stage.blocks) * size.block + size.head for stage in schedule)
    hashable = tuple((option, tuple(value) if isinstance(value, list) else value) for option, value in options.items())
    anatomy = _outlined(known, num_labels, tuning, head, hashable)
    return tuple(anatomy.count(stage) for stage in schedule)


@functools.cache
def _outlined(
    known: ModelSpec, num_labels: int, tuning: str, head: str, options: tuple[tuple[str, Any], ...]
) -> Anatomy:
    """A model on torch's meta device, which has shapes and no memory, taken apart."""
    import torch

    from progbench.method.anatomy import Anatomy
    from progbench.method.tuning import apply_tuning
    from progbench.models.loading import build

    with torch.device("meta"):
        model = build(known, num_labels, head)
        apply_tuning(model, tuning, **dict(options))
    return Anatomy.of(model, tuning)
