"""Unpadded batches: all tokens of a batch in one row, attention within each text, no padding in any linear layer.

The Hugging Face model stays as it is. Its linear layers see one row of real tokens. Its attention is replaced through
transformers' registry. Its head gets what it expects: each text's first token, or for question answering a row of
scores a text. A batch holds the examples of a padded one, shortest first.
"""

from __future__ import annotations

import math

import torch
import transformers
from torch import nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask

from progbench.errors import BadInput
from progbench.method.layout import Layout, layout_of
from progbench.training.attention import Served, attention
from progbench.training.packed import PackedCollator, Packing
from progbench.training.packed_seeds import PackedSeeds
from progbench.training.process import products

ATTENTION = "progbench_packed"
PACKED = "_progbench_packed"  # an attribute of a model that takes packed batches

# What another attention call costs on a CPU, in padded scores a head, for MiniLM on GLUE's lengths: 300 was up to 4 %
# slower, 1,000 to 8,000 did not differ. On a GPU all texts share a call: not measured.
MOST_PADDED = 1000


def pack(model: transformers.PreTrainedModel) -> PackedCollator | None:
    """Make a model take packed batches, and return what makes them; None for a model that this does not serve.

    Two sequences must give what they give with padding. A packed model still takes padded batches.
    """
    if model.config.pad_token_id is None:
        return None
    try:
        layout = layout_of(model)
        padding = model.config.pad_token_id if layout.positions_after_padding else None
        collator = PackedCollator(padding, MOST_PADDED if model.device.type == "cpu" else math.inf)
        if getattr(model, PACKED, False):
            return collator
        hooks = _hooks(model, layout)
    except BadInput:
        return None
    before, proved = model.config._attn_implementation, False
    try:
        if not layout.relative_positions:
            model.set_attn_implementation(ATTENTION)
        proved = _agrees_with_padding(model, collator)
    finally:
        if not proved:
            if not layout.relative_positions:
                model.set_attn_implementation(before)
            for hook in hooks:
                hook.remove()
    if not proved:
        return None
    setattr(model, PACKED, True)  # not the configuration: models may share one
    return collator


def _hooks(model: nn.Module, layout: Layout) -> list:
    """Hand the head the texts of a packed row.

    A classifier reads each text's first token, so after the top block's attention only those are computed.
    """
    current: list[Packing | PackedSeeds | None] = [None]

    def remember(module, arguments, keywords):
        current[0] = keywords.get("packing")

    def first_tokens(module, arguments):
        return arguments if current[0] is None else tuple(map(current[0].first_tokens, arguments))

    def a_text_each(module, arguments):
        return arguments if current[0] is None else (current[0].a_text_each(arguments[0]), *arguments[1:])

    def a_row_each(module, arguments, scores):
        return scores if current[0] is None else current[0].a_row_each(scores)

    blocks = model.base_model.get_submodule(layout.blocks)
    tokens = getattr(model, "qa_outputs", None)
    if tokens is not None:
        hooks = [tokens.register_forward_hook(a_row_each)]
    else:
        head = getattr(model, layout.first_token, None) or getattr(model.base_model, layout.first_token, None)
        if head is None:
            raise BadInput(f"{type(model).__name__} has no {layout.first_token}")
        hooks = [head.register_forward_pre_hook(a_text_each)]
        if not layout.relative_positions:
            top = blocks[-1].get_submodule(layout.after_attention)
            hooks.append(top.register_forward_pre_hook(first_tokens))
    if layout.relative_positions:
        hooks.append(Served(model, current, blocks, tokens is None))
    return [*hooks, model.register_forward_pre_hook(remember, with_kwargs=True)]


@torch.no_grad()
def _agrees_with_padding(model: transformers.PreTrainedModel, collator: PackedCollator) -> bool:
    was_training, pad = model.training, model.config.pad_token_id
    model.eval()
    device = model.device
    ids = [number for number in range(min(model.config.vocab_size, 9)) if number != pad]
    sequences = [ids[:3], ids]
    padded = torch.tensor([sequence + [pad] * (len(ids) - len(sequence)) for sequence in sequences], device=device)
    try:
        with products("fp32"):  # in tf32 two right ways differ by more than the limits below
            ours = model(**collator([{"input_ids": sequence} for sequence in sequences]).to(device))
            theirs = model(input_ids=padded, attention_mask=(padded != pad).long())
    except (RuntimeError, TypeError, ValueError, IndexError):
        return False
    finally:
        model.train(was_training)
    if "logits" in theirs:
        return _close(ours.logits, theirs.logits)
    real = padded != pad
    return "start_logits" in theirs and all(
        _close(ours[name][real], theirs[name][real]) for name in ("start_logits", "end_logits")
    )


def _close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)


transformers.AttentionInterface.register(ATTENTION, attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, sdpa_mask)
