"""What processes that train one run together have in common (data parallel): each takes its share of every batch.

A *rank* is one of these processes, and its number. Each has the whole model and takes the same steps: the gradients of
a batch are averaged over all of them, so that a step is the one that one process takes on the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import nn

from progbench.training.fitting import Parts, Step
from progbench.training.scoring import Batch, Infer, Row, joined

T = TypeVar("T")


class Rank:
    """The only process of a run; `RankOfSeveral` does the same for one of several.

    >>> Rank().rows(["a", "b", "c"]), Rank().share(3)
    (['a', 'b', 'c'], 1.0)
    """

    alone, number, count = True, 0, 1
    ask_every = 1  # steps from one question that all ranks answer together to the next

    def rows(self, chosen: Sequence[Row]) -> list[Row]:
        """This rank's rows of a batch."""
        return list(chosen)

    def share(self, count: int) -> float:
        """By how much the mean loss of this rank's rows, of a batch of so many, counts in the mean over ranks."""
        return 1.0

    def start_chance(self, seed: int) -> None:
        """Start torch's generators, which dropout draws from: from a seed, and on each rank another stream."""
        torch.manual_seed(seed)

    def wrapped(self, step: Step) -> Callable[[Batch | Parts], torch.Tensor]:
        """What takes a stage's batches, each rank its own, and gives the losses of whole batches."""
        return step

    def infer(self, infer: Infer) -> Infer:
        """How a model is asked for its outputs: each rank computes those of its share of the rows, and has all."""
        return infer

    def agreed(self, answer: bool) -> bool:
        """What rank 0 answers."""
        return answer

    def gathered(self, value: T) -> list[T]:
        """Every rank's value, by rank."""
        return [value]

    def in_turn(self, function: Callable[[], T]) -> T:
        """What a function gives on this rank; rank 0 calls it before the others do."""
        return function()


ALONE = Rank()


class RankOfSeveral(Rank):
    """One of several processes, which torch.distributed has brought together."""

    alone = False
    ask_every = 32  # to ask takes a message to each rank, and a GPU's host would wait for the slowest in every step

    def __init__(self) -> None:
        self.number, self.count = torch.distributed.get_rank(), torch.distributed.get_world_size()
        self._now: _Averaged | None = None

    def rows(self, chosen: Sequence[Row]) -> list[Row]:
        """A batch of fewer rows than ranks leaves some without: they compute one row, which counts nothing."""
        return list(chosen[self.number :: self.count]) or [chosen[0]]

    def share(self, count: int) -> float:
        return len(range(self.number, count, self.count)) * self.count / count

    def start_chance(self, seed: int) -> None:
        # not seed and rank side by side in one number: the CPU's generator reads its lower half alone
        streams = torch.randint(2**31, (self.count,), generator=torch.Generator().manual_seed(seed))
        torch.manual_seed(int(streams[self.number]))

    def wrapped(self, step: Step) -> Callable[[Batch | Parts], torch.Tensor]:
        if self._now:
            self._now.close()
        self._now = _Averaged(step, self.count)
        return self._now

    def infer(self, infer: Infer) -> Infer:
        def shared(model: nn.Module, rows: Sequence[Row]) -> list[Batch]:
            own = rows[self.number :: self.count]
            found = infer(model, own or rows[:1])
            logits = [{name: one[name].cpu() for name in one if name.endswith("logits")} for one in found]
            by_rank = self.gathered(logits if own else [])
            # a seed's outputs from each rank that had rows, and those back in the order of the rows
            order = [i for rank in range(self.count) for i in range(rank, len(rows), self.count)]
            return [joined(parts, order) for parts in zip(*filter(None, by_rank), strict=True)]

        return shared

    def agreed(self, answer: bool) -> bool:
        told = [answer]
        torch.distributed.broadcast_object_list(told, src=0)
        return told[0]

    def gathered(self, value: T) -> list[T]:
        found: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(found, value)
        return found

    def in_turn(self, function: Callable[[], T]) -> T:
        found = function() if self.number == 0 else None
        self.agreed(True)  # the others wait here for rank 0
        return found if self.number == 0 else function()


class _Averaged:
    """A stage's step, whose gradients and losses are averaged over all ranks.

    DistributedDataParallel waits for the gradient of whatever could train when it was made. So each stage has its own.
    The one before is gone by then: it holds as much memory as the gradients, and would go on sending them.
    """

    def __init__(self, step: Step, count: int) -> None:
        whole = nn.parallel.DistributedDataParallel(step.model, gradient_as_bucket_view=True)
        self._step: _SharedStep | None = _SharedStep(
            **{one.name: getattr(step, one.name) for one in fields(step)} | {"model": whole}
        )
        self._count = count

    def __call__(self, batch: Batch | Parts) -> torch.Tensor:
        losses = self._step(batch)
        torch.distributed.all_reduce(losses)
        return losses / self._count

    def close(self) -> None:
        self._step = None


class _SharedStep(Step):
    """A step whose gradients go to the other ranks once, however many parts its batch has: they may have more."""

    def _in_parts(self, batch: Parts) -> torch.Tensor:
        *first, last = zip(batch.parts, batch.shares, strict=True)
        with self.model.no_sync():
            losses = [self._backward(part, share) for part, share in first]
        return sum([*losses, self._backward(*last)])
