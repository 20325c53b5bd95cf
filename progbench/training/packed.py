"""A packed row: the texts of a batch one after another, without padding, and where each of them is."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import transformers


@dataclass(frozen=True)
class Group:
    """Neighbours in a packed row that attention takes in one call: tokens `start` to `stop`, each text up to `longest`.

    `places` are the tokens' places among the group's texts padded to `longest`. `repeated` are the tokens at all those
    places, a text's last one repeated, and `mask` says which are real. All are None if the texts are equally long.
    """

    start: int
    stop: int
    longest: int
    places: torch.Tensor | None = None
    repeated: torch.Tensor | None = None
    mask: torch.Tensor | None = None


@dataclass(frozen=True)
class Packing:
    """Where a packed row's texts are; made with the batch, so that no step waits for a GPU.

    `first` are the places of the texts' first tokens. `padded` are all tokens' places among the texts padded to the
    longest, for question answering.
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

    def first_tokens(self, hidden: torch.Tensor) -> torch.Tensor:
        """(1, tokens, hidden) to (1, texts, hidden)."""
        return hidden[:, self.first]

    def a_text_each(self, hidden: torch.Tensor) -> torch.Tensor:
        """(1, texts, hidden) to (texts, 1, hidden): a row a text, as a head expects it."""
        return hidden.transpose(0, 1)

    def a_row_each(self, scores: torch.Tensor) -> torch.Tensor:
        """(1, tokens, scores a token) to (texts, longest, scores), the lowest number where no token is."""
        texts, longest = len(self.lengths), self.lengths[-1]
        rows = scores.new_full((texts * longest, scores.shape[-1]), torch.finfo(scores.dtype).min)
        return rows.index_copy(0, self.padded, scores[0]).unflatten(0, (texts, longest))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Packing:
        def moved(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=non_blocking)

        names = ("places", "repeated", "mask")
        groups = tuple(replace(group, **{name: moved(getattr(group, name)) for name in names}) for group in self.groups)
        return Packing(self.lengths, groups, moved(self.first), moved(self.padded))


def groups_of(lengths: Sequence[int], most_padded: float) -> tuple[Group, ...]:
    """Cut a row of texts, shortest first, into groups that share an attention call.

    >>> [(group.start, group.stop) for group in groups_of((2, 2, 3, 9), most_padded=10)]
    [(0, 7), (7, 16)]

    A call costs time, and so does padding. Texts of one length always share a call; neighbouring groups are joined,
    cheapest first, while that adds no more than `most_padded` scores a head.
    """
    cut = [list(group) for _, group in itertools.groupby(lengths)]
    while len(cut) > 1:
        # a text of the shorter group then has scores for the longer one's length squared
        added = [len(left) * (right[-1] ** 2 - left[-1] ** 2) for left, right in itertools.pairwise(cut)]
        cheapest = min(range(len(added)), key=added.__getitem__)
        if added[cheapest] > most_padded:
            break
        cut[cheapest : cheapest + 2] = [cut[cheapest] + cut[cheapest + 1]]
    groups, start = [], 0
    for group in cut:
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


@dataclass(frozen=True)
class PackedCollator:
    """Makes one batch of encoded rows: each model input as one row of all tokens, everything else a value a text.

    >>> rows = [{"input_ids": [5, 6, 7], "labels": 1}, {"input_ids": [8], "labels": 0}]
    >>> batch = PackedCollator()(rows)
    >>> batch["input_ids"], batch["position_ids"], batch["labels"], batch["packing"].lengths
    (tensor([[8, 5, 6, 7]]), tensor([[0, 0, 1, 2]]), tensor([0, 1]), (1, 3))

    Shapes: (1, tokens) for inputs, (texts,) for the rest. With `padding`, the padding token's id, positions are
    numbered as RoBERTa does: from one above it, and a padding token in a text is not counted. `most_padded` is that of
    `groups_of`.
    """

    padding: int | None = None
    most_padded: float = 0

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> transformers.BatchEncoding:
        rows = self.ordered(rows)
        batch: dict[str, Any] = {}
        for name in rows[0]:
            if name == "attention_mask":
                continue
            values = [row[name] for row in rows]
            if isinstance(values[0], torch.Tensor):
                batch[name] = torch.cat(values)[None]
            else:
                batch[name] = torch.tensor([list(itertools.chain(*values))] if isinstance(values[0], list) else values)
        places = [place for row in rows for place in self.positions(row["input_ids"])]
        packing = Packing.of([len(row["input_ids"]) for row in rows], self.most_padded)
        return transformers.BatchEncoding({**batch, "position_ids": torch.tensor([places]), "packing": packing})

    @staticmethod
    def ordered(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The rows of a batch as they stand in it: shortest first."""
        return sorted(rows, key=lambda row: len(row["input_ids"]))

    def positions(self, ids: Sequence[int]) -> Iterable[int]:
        """The position of each of a text's tokens."""
        if self.padding is None:
            return range(len(ids))
        if self.padding not in ids:
            return range(self.padding + 1, self.padding + 1 + len(ids))
        counted = itertools.accumulate(int(token != self.padding) for token in ids)
        return [self.padding + n * (token != self.padding) for n, token in zip(counted, ids, strict=True)]
