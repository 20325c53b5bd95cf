"""Unpadded batches: all tokens of a batch in one row, attention within each text, no padding in any linear layer.

The Hugging Face model is used as it is: its linear layers see one row of real tokens; its attention is replaced through
transformers' own registry; and its head is handed what it expects, the first token of each text, or for question
answering a row of scores a text. A batch holds the same examples as a padded one, shortest first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import transformers
from torch import nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask

from progbench.attention import attention
from progbench.errors import BadInput
from progbench.layout import Layout, layout_of

ATTENTION = "progbench_packed"
PACKED = "_progbench_packed"  # an attribute of a model that takes packed batches

# What another attention call costs on a CPU, in padded scores a head: on GLUE's lengths 300 was up to 4 % slower with
# MiniLM, and 1,000 to 8,000 differed by less than the noise. On a GPU all texts share a call: not measured.
MOST_PADDED = 1000


@dataclass(frozen=True)
class PackedCollator:
    """Makes one batch of encoded rows: each model input as one row of all tokens, everything else a value a text.

    >>> rows = [{"input_ids": [5, 6, 7], "labels": 1}, {"input_ids": [8], "labels": 0}]
    >>> batch = PackedCollator()(rows)
    >>> batch["input_ids"], batch["position_ids"], batch["labels"], batch["packing"].lengths
    (tensor([[8, 5, 6, 7]]), tensor([[0, 0, 1, 2]]), tensor([0, 1]), (1, 3))

    Shapes: (1, tokens) for inputs, (texts,) for the rest. With `padding`, the padding token's id, positions are
    numbered as RoBERTa does: from one above it, and a padding token that stands in a text itself is not counted.
    `most_padded` scores a head is what attention may add to take two groups of texts together (see `groups_of`).
    """

    padding: int | None = None
    most_padded: float = 0

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> transformers.BatchEncoding:
        rows = sorted(rows, key=lambda row: len(row["input_ids"]))
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
        packing = Packing.of([len(row["input_ids"]) for row in rows], self.most_padded)
        return transformers.BatchEncoding({**batch, "position_ids": torch.tensor([places]), "packing": packing})

    def _positions(self, ids: Sequence[int]) -> Iterable[int]:
        if self.padding is None:
            return range(len(ids))
        if self.padding not in ids:
            return range(self.padding + 1, self.padding + 1 + len(ids))
        counted = itertools.accumulate(int(token != self.padding) for token in ids)
        return [self.padding + n * (token != self.padding) for n, token in zip(counted, ids, strict=True)]


@dataclass(frozen=True)
class Group:
    """Neighbours in a packed row that attention takes in one call: tokens `start` to `stop`, each text up to `longest`.

    `places` are the tokens' places among the group's texts padded to `longest`; `repeated` are the tokens at all of
    those places, a text's last one repeated; and `mask` says which are real. All three are None where the texts are
    equally long.
    """

    start: int
    stop: int
    longest: int
    places: torch.Tensor | None = None
    repeated: torch.Tensor | None = None
    mask: torch.Tensor | None = None


@dataclass(frozen=True)
class Packing:
    """Where a packed row's texts are. All of it is made with the batch, so that no step waits for a GPU to tell it.

    `first` are the places of the texts' first tokens; `padded`, every token's place among all texts padded to the
    longest, as question answering's rows of scores have them.
    """

    lengths: tuple[int, ...]
    groups: tuple[Group, ...]
    first: torch.Tensor
    padded: torch.Tensor

    @classmethod
    def of(cls, lengths: Sequence[int], most_padded: float = 0) -> Packing:
        """The packing of texts of these lengths, shortest first."""
        starts = list(itertools.accumulate(lengths[:-1], initial=0))
        return cls(tuple(lengths), groups_of(lengths, most_padded), torch.tensor(starts), _padded(lengths))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Packing:
        def moved(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=non_blocking)

        names = ("places", "repeated", "mask")
        groups = tuple(replace(one, **{name: moved(getattr(one, name)) for name in names}) for one in self.groups)
        return Packing(self.lengths, groups, moved(self.first), moved(self.padded))


def groups_of(lengths: Sequence[int], most_padded: float) -> tuple[Group, ...]:
    """Cut a row of texts, shortest first, into groups that share an attention call.

    >>> [(group.start, group.stop) for group in groups_of((2, 2, 3, 9), most_padded=10)]
    [(0, 7), (7, 16)]

    A call costs time however small it is, and so does padding: texts of one length always share a call, and
    neighbouring groups are joined, cheapest first, while that adds no more than `most_padded` scores a head.
    """
    found = [list(group) for _, group in itertools.groupby(lengths)]
    while len(found) > 1:
        # a text of the shorter group then has scores for the longer one's length squared
        added = [len(left) * (right[-1] ** 2 - left[-1] ** 2) for left, right in itertools.pairwise(found)]
        cheapest = min(range(len(added)), key=added.__getitem__)
        if added[cheapest] > most_padded:
            break
        found[cheapest : cheapest + 2] = [found[cheapest] + found[cheapest + 1]]
    groups, start = [], 0
    for group in found:
        stop, longest = start + sum(group), group[-1]
        if group[0] == longest:
            groups.append(Group(start, stop, longest))
        else:
            counts, places = torch.tensor(group)[:, None], torch.arange(longest)
            repeated = places.minimum(counts - 1) + counts.cumsum(0) - counts
            real = places < counts
            groups.append(Group(start, stop, longest, _padded(group), repeated.flatten(), real[:, None, None, :]))
        start = stop
    return tuple(groups)


def _padded(lengths: Sequence[int]) -> torch.Tensor:
    """Each token's place once every text is padded to the longest, which is the last.

    >>> _padded([1, 3]).tolist()
    [0, 3, 4, 5]
    """
    counts = torch.tensor(lengths)
    missing = (lengths[-1] - counts).cumsum(0) - (lengths[-1] - counts)
    return torch.arange(int(counts.sum())) + missing.repeat_interleave(counts)


def pack(model: transformers.PreTrainedModel) -> PackedCollator | None:
    """Make a model take packed batches, and return what makes them; None for a model this does not serve.

    Proved on the model itself before it is trained: two sequences must come out as they do with padding. A packed model
    still takes padded batches.
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
        model.set_attn_implementation(ATTENTION)
        proved = _agrees_with_padding(model, collator)
    finally:
        if not proved:
            model.set_attn_implementation(before)
            for hook in hooks:
                hook.remove()
    if not proved:
        return None
    setattr(model, PACKED, True)  # not the configuration: models may share one
    return collator


