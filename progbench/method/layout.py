"""Where a known architecture keeps its parts (Eq. 1), by module path; the only place that names them. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from progbench.errors import BadInput

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Layout:
    """Module paths: `embeddings`, `blocks` and `pooler` below the base model; the rest below one block.

    What lies outside the base model is the classifier. `attention` holds the `projections` LoRA may target; behind each
    of `sublayer_ends` (the dropout that closes attention and feed-forward network, before the residual is added)
    Houlsby's adapter goes; from `after_attention` on no token sees another. `first_token` is the module that takes a
    text's first token for the whole. `positions_after_padding`: positions are numbered from one above the padding
    token's id.
    """

    embeddings: str = "embeddings"
    blocks: str = "encoder.layer"
    pooler: str = "pooler"
    attention: str = "attention.self"
    projections: tuple[str, ...] = ("query", "key", "value")
    sublayer_ends: tuple[str, str] = ("attention.output.dropout", "output.dropout")
    after_attention: str = "attention.output"
    first_token: str = "pooler"
    positions_after_padding: bool = False


LAYOUTS = {"bert": Layout(), "roberta": Layout(first_token="classifier", positions_after_padding=True)}


def base_of(model: nn.Module) -> nn.Module:
    """The transformer inside a transformers model with a head; any other model as it is."""
    return getattr(model, "base_model", model)


def blocks_of(model: nn.Module, layout: Layout) -> list[nn.Module]:
    """The blocks of a model with this layout, from low to high."""
    return list(base_of(model).get_submodule(layout.blocks).children())


def layout_of(model: nn.Module) -> Layout:
    """The layout of a transformers model. Raises BadInput for an architecture it does not know, naming what to do."""
    kind = getattr(getattr(model, "config", None), "model_type", None)
    if kind not in LAYOUTS:
        names = [name for name, _ in model.named_parameters()]
        raise BadInput(
            f"{type(model).__name__} has the unknown architecture {kind!r} (known: {', '.join(LAYOUTS)}); not "
            f"assigned: {listed(names)}. Say where its parts are: Anatomy.split(model, embeddings=[module, ...], "
            "blocks=[module, ...], head=[module, ...])"
        )
    layout, base = LAYOUTS[kind], base_of(model)
    for path in (layout.embeddings, layout.blocks):
        try:
            base.get_submodule(path)
        except AttributeError:
            raise BadInput(
                f"{type(model).__name__} wraps its model: {type(base).__name__} has no {path}. Take apart the model "
                "inside it (peft: model.get_base_model()), Anatomy.of(inner).restrict(p for p in inner.parameters() if "
                "p.requires_grad)"
            ) from None
    return layout


def listed(names: list[str], most: int = 6) -> str:
    """Names in a sentence, the first few."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
