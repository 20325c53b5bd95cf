"""A training step as one CUDA graph: captured once for each stage and form of batch, then replayed.

A step of BERT-base is some 1,400 kernel launches, and a card waits for most of them. A replay is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch

from progbench.training.fitting import Step
from progbench.training.seed_rows import Form, SeedBatch

WARM_UP = 3  # steps of a stage that are not captured: what is made once, such as moments, must not lie in a graph

Function = Callable[[], torch.Tensor]


@dataclass
class Captured:
    """A step on buffers of its own; `replay` runs it again and gives the losses of the batch that lies in them."""

    buffers: SeedBatch
    replay: Function


class Plain:
    """A device where a function runs as it is, and runs again when it is to be replayed.

    >>> Plain().capture(lambda: 1)()
    1
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def put(self, batch: SeedBatch) -> SeedBatch:
        """A batch on this device."""
        return batch.to(self.device, non_blocking=True)

    def run(self, function: Function) -> torch.Tensor:
        return function()

    def capture(self, function: Function) -> Function:
        return function


class Graphs(Plain):
    """A GPU that captures. Its graphs share their memory, since they are replayed one after another.

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
        try:
            return self._captured(function)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            # torch's random generator takes itself to be in a capture until one has ended well
            self._captured(lambda: torch.zeros((), device="cuda"))
            raise

    def _captured(self, function: Function) -> Function:
        graph = torch.cuda.CUDAGraph()
        # errors of this thread alone: another one makes batches and asks for pinned memory meanwhile
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
            out = function()

        def replay() -> torch.Tensor:
            graph.replay()
            return out

        return replay


def device_of(name: str) -> Plain:
    """What runs steps on a device: with graphs on a GPU."""
    return Graphs() if name.startswith("cuda") else Plain(name)


class Replayed:
    """Takes batches as a step does, and replays the step where it can.

    >>> from progbench.training.rows import PackedCollator
    >>> from progbench.training.seed_rows import SeedCollator
    >>> row = {"input_ids": [5, 6, 7], "labels": 1}
    >>> batch = SeedCollator(PackedCollator(), pad=0, longest=8)([[row], [row]])
    >>> run = Replayed(lambda inputs: inputs["labels"].sum(1), Plain())
    >>> [run(batch).tolist() for _ in range(WARM_UP + 2)][-1], len(run.captured)
    ([1, 1], 1)

    The first `WARM_UP` steps run as they are, and so does the first of each form of batch: many come once. A step that
    cannot be captured runs as it is from then on, and `refused` says why.
    """

    def __init__(self, step: Callable[[dict], torch.Tensor], device: Plain) -> None:
        self.step, self.device = step, device
        self.captured: dict[Form, Captured] = {}
        self.replays = 0
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
        self.replays += 1
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


class Stages:
    """The replayed steps of a run, stage by stage: a stage's graphs go when another stage begins.

    A stage that goes on in the next epoch, as a constant schedule's does, keeps its graphs.
    """

    def __init__(self, device: str) -> None:
        self.device = device_of(device)
        self.refused: dict[str, None] = {}
        self._now: tuple[tuple[int, ...], Replayed] | None = None

    def __call__(self, step: Step) -> Replayed:
        """What takes a stage's batches; told from another's by the parameters that it moves."""
        moved = tuple(map(id, step.parameters))
        if self._now and self._now[0] == moved:
            return self._now[1]
        self.close()
        self._now = moved, Replayed(step, self.device)
        return self._now[1]

    def close(self) -> None:
        """Let the graphs of the stage go, and keep why a step was not captured."""
        if self._now:
            run = self._now[1]
            run.captured.clear()
            self.refused |= {run.refused: None} if run.refused else {}
        self._now = None
