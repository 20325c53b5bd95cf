"""A training step as one CUDA graph: captured once for each stage and form of batch, then replayed.

A step of BERT-base is some 1,400 kernel launches, and a card waits for most of them. A replay is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch

from progbench.training.seed_rows import Form, SeedBatch

WARM_UP = 3  # steps of a stage that are not captured: what is made once, such as moments, must not lie in a graph

Function = Callable[[], torch.Tensor]


@dataclass
class Captured:
    """A step on buffers of its own; `replay` runs it again and gives the losses of the batch that lies in them."""

    buffers: SeedBatch
    replay: Function


class Replayed:
    """Takes batches as a step does, and replays the step where it can.

    >>> from progbench.training.rows import PackedCollator
    >>> from progbench.training.seed_rows import SeedCollator
    >>> row = {"input_ids": [5, 6, 7], "labels": 1}
    >>> batch = SeedCollator(PackedCollator(), pad=0, longest=8)([[row], [row]])
    >>> run = Replayed(lambda inputs: inputs["labels"].sum(1), Uncaptured())
    >>> [run(batch).tolist() for _ in range(WARM_UP + 2)][-1], len(run.captured)
    ([1, 1], 1)

    The first `WARM_UP` steps run as they are, and so does the first of each form of batch: many come once. A step that
    cannot be captured runs as it is from then on, and `refused` says why.
    """

    def __init__(self, step: Callable[[dict], torch.Tensor], device: Uncaptured) -> None:
        self.step, self.device = step, device
        self.captured: dict[Form, Captured] = {}
        self.refused = ""
        self._seen: Counter[Form] = Counter()

    def __call__(self, batch: SeedBatch) -> torch.Tensor:
        self._seen[batch.form] += 1
        known = self.captured.get(batch.form)
        if known is None and not self.refused and self._seen[batch.form] > 1 and self._seen.total() > WARM_UP:
            known = self._captured(batch)
        if known is None:
            there = self.device.put(batch)
            return self.device.run(lambda: self.step(there.inputs()))
        known.buffers.flat.copy_(batch.flat, non_blocking=True)
        return known.replay().clone()  # the next replay overwrites the graph's own losses

    def _captured(self, batch: SeedBatch) -> Captured | None:
        buffers = SeedBatch(batch.form, batch.longest, self.device.put(batch).flat.clone())
        try:
            replay = self.device.capture(lambda: self.step(buffers.inputs()))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as problem:
            self.refused = f"steps were not captured as a graph: {str(problem).partition(chr(10))[0]}"
            return None
        return self.captured.setdefault(batch.form, Captured(buffers, replay))


class Uncaptured:
    """A device where a function runs as it is, and runs again when it is to be replayed."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def put(self, batch: SeedBatch) -> SeedBatch:
        """A batch on this device."""
        return batch.to(self.device, non_blocking=True)

    def run(self, function: Function) -> torch.Tensor:
        return function()

    def capture(self, function: Function) -> Function:
        return function


class Graphs(Uncaptured):
    """A GPU's graphs. They share their memory, since they are replayed one after another and keep nothing in it.

    What is not captured runs on the stream that captures, as torch asks for: a gradient's place belongs to a stream.
    """

    def __init__(self) -> None:
        super().__init__("cuda")
        self.pool, self.stream = torch.cuda.graph_pool_handle(), torch.cuda.Stream()

    def run(self, function: Function) -> torch.Tensor:
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            out = function()
        torch.cuda.current_stream().wait_stream(self.stream)
        return out

    def capture(self, function: Function) -> Function:
        """Record what a function does, without doing it; returns what does it."""
        graph = torch.cuda.CUDAGraph()
        # of this thread alone: another one makes batches and asks for pinned memory meanwhile
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
            out = function()

        def replay() -> torch.Tensor:
            graph.replay()
            return out

        return replay
