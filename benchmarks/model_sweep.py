"""Is every model of transformers taken apart rightly? Outside CI, no network, no weights, minutes on a CPU:

python benchmarks/model_sweep.py [--write] [TYPE ...]
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers.models.auto import modeling_auto

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tiny_configurations import WORDS, tiny

from progbench import shrinking
from progbench.method.layout import EMBEDDINGS, HEAD

HEADS = (
    "CAUSAL_LM", "SEQUENCE_CLASSIFICATION", "TOKEN_CLASSIFICATION", "SEQ_TO_SEQ_CAUSAL_LM",
    "IMAGE_CLASSIFICATION", "AUDIO_CLASSIFICATION", "MASKED_LM", "QUESTION_ANSWERING",
)  # fmt: skip
ROWS, LENGTH = 2, 12
NEEDS = {"CAUSAL_LM": ("is_decoder", True)}


def pairs(kinds=()) -> list[tuple[str, str, str]]:
    """Type, head, and the name of the class, of every pair that transformers knows."""
    found = []
    for head in HEADS:
        for kind, name in getattr(modeling_auto, f"MODEL_FOR_{head}_MAPPING_NAMES").items():
            found.append((kind, head, name if isinstance(name, str) else name[0]))
    return [one for one in found if not kinds or one[0] in kinds]


def build(kind: str, head: str, name: str) -> nn.Module:
    make = getattr(transformers, name)
    configuration = tiny(kind)
    parts = [getattr(configuration, part) for part in configuration.sub_configs]
    fitting = [one for one in (configuration, *parts) if isinstance(one, make.config_class)]
    chosen = fitting[0] if fitting else configuration
    if head in NEEDS:
        setattr(chosen, *NEEDS[head])
    for one in (chosen, chosen.get_text_config()):
        one.pad_token_id = 0 if getattr(one, "pad_token_id", None) is None else one.pad_token_id
    torch.manual_seed(0)
    return make(chosen)


def batch(model: nn.Module, head: str) -> dict[str, Any]:
    g = torch.Generator().manual_seed(1)
    config = model.config
    takes = inspect.signature(model.forward).parameters
    words = lambda n=LENGTH: torch.randint(5, WORDS - 30, (ROWS, n), generator=g)
    noise = lambda *shape: torch.randn(ROWS, *shape, generator=g)
    given: dict[str, Any] = {}
    main = model.main_input_name
    if "input_ids" in takes:
        books = getattr(config, "num_codebooks", 1)
        given["input_ids"] = words().repeat_interleave(books, 0) if books > 1 else words()
        eos = getattr(config.get_text_config(), "eos_token_id", None)
        if isinstance(eos, int):
            given["input_ids"][:, -1] = eos
    elif "decoder_input_ids" in takes and main == "input_ids":
        given["input_ids"] = words()
    if "decoder_input_ids" in takes:
        given["decoder_input_ids"] = words(LENGTH)
    if main == "pixel_values":
        size = getattr(config, "image_size", 32) or 32
        size = size if isinstance(size, int) else size[0]
        given["pixel_values"] = noise(getattr(config, "num_channels", 3), size, size)
        if "spatial_shapes" in takes:
            p = config.vision_config.patch_size
            given = {
                "pixel_values": noise(4, 3 * p * p),
                "pixel_attention_mask": torch.ones(ROWS, 4),
                "spatial_shapes": torch.tensor([[2, 2]] * ROWS),
            }
    if main == "input_values":
        given["input_values"] = (
            noise(config.max_length, config.num_mel_bins)
            if hasattr(config, "num_mel_bins") and hasattr(config, "max_length")
            else noise(4000)
        )
    if main == "input_features":
        if hasattr(config, "feature_projection_input_dim"):
            given["input_features"] = noise(20, config.feature_projection_input_dim)
        elif hasattr(config, "num_mel_bins"):
            given["input_features"] = noise(config.num_mel_bins, 2 * config.max_source_positions)
    if config.model_type == "voxtral_realtime":
        given["input_features"] = noise(config.audio_config.num_mel_bins, 8 * LENGTH)
    if "cross_attention_states" in takes:
        given["cross_attention_states"] = noise(4, config.hidden_size)
    if "bbox" in takes:
        given["bbox"] = torch.ones(
            ROWS,
            LENGTH,
            8 if config.model_type == "bros" else 4,
            dtype=torch.long if config.model_type != "bros" else torch.float,
        )
    if "global_attention_mask" in takes:
        given["global_attention_mask"] = torch.ones(ROWS, LENGTH, dtype=torch.long)
    if "visual_feats" in takes:
        given |= {"visual_feats": noise(3, config.visual_feat_dim), "visual_pos": noise(3, 4)}
    if "inputs" in takes:
        given = {"inputs": words() if "IMAGE" not in head else noise(3, config.image_size, config.image_size)}
    return given


def loss_of(out):
    found = [
        v
        for v in (out.values() if hasattr(out, "values") else out)
        if isinstance(v, torch.Tensor) and v.is_floating_point() and v.requires_grad
    ]
    return sum(v.float().pow(2).mean() for v in found)


def order_of(model: nn.Module, given: dict[str, Any]) -> list[str]:
    """The paths of all modules of the model, in the order in which one forward pass calls them."""
    seen: list[str] = []
    hooks = [
        module.register_forward_pre_hook(lambda *_, path=path: seen.append(path), with_kwargs=False)
        for path, module in model.named_modules()
    ]
    try:
        loss = loss_of(model(**given))
    finally:
        for hook in hooks:
            hook.remove()
    return seen, loss


def depth_of(model: nn.Module) -> int:
    """The depth that the configuration itself gives, of the text model first, of both halves of an encoder-decoder."""
    config = model.config
    built = {type(getattr(module, "config", None)) for module in model.modules()}
    parts = [getattr(config, name) for name in getattr(config, "sub_configs", {})]
    if hasattr(config, "encoder") and hasattr(config, "decoder"):
        return sum(_number(getattr(part, "text_config", part)) for part in (config.encoder, config.decoder))
    if hasattr(config, "text_config"):
        config = next(part for part in (config.text_config, *parts) if type(part) in built)
    halves = [
        half
        for half in ("encoder", "decoder")
        if any(path.split(".")[-1].endswith(half) for path, _ in model.named_modules())
    ]
    if config.is_encoder_decoder or hasattr(config, "decoder_layers"):
        numbers = {
            "encoder": ("encoder_layers", "num_encoder_layers", "num_layers"),
            "decoder": ("decoder_layers", "num_decoder_layers", "num_layers"),
        }
        found = [next((getattr(config, n) for n in numbers[half] if getattr(config, n, None)), None) for half in halves]
        if all(found):
            return sum(found)
    if config.model_type == "funnel" and "decoder" in halves:
        return _number(config) + config.num_decoder_layers
    return _number(config)


def _number(config) -> int:
    for name in ("depths", "depth", "block_sizes"):
        if isinstance(getattr(config, name, None), list | tuple):
            return sum(getattr(config, name))
    names = ("num_self_attends_per_block", "num_layers", "num_hidden_layers", "n_layer", "n_layers", "encoder_layers")
    return next((getattr(config, name) for name in names if isinstance(getattr(config, name, None), int)), -1)


def wrong(model, head, anatomy) -> str:
    given = batch(model, head)
    model.train()
    seen, loss = order_of(model, given)
    if (depth := depth_of(model)) != anatomy.L:
        return f"L = {anatomy.L}, the configuration says {depth}"
    calls: dict[str, list[int]] = {}
    for number, path in enumerate(seen):
        calls.setdefault(path, []).append(number)

    def called(path):  # a module whose forward is called by hand is seen by its parts
        inside = [numbers for one, numbers in calls.items() if one.startswith(path + ".")]
        return calls.get(path) or (max(inside, key=len) if inside else [])

    blocks = [[piece.path for piece in anatomy.pieces if piece.part == f"block {n}"] for n in range(anatomy.L)]
    times = [[called(path) for path in paths] for paths in blocks]
    times = [[one for one in t if one] for t in times]
    if any(len(one) != 1 for t in times for one in t) or not all(times):
        return f"blocks are called {[[len(one) for one in t] for t in times]} times"
    firsts = [min(one[0] for one in t) for t in times]
    lasts = [max(one[0] for one in t) for t in times]
    if any(a > b for a, b in zip(lasts, firsts[1:])):
        return f"blocks are called in another order: {firsts} {lasts}"
    for piece in anatomy.pieces:
        inside = [numbers[0] for one, numbers in calls.items() if one == piece.path or one.startswith(piece.path + ".")]
        if not inside:
            continue
        if piece.part == HEAD and min(inside) < firsts[0]:
            return f"{piece.path} is H and called before the first block"
        if piece.part == EMBEDDINGS and min(inside) > lasts[-1]:
            return f"{piece.path} is E and called after the last block"
    optimizer = torch.optim.AdamW(anatomy.parameters(), lr=1e-2, weight_decay=0.1)
    for stage in shrinking(anatomy.L, 2):
        anatomy.freeze(stage)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        loss = loss_of(model(**given))
        loss.backward()
        live = {id(p) for p in anatomy.trainable(stage)}
        optimizer.step()
        moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        outside = [
            name for name, p in model.named_parameters() if id(p) not in live and (name in moved or p.grad is not None)
        ]
        if outside:
            return f"moved while frozen: {outside[:3]}"
        still = [name for name, p in model.named_parameters() if id(p) in live and p.grad is None]
        dead = [n for n in stage.blocks if all(p.grad is None for p in anatomy.blocks[n])]
        if dead:
            return f"blocks {dead} have no gradient"
        optimizer.zero_grad()
    return ""
