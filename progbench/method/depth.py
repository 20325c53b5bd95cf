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
    configuration = getattr(module, "config", None)
    return configuration if hasattr(configuration, "model_type") else None


def stages_of(configuration: Any) -> tuple[int, ...]:
    """Blocks in each stage, of a model whose blocks come in stages."""
    values = (getattr(configuration, name, None) for name in STAGES)
    return next((tuple(value) for value in values if isinstance(value, list | tuple) and value), ())


def depths_of(configuration: Any) -> set[int]:
    """The numbers of blocks that a configuration gives: one, or in an encoder-decoder two."""
    staged = bool(stages_of(configuration))  # then only a decoder behind the stages has a depth of its own
    values = (getattr(configuration, name, None) for name in DEPTHS if "decoder" in name or not staged)
    return {value for value in values if isinstance(value, int)}


def towers_of(configuration: Any) -> set[type]:
    """The configuration classes of the towers (for images and sounds) beside a text model.

    Beside a `text_config` they are its siblings; in a configuration with a depth of its own, all inner ones.
    """
    inside, text = _inside(configuration), getattr(configuration, "text_config", None)
    if text is None and not depths_of(configuration):
        return {tower for inner in inside for tower in towers_of(inner)}
    below = [inner for inner in inside if inner is not text]
    for inner in below:
        below += _inside(inner)
    return {type(inner) for inner in below} - {type(text), type(configuration)}


def _inside(configuration: Any) -> list[Any]:
    inside = (getattr(configuration, name, None) for name in getattr(configuration, "sub_configs", {}))
    return [inner for inner in inside if inner is not None]


def takes_embeddings(model: object) -> bool:
    """Whether `forward` takes embeddings of words, among which a tower's output can go: CLIP, for one, does not."""
    return "inputs_embeds" in inspect.signature(type(model).forward).parameters  # type: ignore[attr-defined]
