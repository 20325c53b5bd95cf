"""Batches of several seeds: a row is a seed, its texts one after another, and every shape is one of few.

A captured graph is replayed on fixed buffers, so a row's tokens are rounded up to a multiple of `BUCKET`. The surplus
is made of texts that nothing reads: attention stays within a text, and no first token of theirs is looked at.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from progbench.training.rows import PackedCollator

BUCKET = 64  # tokens of a row, and of the longest text
SURPLUS = 4  # texts that hold a row's surplus; twice as many where these cannot
Form = tuple[tuple[str, tuple[int, ...], torch.dtype], ...]  # a batch's tensors: names, shapes and types


@dataclass(frozen=True)
class SeedRows:
    """Where the texts of all rows are, for rows of one batch.

    `first` are the places of the texts' first tokens in their rows, (seeds, texts). `ends` are the ends of all texts,
    surplus ones too, over the tokens of all rows, with a 0 before them, (seeds * (texts + surplus texts) + 1,). All
    rows together have `tokens`, and no text is longer than `longest`. `padded`, for question answering, is every
    token's place among all texts padded to `longest`, (seeds * tokens,); surplus tokens share the one place behind.
    """

    first: torch.Tensor
    ends: torch.Tensor
    tokens: int
    longest: int
    padded: torch.Tensor | None = None

    @functools.cached_property
    def ends32(self) -> torch.Tensor:
        """`ends` in 32 bits, as attention's kernel takes them; made once for all blocks."""
        return self.ends.to(torch.int32)

    @functools.cached_property
    def places(self) -> torch.Tensor:
        """The place of every token once each text is padded to `longest`, (seeds * tokens,)."""
        starts, lengths = self.ends[:-1], self.ends.diff()
        texts = torch.arange(len(lengths), device=self.ends.device)
        moved = (texts * self.longest - starts).repeat_interleave(lengths, output_size=self.tokens)
        return torch.arange(self.tokens, device=self.ends.device) + moved

    def first_tokens(self, hidden: torch.Tensor) -> torch.Tensor:
        """(seeds, tokens, hidden) to (seeds, texts, hidden)."""
        return hidden.gather(1, self.first[:, :, None].expand(-1, -1, hidden.shape[-1]))

    def a_text_each(self, hidden: torch.Tensor) -> torch.Tensor:
        """(seeds, texts, hidden) to (seeds * texts, 1, hidden): a row a text, as a head expects it, seed after seed."""
        return hidden.flatten(0, 1)[:, None]

    def a_row_each(self, scores: torch.Tensor) -> torch.Tensor:
        """(seeds, tokens, scores a token) to (seeds * texts, longest, scores), the lowest number where no token is."""
        rows = self.first.numel()
        places = scores.new_full((rows * self.longest + 1, scores.shape[-1]), torch.finfo(scores.dtype).min)
        placed = places.index_copy(0, self.padded, scores.flatten(0, 1))
        return placed[:-1].unflatten(0, (rows, self.longest))


@dataclass(frozen=True)
class SeedBatch:
    """A batch as one flat tensor of 64-bit numbers, so that one copy brings it to a device.

    `form` says which tensors lie in it, and how long a text may be; two batches of one form fit the same buffers.
    """

    form: Form
    longest: int
    flat: torch.Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> SeedBatch:
        return SeedBatch(self.form, self.longest, self.flat.to(device, non_blocking=non_blocking))

    def ready_for(self, device: str) -> SeedBatch:
        """The same, for a GPU in memory that it can copy from while the host goes on."""
        return SeedBatch(self.form, self.longest, self.flat.pin_memory()) if device == "cuda" else self

    def inputs(self) -> dict[str, Any]:
        """What a model is called with: views of the flat tensor, which follow it when it is overwritten."""
        found, start = {}, 0
        for name, shape, dtype in self.form[:-1]:  # the last says how long the longest text may be
            stop = start + math.prod(shape)
            found[name] = self.flat[start:stop].view(dtype).view(shape)
            start = stop
        tokens = found["input_ids"].numel()
        packing = SeedRows(found.pop("first"), found.pop("ends"), tokens, self.longest, found.pop("padded", None))
        return {**found, "packing": packing}


