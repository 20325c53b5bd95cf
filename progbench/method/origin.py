"""What a tuning was trained on: a digest of the base model's weights, and the names of its labels."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from typing import Any

import torch
from torch import nn

from progbench.errors import BadInput
from progbench.method.wrappers import transformer_of


def origin_of(model: nn.Module, own: Container[int]) -> dict[str, Any]:
    """A digest and the type of all parameters that are not the tuning's `own` (by identity), and the labels' names.

    Parameters are read in the order of registration: LoRA and adapters change their names.
    """
    digest, kinds = hashlib.blake2b(digest_size=16), set[str]()
    for parameter in model.parameters():
        if id(parameter) not in own:
            kinds.add(str(parameter.dtype))
            digest.update(f"{tuple(parameter.shape)} {parameter.dtype}".encode())
            digest.update(parameter.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return {
        "weights": digest.hexdigest(),
        "weights_dtype": " and ".join(sorted(kinds)),
        "id2label": {str(number): label for number, label in sorted(_labels(model).items())},
    }


def require_origin(model: nn.Module, own: Container[int], described: dict[str, Any], where: str) -> None:
    """Raise BadInput unless the base's weights and the order of its labels are those that the tuning was trained on.

    A model whose labels have no names (LABEL_0, LABEL_1) is given the tuning's. Older folders, without these, pass.
    """
    if "weights" not in described:
        return
    now = origin_of(model, own)
    for key, what in (("weights_dtype", "weights of the type"), ("weights", "other weights, with the digest")):
        if now[key] != described[key]:
            raise BadInput(
                f"{where}: was trained on {what} {described[key]}, and those of this {type(model).__name__} are "
                f"{now[key]}: its scores would be others. Load it into the pretrained model that it was trained on, in "
                "the type that it had; convert it afterwards"
            )
    labels: dict[str, str] = described["id2label"]
    if now["id2label"] == labels:
        return
    if any(label != f"LABEL_{number}" for number, label in now["id2label"].items()):
        raise BadInput(
            f"{where}: its head was trained with the labels {labels}, and this model's id2label is {now['id2label']}: "
            "its answers would be called by other names. Load the model with the id2label of the tuning"
        )
    configuration = _configuration(model)
    configuration.id2label = {int(number): label for number, label in labels.items()}
    configuration.label2id = {label: int(number) for number, label in labels.items()}


def _configuration(model: nn.Module) -> Any:
    return getattr(model, "config", None) or getattr(transformer_of(model), "config", None)


def _labels(model: nn.Module) -> dict[int, str]:
    return getattr(_configuration(model), "id2label", None) or {}
