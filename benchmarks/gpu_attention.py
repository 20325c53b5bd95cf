"""Attention's checks: against each text's own softmax and torch's variable-length kernel, and again to the last bit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
from gpu_machine import Machine

from progbench.training.packed import PackedCollator
from progbench.training.packed_seeds import PackedSeeds, SeedCollator
from progbench.training.sublayers import Normalised
from progbench.training.varlen import attend, attend_fused

# of two seeds' texts: long ones are brought to bins, the rows of short ones are bins
LONG = [[5, 9, 30, 31, 64, 100, 129, 384], [3, 9, 12, 40, 64, 111, 200, 383]]
SHORT = [[5, 9, 30, 31, 64, 100, 128], [3, 9, 12, 40, 64, 65, 111]]
HEADS, SIZE = 4, 16
NOTHING = 1e-9  # of dropout: it takes the way of training, and drops one number in a thousand million


def rows_of(lengths: list[list[int]], device: str) -> PackedSeeds:
    """Where texts of these lengths are."""
    texts = [[{"input_ids": [5] * length} for length in of_seed] for of_seed in lengths]
    return SeedCollator(PackedCollator(), pad=0, longest=384)(texts).to(device).inputs()["packing"]


def each(where: PackedSeeds, lengths: list[list[int]]) -> Iterator[tuple[int, slice]]:
    """Where each text is: its row and its tokens."""
    for row, (starts, own) in enumerate(zip(where.first.tolist(), lengths, strict=True)):
        yield from ((row, slice(start, start + length)) for start, length in zip(starts, own, strict=True))


def tokens_of(where: PackedSeeds) -> int:
    """How many tokens a row has."""
    return (len(where.owners) if where.source is None else int(where.source.max()) + 1) // len(where.first)


def inputs_of(where: PackedSeeds, lengths: list[list[int]], device: str) -> list[torch.Tensor]:
    """Query, key and value, and weights that make a number of what is attended to, 0 at surplus tokens."""
    torch.manual_seed(0)
    shape = (len(lengths), HEADS, tokens_of(where), SIZE)
    rows = [torch.randn(shape, device=device, requires_grad=True) for _ in range(3)]
    weights = torch.zeros_like(rows[0]).transpose(1, 2)
    for row, there in each(where, lengths):
        weights[row, there] = torch.randn_like(weights[row, there])
    return [*rows, weights]


def gradients(attended: torch.Tensor, rows: list[torch.Tensor], weights: torch.Tensor) -> list[torch.Tensor]:
    """The result where anything reads it, and the gradients."""
    return [attended.detach() * (weights != 0), *torch.autograd.grad((attended * weights).sum(), rows)]


def one_by_one(rows: list[torch.Tensor], where: PackedSeeds, lengths: list[list[int]]) -> torch.Tensor:
    """Each text by itself, as the formula says. Shapes as `attend`."""
    out = torch.zeros_like(rows[0])
    for row, there in each(where, lengths):
        q, k, v = (tensor[row, :, there].double() for tensor in rows)
        out[row, :, there] = (((q @ k.mT) / math.sqrt(SIZE)).softmax(-1) @ v).to(out.dtype)
    return out.transpose(1, 2)


def of_variable_length(rows: list[torch.Tensor], where: PackedSeeds, lengths: list[list[int]]) -> torch.Tensor:
    """By torch's kernel for texts one after another, on a GPU alone. Shapes as `attend`."""
    places = [*each(where, lengths)]
    packed = [torch.cat([tensor[row, :, there].transpose(0, 1) for row, there in places])[None] for tensor in rows]
    ends = torch.tensor(
        [0, *itertools.accumulate(itertools.chain(*lengths))], dtype=torch.int32, device=packed[0].device
    )
    longest = max(map(max, lengths))
    own = torch.ops.aten._efficient_attention_forward(*packed, None, ends, ends, longest, longest, 0.0, 0, True)[0][0]
    out = torch.zeros_like(rows[0]).transpose(1, 2)
    for (row, there), text in zip(places, own.split([*itertools.chain(*lengths)]), strict=True):
        out[row, there] = text
    return out


