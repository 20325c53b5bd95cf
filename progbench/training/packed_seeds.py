"""Batches of several seeds: a row is a seed, its texts in places of one layout, and every shape is one of few.

A captured graph is replayed on fixed buffers, so rows are rounded up by surplus tokens that nothing reads. Attention
takes rows of short texts as they are, in bins; longer ones are brought to bins for it, and back (`text_groups`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy
import torch

from progbench.training.packed import PackedCollator
from progbench.training.text_groups import BINS, BUCKET, Groups, in_bins, in_mixed_bins, rounded

Form = tuple[tuple[str, tuple, torch.dtype], ...]  # a batch's tensors: names, shapes and types


@dataclass(frozen=True)
class PackedSeeds:
    """Where the texts of a batch's rows are.

    `first` are the places of the texts' first tokens in their rows, (seeds, texts). `groups` are the bins in which
    attention takes them: in each group a seed's bins beside each other. `owners` has each place's text by its number in
    its row, or -1, (seeds * places,). If attention takes rows as they are, there is one group, whose places are their
    tokens. Otherwise `source` has for each place its token among all rows' tokens, and where there is none a surplus
    token of the same seed, so that each token has a place. `padded`, for question answering, is each token's place
    among all texts padded to `longest`, (seeds * tokens,); surplus tokens share one place behind.
    """

    first: torch.Tensor
    groups: Groups
    owners: torch.Tensor
    source: torch.Tensor | None = None
    padded: torch.Tensor | None = None

    @property
    def longest(self) -> int:
        """No text is longer."""
        return self.groups[-1][1]

    def in_groups(self, tokens: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(places, …) as (bins, longest, …) for each group: views."""
        seeds = len(self.first)
        split = tokens.split([seeds * bins * longest for bins, longest in self.groups])
        return tuple(own.unflatten(0, (-1, longest)) for own, (_, longest) in zip(split, self.groups, strict=True))

    def together(self, pieces: Sequence[torch.Tensor], tokens: int) -> torch.Tensor:
        """The way back: (bins, longest, …) of each group to (tokens, …), those of all rows."""
        flat = [piece.flatten(0, 1) for piece in pieces]
        whole = flat[0].new_empty(tokens, *flat[0].shape[1:])
        for own, there in zip(flat, self.source.split([*map(len, flat)]), strict=True):
            whole.index_copy_(0, there, own)
        return whole

    def seen(self, number: int) -> torch.Tensor:
        """Which tokens those of a group's bins see, (bins, 1, longest, longest)."""
        owners = self.in_groups(self.owners)[number][:, None]
        return owners[..., None] == owners[..., None, :]

    @functools.cached_property
    def _masks(self) -> dict[torch.dtype, list[torch.Tensor]]:
        return {}

    def masks(self, dtype: torch.dtype) -> list[torch.Tensor]:
        """Added to each group's scores: -inf where a token is not seen. Made once for all blocks."""
        if dtype not in self._masks:
            seen = [self.seen(number) for number in range(len(self.groups))]
            self._masks[dtype] = [torch.zeros_like(own, dtype=dtype).masked_fill_(~own, -math.inf) for own in seen]
        return self._masks[dtype]

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

    `form` says which tensors lie in it, and how its texts are grouped. Batches of one form fit the same buffers.
    """

    form: Form
    flat: torch.Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> SeedBatch:
        return SeedBatch(self.form, self.flat.to(device, non_blocking=non_blocking))

    def ready_for(self, device: str) -> SeedBatch:
        """The same; for a GPU in pinned memory, from which it copies while the host goes on."""
        return SeedBatch(self.form, self.flat.pin_memory()) if device == "cuda" else self

    def inputs(self) -> dict[str, Any]:
        """The model's inputs, as views of the flat tensor, which follow it when it is overwritten."""
        tensors, start = {}, 0
        for name, shape, dtype in self.form[:-1]:  # the last says how texts are grouped
            stop = start + math.prod(shape)
            tensors[name] = self.flat[start:stop].view(dtype).view(shape)
            start = stop
        where = {name: tensors.pop(name) for name in _WHERE & {*tensors}}
        return {**tensors, "packing": PackedSeeds(**where, groups=self.form[-1][1])}


