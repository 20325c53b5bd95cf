"""What a tuning trained, saved to a folder, and loaded into the pretrained model again."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Container
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from progbench.errors import BadInput
from progbench.method.layout import listed
from progbench.method.tuning import apply_tuning, forget, given, is_lora, lora_configuration, tuned
from progbench.method.wrappers import opened, transformer_of

TENSORS, DESCRIPTION = "tuning.safetensors", "tuning.json"


def save_tuning(model: nn.Module, folder: str | Path) -> None:
    """Write what the model's tuning trains, and how it was made, to a folder; `load_tuning` reads it.

    >>> import copy, tempfile
    >>> from progbench.models.loading import build
    >>> from progbench.models.spec import spec
    >>> model = build(spec("tiny-bert"), num_labels=2)
    >>> fresh = copy.deepcopy(model)  # in earnest: from_pretrained, with the weights of before
    >>> apply_tuning(model, "lora", rank=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_tuning(model, folder)
    ...     load_tuning(fresh, folder)
    >>> bool((fresh.classifier.weight == model.classifier.weight).all())
    True

    `from_pretrained` would give adapters and LoRA matrices random weights. Of the base model a digest of the weights is
    written, the names of the labels, and the buffers. LoRA is written in peft's format as well:
    `PeftModel.from_pretrained(model, folder)` opens it. Raises BadInput for a model without a tuning.
    """
    inside = opened(model)
    mark = given(inside)
    if mark is None:
        raise BadInput(f"{type(inside).__name__} has no tuning of apply_tuning's: save it with save_pretrained")
    own = {id(parameter) for parameter in tuned(inside, mark["tuning"])}
    tensors = {n: p.detach().contiguous().clone() for n, p in inside.named_parameters() if id(p) in own}
    buffers = {name: buffer.detach().contiguous().clone() for name, buffer in _buffers(inside).items()}
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(tensors | buffers, path / TENSORS)
    described = {"model": type(inside).__name__, **mark, **origin_of(inside, own), "buffers": sorted(buffers)}
    (path / DESCRIPTION).write_text(f"{json.dumps(described, indent=2)}\n", encoding="utf-8")
    if mark["tuning"] == "lora":
        _write_for_peft(inside, path, tensors, buffers)


def load_tuning(model: nn.Module, folder: str | Path, *, merge: bool = False) -> None:
    """Apply the tuning of a folder to the pretrained model it was made for, in place, with its trained values.

    With `merge` LoRA's products are added to their weights, and a plain model is left. Raises BadInput for a folder
    without a tuning, for adapters to merge, and for a model with other tensors, weights or labels than it was trained
    on. After a refusal load the model anew: it may have the tuning, without its values.
    """
    path, inside = Path(folder), opened(model)
    try:
        described: dict[str, Any] = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
        tensors = safetensors.torch.load_file(path / TENSORS)
        tuning, options = described["tuning"], dict(described["options"])
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as problem:
        raise BadInput(f"{path}: no tuning that save_tuning wrote: {problem}") from problem
    if merge and tuning == "adapter":
        raise BadInput(f"{path}: adapters are not linear, so they cannot be merged into the weights")
    if "targets" in options:
        options["targets"] = tuple(options["targets"])
    apply_tuning(inside, tuning, blocks=described.get("blocks"), **options)
    own = {id(parameter) for parameter in tuned(inside, tuning)}
    places: dict[str, torch.Tensor] = {n: p for n, p in inside.named_parameters() if id(p) in own}
    places |= _buffers(inside) if "buffers" in described else {}  # a folder of before they were kept has none
    wrong = sorted(places.keys() ^ tensors.keys())
    wrong += [name for name in places.keys() & tensors.keys() if places[name].shape != tensors[name].shape]
    if wrong:
        raise BadInput(
            f"{path}: was made for {described['model']}, and does not fit this {type(inside).__name__}: {listed(wrong)}"
        )
    require_origin(inside, own, described, str(path))
    with torch.no_grad():
        for name, parameter in places.items():
            parameter.copy_(tensors[name])
    if merge:
        _merge(inside)


def _buffers(model: nn.Module) -> dict[str, torch.Tensor]:
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return {
        name: value
        for name, value in model.state_dict().items()
        if name not in parameters and isinstance(value, torch.Tensor)
    }


def _write_for_peft(
    model: nn.Module, folder: Path, tensors: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]
) -> None:
    """Write peft's own format: its configuration, with the head as modules to save, and its names of tensors.

    peft takes each module whose path ends as one to save is called; where a block's does, the head is called by its
    whole path.
    """
    heads: dict[str, None] = {}
    for name in (name for name in tensors if ".lora_" not in name):
        names = name.split(".")
        prefixes = (".".join(names[:end]) for end in range(1, len(names)))
        alone = (
            path for path in prefixes if all(n in tensors for n, _ in model.get_submodule(path).named_parameters(path))
        )
        head = next(alone, None)
        if head is None:
            warnings.warn(
                f"{folder}: not written in peft's format, since {name} is in no module that trains as a whole; "
                "load_tuning reads the folder",
                stacklevel=3,
            )
            return
        heads[head] = None
    paths = [path for path, _ in model.named_modules()]
    alike = {head for head in heads if any(path.endswith(head) and path != head for path in paths)}
    saved = [f"base_model.model.{head}" if head in alike else head for head in heads]
    configuration = lora_configuration(model, modules_to_save=saved or None)
    configuration.inference_mode = True
    configuration.save_pretrained(str(folder))
    heads_own = {n: buffer for n, buffer in buffers.items() if any(n.startswith(f"{head}.") for head in heads)}
    named = {f"base_model.model.{n.replace('.default', '')}": kept for n, kept in (tensors | heads_own).items()}
    safetensors.torch.save_file(named, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def _merge(model: nn.Module) -> None:
    layers: list[tuple[str, Any]] = [(name, module) for name, module in model.named_modules() if is_lora(module)]
    for name, module in layers:
        module.merge()
        model.set_submodule(name, module.get_base_layer())
    forget(model)
    model.requires_grad_(True)


def origin_of(model: nn.Module, own: Container[int]) -> dict[str, Any]:
    """A digest and the type of all parameters that are not the tuning's `own` (by identity), and the labels' names.

    Parameters are read in the order of registration: LoRA and adapters change their names.
    """
    labels: dict[int, str] = getattr(_configuration(model), "id2label", None) or {}
    digest, kinds = hashlib.blake2b(digest_size=16), set[str]()
    for parameter in model.parameters():
        if id(parameter) not in own:
            kinds.add(str(parameter.dtype))
            digest.update(f"{tuple(parameter.shape)} {parameter.dtype}".encode())
            digest.update(parameter.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return {
        "weights": digest.hexdigest(),
        "weights_dtype": " and ".join(sorted(kinds)),
        "id2label": {str(number): label for number, label in sorted(labels.items())},
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
