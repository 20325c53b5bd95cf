"""The model inside what others wrapped around it (peft, DDP, torch.compile, Accelerate, sentence-transformers).

And how many blocks it has, as its configuration says.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from torch import nn

from progbench.errors import BadInput
from progbench.method.layout import base_of


def opened(model: nn.Module) -> nn.Module:
    """The model inside DDP, DataParallel, `torch.compile` and peft's wrapper; any other model as it is.

    Raises BadInput for FSDP, which joins parameters of several blocks, and for a peft method that trains nothing in the
    blocks (prompt, prefix and p-tuning).
    """
    while True:
        if any(_is_a(module, "FullyShardedDataParallel", "FSDPModule") for module in model.modules()):
            raise BadInput(
                f"{type(model).__name__} is sharded by FSDP, which stores parameters of several modules as one, or as "
                "shards: no stage can freeze a block there. Use DDP, or one process"
            )
        inside: Any = model
        if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            inside = model.module
        elif _is_a(model, "OptimizedModule"):
            inside = model._orig_mod
        elif _is_a(model, "PeftModel"):
            inside = _inside_peft(model)
        if inside is model:
            return model
        model = inside


def transformer_of(model: nn.Module) -> nn.Module:
    """The transformer in an opened model, without its head; a model that holds none, or several, is taken whole."""
    if hasattr(model, "base_model"):
        return base_of(model)
    inside = list(_outermost(model))
    return base_of(opened(inside[0])) if len(inside) == 1 else model


def _outermost(model: nn.Module) -> Iterator[nn.Module]:
    for child in model.children():
        if hasattr(child, "base_model"):
            yield child
        else:
            yield from _outermost(child)


def has_peft_layers(model: nn.Module) -> bool:
    """Whether peft put layers into the model; asked without importing peft, which takes seconds."""
    return any(_is_a(module, "BaseTunerLayer") for module in model.modules())


def _inside_peft(model: Any) -> nn.Module:
    configuration = model.active_peft_config
    kind = str(getattr(configuration.peft_type, "value", configuration.peft_type))
    if configuration.is_prompt_learning:
        raise BadInput(
            f"{type(model).__name__}: {kind} trains nothing in the blocks, only vectors in front of them: a schedule "
            "of blocks has no effect. Use a method that trains in the blocks: LoRA, DoRA, IA3, VeRA"
        )
    if kind == "ADALORA":
        raise BadInput(
            f"{type(model).__name__}: AdaLoRA shares ranks out by the gradients of all its matrices in every step, and "
            "frozen blocks have none. Use LoRA, or AdaLoRA without a schedule"
        )
    return model.get_base_model()


def _is_a(module: nn.Module, *names: str) -> bool:
    """By the class's name: so its library is not imported."""
    return any(kind.__name__ in names for kind in type(module).__mro__)


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