@dataclass(frozen=True)
class SeedCollator:
    """Makes one batch of as many lists of encoded rows as there are seeds, each list equally long.

    >>> rows = [{"input_ids": [5, 6, 7], "labels": 1}, {"input_ids": [8], "labels": 0}]
    >>> batch = SeedCollator(PackedCollator(), pad=0, longest=8)([rows, rows[::-1]])
    >>> batch.inputs()["input_ids"].shape, batch.inputs()["input_ids"][1, :6].tolist()
    (torch.Size([2, 64]), [5, 6, 7, 8, 0, 0])
    >>> batch.inputs()["packing"].first.tolist()
    [[3, 0], [3, 0]]

    `alone` makes the batches of one seed, with texts in the same order, shortest first, whatever their places. `pad` is
    the id of surplus tokens. No text is longer than `longest` tokens. `answering` batches are for question answering.
    Rows are made of the shortest `bins` that fit; texts that fit into none stand one after another.
    """

    alone: PackedCollator
    pad: int
    longest: int
    answering: bool = False
    bins: Sequence[int] = BINS

    def __call__(self, rows: Sequence[Sequence[Mapping[str, Any]]]) -> SeedBatch:
        rows = [self.alone.ordered(own) for own in rows]
        lengths = numpy.array([[len(row["input_ids"]) for row in own] for own in rows])
        short = lengths.max() <= max(self.bins, default=0)
        if short:
            count, size, first = in_bins(lengths.tolist(), self.bins)
            groups, first, tokens = ((count, size),), numpy.array(first), count * size
        else:
            first = lengths.cumsum(1) - lengths
            tokens = rounded(int(lengths.sum(1).max()) + 1, BUCKET)  # one that stands for places without a token
            groups, starts = in_mixed_bins(lengths.tolist(), self.longest, tokens)
        at = [numpy.repeat(*own) + _within(own[1]) for own in zip(first, lengths, strict=True)]
        there = at if short else [numpy.repeat(*own) + _within(own[1]) for own in zip(starts, lengths, strict=True)]
        values = dict(self._values(rows, lengths, at, tokens)) | {"first": first}
        owners, source = _placed(groups, lengths, there, tokens)
        values |= {"owners": owners} if short else {"owners": owners, "source": source}
        if self.answering:
            values["padded"] = _padded(lengths, at, tokens, groups[-1][1])
        arrays = {name: value.astype(float if value.dtype.kind == "f" else int) for name, value in values.items()}
        form = tuple((name, array.shape, _TYPES[array.dtype.kind]) for name, array in arrays.items())
        flat = numpy.concatenate([array.ravel().view(numpy.int64) for array in arrays.values()])
        return SeedBatch((*form, ("groups", groups, torch.int64)), torch.from_numpy(flat))

    def _values(
        self,
        rows: Sequence[Sequence[Mapping[str, Any]]],
        lengths: numpy.ndarray,
        at: Sequence[numpy.ndarray],
        tokens: int,
    ) -> Iterator[tuple[str, numpy.ndarray]]:
        for name, value in rows[0][0].items():
            if name == "attention_mask":
                continue
            if numpy.ndim(value):
                wide = numpy.full((len(rows), tokens), self.pad if name == "input_ids" else 0)
                for row, texts, there in zip(wide, rows, at, strict=True):
                    row[there] = numpy.concatenate([text[name] for text in texts])
                yield name, wide
            else:
                made = numpy.array([[text[name] for text in texts] for texts in rows])
                # in float32, as torch makes it of a single seed's
                yield name, made.astype(numpy.float32) if made.dtype.kind == "f" else made
        yield "position_ids", self._positions(rows, lengths, at, tokens)

    def _positions(
        self, rows: Sequence, lengths: numpy.ndarray, at: Sequence[numpy.ndarray], tokens: int
    ) -> numpy.ndarray:
        """Each token's position in its text; that of a surplus token is the first one."""
        base, padding = self.alone.positions([-1])[0], self.alone.padding
        positions = numpy.full((len(rows), tokens), base)
        for row, texts, those, there in zip(positions, rows, lengths, at, strict=True):
            row[there] = base + _within(those)
            if padding is not None:
                for text, start in zip(texts, there[those.cumsum() - those], strict=True):
                    if padding in text["input_ids"]:
                        ids = list(text["input_ids"])
                        row[start : start + len(ids)] = list(self.alone.positions(ids))
        return positions


def in_arrays(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The same rows with arrays in the place of lists, from which batches are made several times faster.

    >>> in_arrays([{"input_ids": [5, 6], "labels": 1}])
    [{'input_ids': array([5, 6]), 'labels': 1}]

    Rows that lie in a file stay there.
    """
    if not isinstance(rows, list):
        return rows
    return [{n: numpy.array(v) if isinstance(v, list) else v for n, v in row.items()} for row in rows]


_WHERE = {field.name for field in fields(PackedSeeds)}
_TYPES = {"f": torch.float64, "i": torch.int64}


def _placed(
    groups: Groups, lengths: numpy.ndarray, at: Sequence[numpy.ndarray], tokens: int
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """`owners` and `source` of bins (`PackedSeeds`), of texts whose tokens have these places in their seed's bins."""
    owners = numpy.full((len(lengths), sum(count * size for count, size in groups)), -1)
    source = numpy.empty_like(owners)
    for seed, (those, there) in enumerate(zip(lengths, at, strict=True)):
        owners[seed, there] = numpy.repeat(numpy.arange(len(those)), those)
        empty, filled = owners[seed] < 0, len(there)
        source[seed, there] = seed * tokens + numpy.arange(filled)
        # where rows are bins, nothing is left over, and no source is read
        source[seed, empty] = seed * tokens + filled + numpy.arange(empty.sum()) % max(1, tokens - filled)
    ends = numpy.cumsum([count * size for count, size in groups])[:-1]
    return tuple(numpy.concatenate([own.ravel() for own in numpy.split(each, ends, 1)]) for each in (owners, source))


def _padded(lengths: numpy.ndarray, at: Sequence[numpy.ndarray], tokens: int, longest: int) -> numpy.ndarray:
    """Every token's place among all texts padded to the longest; the surplus has the one behind them."""
    seeds, texts = lengths.shape
    places = numpy.full((seeds, tokens), lengths.size * longest)
    for seed, (those, there) in enumerate(zip(lengths, at, strict=True)):
        starts = (seed * texts + numpy.arange(texts)) * longest
        places[seed, there] = numpy.repeat(starts, those) + _within(those)
    return places.ravel()


def _within(lengths: numpy.ndarray) -> numpy.ndarray:
    """The number of each token in its text, for texts one after another.

    >>> _within(numpy.array([1, 3])).tolist()
    [0, 0, 1, 2]
    """
    return numpy.arange(lengths.sum()) - numpy.repeat(lengths.cumsum() - lengths, lengths)
