"""What `apply_tuning` added and trained, saved to a folder, and loaded into the pretrained model again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from progbench.errors import BadInput
from progbench.method.layout import listed
from progbench.method.tuning import apply_tuning, forget, given, is_lora, tuned
from progbench.method.wrappers import opened

TENSORS, DESCRIPTION = "tuning.safetensors", "tuning.json"


def save_tuning(model: nn.Module, folder: str | Path) -> None:
    """Write what the model's tuning trains, and how it was made, to a folder; `load_tuning` reads it.

    >>> import tempfile
    >>> from progbench.models.loading import build
    >>> from progbench.models.spec import spec
    >>> model = build(spec("tiny-bert"), num_labels=2)
    >>> apply_tuning(model, "lora", rank=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_tuning(model, folder)
    ...     fresh = build(spec("tiny-bert"), num_labels=2)  # in earnest: from_pretrained, with the weights of before
    ...     load_tuning(fresh, folder)
    >>> bool((fresh.classifier.weight == model.classifier.weight).all())
    True

    `save_pretrained` writes adapters and LoRA matrices, too, but `from_pretrained` does not know where they belong and
    fills the model with random weights in their places. The base model's weights are not written: they have not
    changed. Raises BadInput for a model that `apply_tuning` did not tune.
    """
    inside = opened(model)
    mark = given(inside)
    if mark is None:
        raise BadInput(f"{type(inside).__name__} has no tuning of apply_tuning's: save it with save_pretrained")
    own = {id(parameter) for parameter in tuned(inside, mark["tuning"])}
    tensors = {n: p.detach().contiguous().clone() for n, p in inside.named_parameters() if id(p) in own}
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(tensors, path / TENSORS)
    text = json.dumps({"model": type(inside).__name__, **mark}, indent=2)
    (path / DESCRIPTION).write_text(f"{text}\n", encoding="utf-8")


def load_tuning(model: nn.Module, folder: str | Path, *, merge: bool = False) -> None:
    """Apply the tuning of a folder to the pretrained model it was made for, in place, with its trained values.

    With `merge` LoRA's products are added to the weights they stand beside and its matrices are gone: a plain model,
    which runs as fast and saves as any other. Adapters cannot be merged, as they are not linear. Raises BadInput for a
    folder without a tuning, and for a model that its tensors do not fit.
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
    apply_tuning(inside, tuning, **options)
    own = {id(parameter) for parameter in tuned(inside, tuning)}
    places = {name: parameter for name, parameter in inside.named_parameters() if id(parameter) in own}
    wrong = sorted(places.keys() ^ tensors.keys())
    wrong += [name for name in places.keys() & tensors.keys() if places[name].shape != tensors[name].shape]
    if wrong:
        raise BadInput(
            f"{path}: was made for {described['model']}, and does not fit this {type(inside).__name__}: {listed(wrong)}"
        )
    with torch.no_grad():
        for name, parameter in places.items():
            parameter.copy_(tensors[name])
    if merge:
        _merge(inside)


def _merge(model: nn.Module) -> None:
    found: list[tuple[str, Any]] = [(name, module) for name, module in model.named_modules() if is_lora(module)]
    for name, module in found:
        module.merge()
        model.set_submodule(name, module.get_base_layer())
    forget(model)
    model.requires_grad_(True)