def against_others(machine: Machine) -> tuple[float, float, str]:
    """Training's attention, with hardly any dropout, against each text's own softmax and the variable-length kernel."""
    worst, names = 0.0, {"each text's own softmax": None}
    for lengths in (LONG, SHORT):
        where = rows_of(lengths, machine.device)
        *rows, weights = inputs_of(where, lengths, machine.device)
        beside = torch.stack([tensor.transpose(1, 2) for tensor in rows], 2)
        ours = [attend(*rows, where, dropout=NOTHING), attend_fused(beside, where, NOTHING, SIZE**-0.5)]
        theirs = [gradients(one_by_one(rows, where, lengths), rows, weights)]
        if machine.device == "cuda":
            attended = of_variable_length(rows, where, lengths)
            try:
                theirs.append(gradients(attended, rows, weights))
                names["the variable-length kernel"] = None
            except RuntimeError:  # a version whose kernel has no backward pass for rows of texts
                theirs.append([attended.detach() * (weights != 0)])
                names["the variable-length kernel, its outputs alone,"] = None
        for own, other in itertools.product([gradients(out, rows, weights) for out in ours], theirs):
            worst = max(worst, *(float((a - b).abs().max()) for a, b in zip(own, other, strict=False)))
    return worst, 1e-3, f"against {' and '.join(names)} outputs and gradients differ by at most {worst:.1e}"


def with_dropout(machine: Machine) -> tuple[float, float, str]:
    """(j) Attention is linear in its values: (gradient of values * values) is (result * weights), dropout or not."""
    where = rows_of(LONG, machine.device)
    query, key, value, weights = inputs_of(where, LONG, machine.device)
    out = attend(query, key, value, where, dropout=0.3)
    (gradient,) = torch.autograd.grad((out * weights).sum(), value)
    ours, theirs = float((gradient * value.detach()).sum()), float((out.detach() * weights).sum())
    number = abs(ours - theirs) / max(1.0, abs(theirs))
    return number, 1e-3, f"the two sums are {ours:.4f} and {theirs:.4f}"


def again(machine: Machine) -> tuple[float, float, str]:
    """(o) Texts of more than 128 tokens, whose keys torch's own backward pass splits: the same bits three times."""
    where = rows_of(LONG, machine.device)
    *rows, weights = inputs_of(where, LONG, machine.device)
    again = []
    for _ in range(3):
        torch.manual_seed(1)
        again.append(gradients(attend(*rows, where, dropout=0.1), rows, weights))
    unlike = sum(not torch.equal(a, b) for other in again[1:] for a, b in zip(again[0], other, strict=True))
    return float(unlike), 0.0, f"{unlike} of 8 tensors differ from those of the first time"


def share_dropped(machine: Machine) -> tuple[float, str]:
    """How far the shares that fall out in replays are from 0.1, in standard deviations, at each place."""
    texts = [[16] * 64] * 2
    where = rows_of(texts, machine.device)
    tokens = tokens_of(where)
    alike = torch.zeros(2, 8, tokens, 16, device=machine.device)
    unit = torch.eye(16, device=machine.device).repeat(tokens // 16, 1).expand_as(alike)
    ones = torch.ones(512, 512, device=machine.device)
    zeros = torch.zeros_like(ones)[None]
    sides = {
        "residuals": lambda: Normalised.apply(zeros, ones[0], zeros[0, 0], 0.0, ones[None], None, 0.1, None) < 0,
        "layers": lambda: torch.nn.functional.dropout(ones, 0.1) == 0,
        "attention": lambda: attend(alike, alike, unit, where, dropout=0.1)[:, : 64 * 16] == 0,
    }
    worst, words = 0.0, []
    for name, side in sides.items():
        machine.graphs().run(side)
        replay = machine.graphs().capture(side)
        drawn = torch.stack([replay().clone() for _ in range(2)])
        share, count = float(drawn.double().mean()), drawn.numel()
        worst = max(worst, abs(share - 0.1) / math.sqrt(0.1 * 0.9 / count))
        words.append(f"{name} {share:.4f}")
    return worst, ", ".join(words)
