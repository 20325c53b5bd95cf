"""How many blocks a model has, as its configuration says. No torch."""

from __future__ import annotations

import inspect
from typing import Any

# what configurations call the number of blocks, and where they come in stages, the number in each stage
DEPTHS = (
    "num_hidden_layers", "num_layers", "n_layers", "n_layer", "depth", "encoder_layers", "decoder_layers",
    "num_encoder_layers", "num_decoder_layers", "speech_encoder_layers", "num_blocks", "num_self_attends_per_block",
    "num_layers_per_stack",
)  # fmt: skip
STAGES = ("depths", "depth", "block_sizes")


def configuration_of(module: object) -> Any:
    """The transformers configuration that a module was built by, if it keeps one."""
    configuration = getattr(module, "config", None)
    return configuration if hasattr(configuration, "model_type") else None


def stages_of(configuration: Any) -> tuple[int, ...]:
    """Blocks in each stage, of a model whose blocks come in stages."""
    found = (getattr(configuration, name, None) for name in STAGES)
    return next((tuple(value) for value in found if isinstance(value, list | tuple) and value), ())


def depths_of(configuration: Any) -> set[int]:
    """The numbers of blocks that a configuration gives: one, or in an encoder-decoder two.

    >>> from transformers import BartConfig, GPT2Config
    >>> depths_of(GPT2Config()), depths_of(BartConfig(encoder_layers=12, decoder_layers=6))
    ({12}, {12, 6})
    """
    found = (getattr(configuration, name, None) for name in DEPTHS)
    return {value for value in found if isinstance(value, int)}


def towers_of(configuration: Any) -> set[type]:
    """The classes of the configurations of what stands beside a text model: towers for images and sounds.

    A configuration with a `text_config` has them in its other parts, and one with a depth of its own in its parts.
    """
    parts = {name: getattr(configuration, name, None) for name in getattr(configuration, "sub_configs", {})}
    towers: set[type] = set()
    text = parts.get("text_config")
    if text is not None or depths_of(configuration):
        towers |= {type(part) for part in parts.values() if part is not None and part is not text}
    for part in parts.values():
        towers |= towers_of(part) if part is not None else set()
    return towers - {type(text), type(configuration)}


def takes_embeddings(model: object) -> bool:
    """Whether the words may come as embeddings, among which a tower's output can go.

    So a language model with towers does, and not a model with two towers side by side, as CLIP.
    """
    return "inputs_embeds" in inspect.signature(type(model).forward).parameters  # type: ignore[attr-defined]