def _hooks(model: nn.Module, layout: Layout) -> list:
    """Hand the head what it expects: of a packed row, the texts.

    A classifier reads each text's first token, so past the attention of the top block only those are computed.
    """
    current: list[Packing | None] = [None]

    def remember(module, arguments, keywords):
        current[0] = keywords.get("packing")

    def first_tokens(module, arguments):
        return arguments if current[0] is None else tuple(hidden[:, current[0].first] for hidden in arguments)

    def a_text_each(module, arguments):
        return arguments if current[0] is None else (arguments[0].transpose(0, 1), *arguments[1:])

    def a_row_each(module, arguments, scores):
        if current[0] is None:
            return scores
        texts, longest = len(current[0].lengths), current[0].lengths[-1]
        rows = scores.new_full((texts * longest, scores.shape[-1]), torch.finfo(scores.dtype).min)
        return rows.index_copy(0, current[0].padded, scores[0]).unflatten(0, (texts, longest))

    if tokens := getattr(model, "qa_outputs", None):
        hooks = [tokens.register_forward_hook(a_row_each)]
    else:
        head = getattr(model, layout.first_token, None) or getattr(model.base_model, layout.first_token, None)
        if head is None:
            raise BadInput(f"{type(model).__name__} has no {layout.first_token}")
        top = model.base_model.get_submodule(layout.blocks)[-1].get_submodule(layout.after_attention)
        hooks = [top.register_forward_pre_hook(first_tokens), head.register_forward_pre_hook(a_text_each)]
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
    return "start_logits" in theirs and all(
        _close(ours[name][real], theirs[name][real]) for name in ("start_logits", "end_logits")
    )


def _close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)


transformers.AttentionInterface.register(ATTENTION, attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, sdpa_mask)
