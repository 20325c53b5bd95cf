"""Unpadded batches: all tokens of a batch in one row, attention within each sequence, no padding ever multiplied.

The Hugging Face model is used as it is: its linear layers see one row of real tokens; its attention is replaced through
transformers' own registry; and its head is handed what it expects, the first token of each sequence, or for question
answering a row of scores a sequence. A batch holds the same examples as a padded one, shortest first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask

from progbench.errors import BadInput
from progbench.layout import Layout, layout_of

ATTENTION = "progbench_packed"


@dataclass(frozen=True)
class PackedCollator:
    """Makes one batch of encoded rows: each model input as one row of all tokens, everything else a value a sequence.

    >>> rows = [{"input_ids": [5, 6, 7], "labels": 1}, {"input_ids": [8], "labels": 0}]
    >>> batch = PackedCollator()(rows)
    >>> batch["input_ids"], batch["position_ids"], batch["labels"], batch["sequence_lengths"]
    (tensor([[8, 5, 6, 7]]), tensor([[0, 0, 1, 2]]), tensor([0, 1]), (1, 3))

    Shapes: (1, tokens) for inputs, (sequences,) for the rest. With `padding`, the padding token's id, positions are
    numbered as RoBERTa does: from one above it, and a padding token that stands in a text itself is not counted.
    """

    padding: int | None = None

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> transformers.BatchEncoding:
        rows = sorted(rows, key=lambda row: len(row["input_ids"]))
        lengths = tuple(len(row["input_ids"]) for row in rows)
        batch: dict[str, Any] = {}
        for name in rows[0]:
            if name == "attention_mask":
                continue
            values = [row[name] for row in rows]
            if isinstance(values[0], torch.Tensor):
                batch[name] = torch.cat(values)[None]
            else:
                batch[name] = torch.tensor([list(itertools.chain(*values))] if isinstance(values[0], list) else values)
        places = [place for row in rows for place in self._positions(row["input_ids"])]
        return transformers.BatchEncoding(
            {**batch, "position_ids": torch.tensor([places]), "sequence_lengths": lengths}
        )

    def _positions(self, ids: Sequence[int]) -> Iterable[int]:
        if self.padding is None:
            return range(len(ids))
        if self.padding not in ids:
            return range(self.padding + 1, self.padding + 1 + len(ids))
        counted = itertools.accumulate(int(token != self.padding) for token in ids)
        return [self.padding + n * (token != self.padding) for n, token in zip(counted, ids, strict=True)]


def pack(model: transformers.PreTrainedModel) -> PackedCollator | None:
    """Make a model take packed batches, and return what makes them; None for a model this does not serve.

    Proved on the model itself before it is trained: two sequences must come out as they do with padding. A packed model
    still takes padded batches.
    """
    try:
        layout = layout_of(model)
        collator = PackedCollator(model.config.pad_token_id if layout.positions_after_padding else None)
        if model.config._attn_implementation == ATTENTION:  # packed before
            return collator
        hooks = _hooks(model, layout)
    except BadInput:
        return None
    before = model.config._attn_implementation
    model.set_attn_implementation(ATTENTION)
    if _agrees_with_padding(model, collator):
        return collator
    model.set_attn_implementation(before)
    for hook in hooks:
        hook.remove()
    return None


def _hooks(model: nn.Module, layout: Layout) -> list:
    """Hand the head what it expects: of a packed row, the sequences.

    A classifier reads each sequence's first token, so past the attention of the top block only those are computed.
    """
    lengths: list[Sequence[int] | None] = [None]

    def remember(module, arguments, keywords):
        lengths[0] = keywords.get("sequence_lengths")

    def first_tokens(module, arguments):
        if lengths[0] is None:
            return arguments
        starts = torch.tensor([0, *itertools.accumulate(lengths[0][:-1])], device=arguments[0].device)
        return tuple(hidden[:, starts] for hidden in arguments)

    def a_sequence_each(module, arguments):
        return arguments if lengths[0] is None else (arguments[0].transpose(0, 1), *arguments[1:])

    def a_row_each(module, arguments, scores):
        if lengths[0] is None:
            return scores
        counts = torch.tensor(lengths[0], device=scores.device)
        places = torch.arange(int(counts.max()), device=scores.device)
        rows = scores.new_full((len(counts), len(places), scores.shape[-1]), torch.finfo(scores.dtype).min)
        rows[places < counts[:, None]] = scores[0]
        return rows

    if tokens := getattr(model, "qa_outputs", None):
        hooks = [tokens.register_forward_hook(a_row_each)]
    else:
        head = getattr(model, layout.first_token, None) or getattr(model.base_model, layout.first_token, None)
        if head is None:
            raise BadInput(f"{type(model).__name__} has no {layout.first_token}")
        top = model.base_model.get_submodule(layout.blocks)[-1].get_submodule(layout.after_attention)
        hooks = [top.register_forward_pre_hook(first_tokens), head.register_forward_pre_hook(a_sequence_each)]
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
        ours = model(**collator([{"input_ids": sequence} for sequence in sequences]).to(device))
        theirs = model(input_ids=padded, attention_mask=(padded != pad).long())
    except (RuntimeError, TypeError, ValueError, IndexError):
        return False
    finally:
        model.train(was_training)
    if "logits" in theirs:
        return _close(ours.logits, theirs.logits)
    real = padded != pad
    return all(_close(ours[name][real], theirs[name][real]) for name in ("start_logits", "end_logits"))


def _close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sequence_lengths: Sequence[int] | None = None,
    **rest,
) -> tuple[torch.Tensor, None]:
    """Attention within each sequence of a packed row: sequences of one length are one call, on views, without a mask.

    Shapes: query, key, value (1, heads, tokens, size); result (1, tokens, heads, size), as transformers wants it.
    """
    if sequence_lengths is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **rest
        )
    pieces = []
    for start, count, length in _groups(sequence_lengths):
        q, k, v = (
            part[0].transpose(0, 1)[start : start + count * length].unflatten(0, (count, length)).transpose(1, 2)
            for part in (query, key, value)
        )
        attended = nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling)
        pieces.append(attended.transpose(1, 2).flatten(0, 1))
    return torch.cat(pieces)[None], None


def _groups(lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Neighbours of equal length in a row: first token, number of sequences, their length."""
    start = 0
    for length, group in itertools.groupby(lengths):
        count = len(list(group))
        yield start, count, length
        start += count * length


transformers.AttentionInterface.register(ATTENTION, _attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, sdpa_mask)
