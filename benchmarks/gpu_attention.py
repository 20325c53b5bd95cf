"""Attention's checks: against each text's own softmax and torch's variable-length kernel, and again to the last bit."""

from __future__ import annotations

import itertools
import math

import torch
from gpu_machine import Machine

from progbench.training.packed import PackedCollator
from progbench.training.packed_seeds import PackedSeeds, SeedCollator
from progbench.training.varlen import _kernel, attend

LENGTHS = [[5, 9, 30, 31, 64, 100, 129, 384], [3, 9, 12, 40, 64, 111, 200, 383]]  # of two seeds' texts
HEADS, SIZE = 4, 16
NOTHING = 1e-9  # of dropout: it takes the way of training, and drops one number in a thousand million


def rows_of(lengths: list[list[int]], device: str) -> PackedSeeds:
    """Where texts of these lengths are."""
    texts = [[{"input_ids": [5] * length} for length in of_seed] for of_seed in lengths]
    return SeedCollator(PackedCollator(), pad=0, longest=384)(texts).to(device).inputs()["packing"]


def inputs_of(where: PackedSeeds, device: str) -> list[torch.Tensor]:
    """Query, key and value, and weights that make a number of what is attended to, 0 at surplus tokens."""
    torch.manual_seed(0)
    seeds, tokens = len(where.first), where.tokens // len(where.first)
    rows = [torch.randn(seeds, HEADS, tokens, SIZE, device=device, requires_grad=True) for _ in range(3)]
    weights = torch.randn(seeds, tokens, HEADS, SIZE, device=device)
    for row, lengths in zip(weights, LENGTHS, strict=True):
        row[sum(lengths) :] = 0
    return [*rows, weights]


def gradients(attended: torch.Tensor, rows: list[torch.Tensor], weights: torch.Tensor) -> list[torch.Tensor]:
    """The result where anything reads it, and the gradients."""
    return [attended.detach() * (weights != 0), *torch.autograd.grad((attended * weights).sum(), rows)]


def one_by_one(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Each text by itself, as the formula says. Shapes as `attend`."""
    seeds = []
    for row, lengths in enumerate(LENGTHS):
        pieces = [torch.zeros_like(query[row])]
        for stop, length in zip(itertools.accumulate(lengths), lengths, strict=True):
            q, k, v = (tensor[row, :, stop - length : stop].double() for tensor in (query, key, value))
            own = ((q @ k.mT) / math.sqrt(SIZE)).softmax(-1) @ v
            pieces.append(among_zeros(own.to(query.dtype), stop - length, query.shape[2] - stop))
        seeds.append(torch.stack(pieces).sum(0))
    return torch.stack(seeds).transpose(1, 2)


def among_zeros(texts: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """Zeros before and after a text's tokens."""
    return torch.nn.functional.pad(texts, (0, 0, before, after))


def against_others(machine: Machine) -> tuple[float, float, str]:
    """Training's attention, with hardly any dropout, against each text's own softmax and the variable-length kernel."""
    where = rows_of(LENGTHS, machine.device)
    *rows, weights = inputs_of(where, machine.device)
    ours = gradients(attend(*rows, where, dropout=NOTHING), rows, weights)
    theirs = {"each text's own softmax": gradients(one_by_one(*rows), rows, weights)}
    if machine.device == "cuda":
        flat = [tensor.transpose(1, 2).flatten(0, 1) for tensor in rows]
        attended = _kernel(*flat, where, None).unflatten(0, (len(LENGTHS), -1))
        try:
            theirs["the variable-length kernel"] = gradients(attended, rows, weights)
        except RuntimeError:  # a version whose kernel has no backward pass for rows of texts
            theirs["the variable-length kernel, its outputs alone,"] = [attended.detach() * (weights != 0)]
    number = max(float((a - b).abs().max()) for other in theirs.values() for a, b in zip(ours, other, strict=False))
    return number, 1e-3, f"against {' and '.join(theirs)} outputs and gradients differ by at most {number:.1e}"


def with_dropout(machine: Machine) -> tuple[float, float, str]:
    """(j) Attention is linear in its values: (gradient of values * values) is (result * weights), dropout or not."""
    where = rows_of(LENGTHS, machine.device)
    query, key, value, weights = inputs_of(where, machine.device)
    out = attend(query, key, value, where, dropout=0.3)
    (gradient,) = torch.autograd.grad((out * weights).sum(), value)
    ours, theirs = float((gradient * value.detach()).sum()), float((out.detach() * weights).sum())
    number = abs(ours - theirs) / max(1.0, abs(theirs))
    return number, 1e-3, f"the two sums are {ours:.4f} and {theirs:.4f}"


def again(machine: Machine) -> tuple[float, float, str]:
    """(o) Texts of more than 128 tokens, whose keys torch's own backward pass splits: the same bits three times."""
    where = rows_of(LENGTHS, machine.device)
    *rows, weights = inputs_of(where, machine.device)
    again = []
    for _ in range(3):
        torch.manual_seed(1)
        again.append(gradients(attend(*rows, where, dropout=0.1), rows, weights))
    unlike = sum(not torch.equal(a, b) for other in again[1:] for a, b in zip(again[0], other, strict=True))
    return float(unlike), 0.0, f"{unlike} of 8 tensors differ from those of the first time"


def share_dropped(machine: Machine) -> tuple[float, str]:
    """How far the shares that fall out in replays are from 0.1, in standard deviations; of layers and of attention."""
    texts = [[16] * 64] * 2
    where = rows_of(texts, machine.device)
    alike = torch.zeros(2, 8, where.tokens // 2, 16, device=machine.device)
    unit = torch.eye(16, device=machine.device).repeat(where.tokens // 32 + 1, 1)[: where.tokens // 2].expand_as(alike)
    ones = torch.ones(512, 512, device=machine.device)
    sides = {
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