@dataclass(frozen=True)
class SeedCollator:
    """Makes one batch of as many lists of encoded rows as there are seeds, each list equally long.

    >>> rows = [{"input_ids": [5, 6, 7], "labels": 1}, {"input_ids": [8], "labels": 0}]
    >>> batch = SeedCollator(PackedCollator(), pad=0, longest=8)([rows, rows[::-1]])
    >>> batch.inputs()["input_ids"].shape, batch.inputs()["input_ids"][1, :6].tolist()
    (torch.Size([2, 64]), [8, 5, 6, 7, 0, 0])
    >>> batch.inputs()["packing"].first.tolist(), batch.inputs()["packing"].ends.tolist()[:4]
    ([[0, 1], [0, 1]], [0, 1, 4, 12])

    `alone` makes the batches of one seed: texts stand in the same order here. `pad` is the id of surplus tokens. No
    text is longer than `longest` tokens; a batch whose texts are shorter says so. `answering` batches are for question
    answering. With `bucket` 1 rows are no longer than the longest of them needs.
    """

    alone: PackedCollator
    pad: int
    longest: int
    answering: bool = False
    bucket: int = BUCKET

    def __call__(self, rows: Sequence[Sequence[Mapping[str, Any]]]) -> SeedBatch:
        rows = [self.alone.ordered(one) for one in rows]
        lengths = [[len(row["input_ids"]) for row in one] for one in rows]
        longest = min(self.longest, _rounded(max(map(max, lengths)), self.bucket))
        tokens, extra = _rounded(max(map(sum, lengths)) + SURPLUS, self.bucket), SURPLUS
        while extra * longest < tokens - min(map(sum, lengths)):
            extra *= 2
            tokens = _rounded(max(map(sum, lengths)) + extra, self.bucket)  # each of them has a token
        surplus = [_evenly(tokens - sum(one), extra) for one in lengths]
        whole = [[*one, *more] for one, more in zip(lengths, surplus, strict=True)]
        values = dict(self._values(rows, surplus))
        values["first"] = [[*itertools.accumulate(one[:-1], initial=0)] for one in lengths]
        values["ends"] = [*itertools.accumulate(itertools.chain(*whole), initial=0)]
        if self.answering:
            values["padded"] = list(_padded(lengths, surplus, longest))
        tensors = {name: torch.tensor(value) for name, value in values.items()}
        form = tuple((name, tuple(tensor.shape), _wide(tensor.dtype)) for name, tensor in tensors.items())
        flat = torch.cat([one.to(_wide(one.dtype)).flatten().view(torch.int64) for one in tensors.values()])
        return SeedBatch((*form, ("longest", (longest,), torch.int64)), longest, flat)

    def _values(
        self, rows: Sequence[Sequence[Mapping[str, Any]]], surplus: Sequence[Sequence[int]]
    ) -> Iterator[tuple[str, list]]:
        for name in rows[0][0]:
            if name == "attention_mask":
                continue
            if isinstance(rows[0][0][name], list):
                fill = self.pad if name == "input_ids" else 0
                yield (
                    name,
                    [
                        [*itertools.chain(*(row[name] for row in one)), *[fill] * sum(more)]
                        for one, more in zip(rows, surplus, strict=True)
                    ],
                )
            else:
                yield name, [[row[name] for row in one] for one in rows]
        yield (
            "position_ids",
            [
                [
                    *itertools.chain(*(self.alone.positions(row["input_ids"]) for row in one)),
                    *itertools.chain(*(self.alone.positions([-1] * length) for length in more)),
                ]
                for one, more in zip(rows, surplus, strict=True)
            ],
        )


def _padded(lengths: Sequence[Sequence[int]], surplus: Sequence[Sequence[int]], longest: int) -> Iterator[int]:
    """Every token's place among all texts padded to the longest; the surplus has the one behind them."""
    nowhere = sum(map(len, lengths)) * longest
    start = 0
    for one, more in zip(lengths, surplus, strict=True):
        for length in one:
            yield from range(start, start + length)
            start += longest
        yield from itertools.repeat(nowhere, sum(more))


def _rounded(count: int, to: int) -> int:
    return math.ceil(count / to) * to


def _evenly(total: int, parts: int) -> list[int]:
    return [total // parts + (i < total % parts) for i in range(parts)]


def _wide(dtype: torch.dtype) -> torch.dtype:
    """The type of 64 bits that holds a type's numbers."""
    return torch.float64 if dtype.is_floating_point else torch.int64
