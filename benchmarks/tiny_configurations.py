"""A tiny configuration of any model type of transformers: its default one, made small by the names of its sizes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING, PreTrainedConfig

SMALL = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
SIZES = {name: int(size) for size, names in SMALL["sizes"].items() for name in names.split()}
DEPTHS = set(SMALL["depths"])
WORDS = SIZES["vocab_size"]
# of the library, of a saved model, or of the labels: not for a constructor
LEFT_OUT = {"transformers_version", "architectures", "model_type", "dtype", "_name_or_path", "id2label", "label2id"}
LEFT_OUT |= set(SMALL["derived"])


def tiny(kind: str) -> PreTrainedConfig:
    """The default configuration of this type with four blocks of width 32.

    >>> tiny("llama").num_hidden_layers, tiny("llama").hidden_size
    (4, 32)
    """
    make = CONFIG_MAPPING[kind]
    return make(**_small(make().to_dict(), SMALL["kinds"].get(kind, {}), SMALL["blocks"]))


def _small(values: dict[str, Any], own: dict[str, Any], blocks: int) -> dict[str, Any]:
    long = {value for name, value in values.items() if name in DEPTHS and isinstance(value, int)}
    small = {}
    for name, value in values.items():
        if name in LEFT_OUT:
            continue
        if name in own and not isinstance(own[name], dict):
            small[name] = own[name]
        elif name in SMALL["values"] and value is not None:
            small[name] = SMALL["values"][name]
        elif name == "num_key_value_heads" and "kv_lora_rank" in values:  # one latent vector for all heads
            small[name] = SIZES["num_attention_heads"]
        elif isinstance(value, dict) and ("model_type" in value or name in own):
            text = any(word in name for word in ("text", "decoder", "thinker"))
            kind = {"model_type": value["model_type"]} if "model_type" in value else {}
            small[name] = kind | _small(value, own.get(name, {}), blocks if text else SMALL["tower"])
        elif isinstance(value, list | tuple) and len(value) > blocks and len(value) in long:
            small[name] = _cut(list(value), blocks)
        elif name == "head_dim" and value is None:
            small[name] = SMALL["head_dim"]
        elif isinstance(value, int) and not isinstance(value, bool):
            small[name] = _number(name, value, blocks)
        else:
            small[name] = value
    return small | {name: value for name, value in own.items() if name not in small}


def _number(name: str, value: int, blocks: int) -> int:
    if name in DEPTHS:
        return min(value, blocks)
    if name.endswith(("_token_id", "_token_index")) and value >= WORDS:  # special tokens of images, sounds and ends
        return WORDS - 1 - sum(map(ord, name)) % 20
    if name in ("image_size", "patch_size"):
        return min(value, 32 if name == "image_size" else 8)
    return min(value, SIZES.get(name, value)) if value > 0 else value


def _cut(values: list[Any], length: int) -> list[Any]:
    """As many members of a list with one for each block, every kind of block among them."""
    spread = [values[round(number * (len(values) - 1) / (length - 1))] for number in range(length)]
    for value in values:
        if value not in spread:
            twice = next((number for number, value in enumerate(spread) if spread.count(value) > 1), None)
            if twice is not None:
                spread[twice] = value
    return spread
