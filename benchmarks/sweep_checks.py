"""Whether an anatomy is right: held to the configuration, to the calls of a forward pass, and to two steps of training.

Nothing here asks how the anatomy was made.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from progbench import Anatomy, shrinking
from progbench.method.layout import EMBEDDINGS, HEAD

Calls = dict[str, list[int]]
STAGES = ("depths", "depth", "block_sizes")
NUMBERS = ("num_self_attends_per_block", "num_layers", "num_hidden_layers", "n_layer", "n_layers", "encoder_layers")
HALVES = {
    "encoder": ("encoder_layers", "num_encoder_layers", "num_layers"),
    "decoder": ("decoder_layers", "num_decoder_layers", "num_layers"),
}


def wrong_with(model: nn.Module, anatomy: Anatomy, given: dict[str, Any]) -> str:
    """What is wrong with an anatomy; nothing if it is right. Trains the model."""
    depth = depth_of(model)
    if depth != anatomy.L:
        return f"L = {anatomy.L}, and the configuration says {depth}"
    model.train()
    return next(_in_the_calls(anatomy, _watched(model, given)), "") or next(_in_training(model, anatomy, given), "")


def depth_of(model: nn.Module) -> int:
    """The depth that the configuration gives: of the text model first, of both halves of an encoder-decoder."""
    config = model.config
    built = {type(getattr(module, "config", None)) for module in model.modules()}
    if hasattr(config, "encoder") and hasattr(config, "decoder"):
        return sum(_number(getattr(half, "text_config", half)) for half in (config.encoder, config.decoder))
    if hasattr(config, "text_config"):  # an image classifier has only the other
        inner = (getattr(config, name) for name in ("text_config", *config.sub_configs))
        config = next(own for own in inner if type(own) in built)
    names = {path.rpartition(".")[2] for path, _ in model.named_modules()}
    there = [half for half in HALVES if any(name.endswith(half) for name in names)]
    if config.is_encoder_decoder or hasattr(config, "decoder_layers"):
        depths = [[getattr(config, name) for name in HALVES[half] if getattr(config, name, None)] for half in there]
        if all(depths):
            return sum(numbers[0] for numbers in depths)
    behind = config.num_decoder_layers if config.model_type == "funnel" and "decoder" in there else 0
    return _number(config) + behind


def _number(config: Any) -> int:
    values = [getattr(config, name, None) for name in STAGES]
    stages = [sum(value) for value in values if isinstance(value, list | tuple)]
    numbers = [getattr(config, name) for name in NUMBERS if isinstance(getattr(config, name, None), int)]
    return (stages + numbers + [-1])[0]


def _watched(model: nn.Module, given: dict[str, Any]) -> Calls:
    """The calls of each module in one forward pass, numbered in order."""
    order: list[str] = []
    hooks = [
        module.register_forward_pre_hook(lambda *_, path=path: order.append(path))
        for path, module in model.named_modules()
    ]
    model(**given)
    for hook in hooks:
        hook.remove()
    calls: Calls = {}
    for number, path in enumerate(order):
        calls.setdefault(path, []).append(number)
    return calls


def _in_the_calls(anatomy: Anatomy, calls: Calls) -> Iterator[str]:
    spans = []
    for number in range(anatomy.L):
        paths = [piece.path for piece in anatomy.pieces if piece.component == f"block {number}"]
        times = [runs for path in paths if (runs := _calls_of(path, calls))]
        if [len(runs) for runs in times] != [1] * len(times) or not times:
            yield f"block {number} runs {[len(runs) for runs in times]} times"
            return
        spans.append((min(runs[0] for runs in times), max(runs[0] for runs in times)))
    if any(low[1] > high[0] for low, high in itertools.pairwise(spans)):
        yield "the blocks run in another order"
    for piece in anatomy.pieces:
        inside = [runs[0] for path, runs in calls.items() if f"{path}.".startswith(f"{piece.path}.")]
        if piece.component == HEAD and inside and min(inside) < spans[0][0]:
            yield f"{piece.path} is in H and runs before the first block"
        if piece.component == EMBEDDINGS and inside and min(inside) > spans[-1][1]:
            yield f"{piece.path} is in E and runs after the last block"


def _calls_of(path: str, calls: Calls) -> list[int]:
    """Of a module; of one whose `forward` is called by hand (SqueezeBERT), the most that a module of it is called."""
    inside = [runs for inner, runs in calls.items() if inner.startswith(f"{path}.")]
    return calls.get(path) or max(inside, key=len, default=[])


def _in_training(model: nn.Module, anatomy: Anatomy, given: dict[str, Any]) -> Iterator[str]:
    known = sorted(map(id, anatomy.parameters()))
    if known != sorted(map(id, model.parameters())):
        yield "a parameter is in no component, or in two"
    optimizer = torch.optim.AdamW(anatomy.parameters(), lr=1e-2, weight_decay=0.1)
    for stage in shrinking(anatomy.L, 2):
        anatomy.freeze(stage)
        optimizer.zero_grad()
        live = {id(parameter) for parameter in anatomy.trainable(stage)}
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        loss_of(model(**given)).backward()
        optimizer.step()
        for name, parameter in model.named_parameters():
            if id(parameter) not in live and not torch.equal(parameter, before[name]):
                yield f"{name} moves while it is frozen"
        for number in stage.blocks:
            if all(parameter.grad is None for parameter in anatomy.blocks[number]):
                yield f"block {number} trains and gets no gradient"


def loss_of(outputs: Any) -> torch.Tensor:
    """A loss of all outputs."""
    tensors = [output for output in outputs.values() if isinstance(output, torch.Tensor) and output.requires_grad]
    return torch.stack([tensor.float().square().mean() for tensor in tensors]).sum()
