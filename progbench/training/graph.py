"""A training step as one CUDA graph: captured once for each stage and form of batch, then replayed.

A step of BERT-base is some 1,000 kernel launches, and a replay is one.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

from progbench.training import chains
from progbench.training.packed_seeds import Form, SeedBatch
from progbench.training.step import Step

WARM_UP = 3  # steps of a stage that are not captured: what is made once, such as moments, must not lie in a graph
SYNCHRONISES = "called a synchronizing CUDA operation"  # as torch warns of it

Function = Callable[[], torch.Tensor]


class Device:
    """Runs steps as they are, and captures none; `Graphs` do, and so does benchmarks' stand-in for them."""

    def __init__(self, device: str) -> None:
        self.device = device

    def put(self, batch: SeedBatch) -> SeedBatch:
        """A batch on this device."""
        return batch.to(self.device, non_blocking=True)

    def run(self, function: Function) -> torch.Tensor:
        """Run a function as it is."""
        return function()

    def watched(self, function: Function) -> tuple[torch.Tensor, str]:
        """Run a function as it is; gives its result, and the first thing it did that no capture allows, or ""."""
        return self.run(function), ""

    def capture(self, function: Function) -> Function:
        """Record what a function does, without doing it; returns what does it. Raises RuntimeError if it cannot."""
        raise RuntimeError(f"a {self.device} captures none")


class Graphs(Device):
    """A GPU that captures. Its graphs share their memory, since they are replayed one after another.

    What is not captured runs on the capturing stream too, as torch asks for: a gradient belongs to a stream.
    """

    def __init__(self) -> None:
        super().__init__("cuda")
        self.pool, self.stream = torch.cuda.graph_pool_handle(), _stream()

    def run(self, function: Function) -> torch.Tensor:
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            out = function()
        torch.cuda.current_stream().wait_stream(self.stream)
        return out

    def watched(self, function: Function) -> tuple[torch.Tensor, str]:
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                out = self.run(function)
            finally:
                torch.cuda.set_sync_debug_mode(before)
        waits = [warning for warning in said if SYNCHRONISES in str(warning.message)]
        return out, f"{SYNCHRONISES} ({Path(waits[0].filename).name}:{waits[0].lineno})" if waits else ""

    def capture(self, function: Function) -> Function:
        graph, stream, problem = torch.cuda.CUDAGraph(), torch.cuda.current_stream(), None
        try:
            # errors of this thread alone: another one makes batches and asks for pinned memory meanwhile
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                try:
                    out = function()
                except BaseException as first:
                    problem = first
                    raise
        except BaseException as end:
            _FAILED.append(graph)
            torch.cuda.set_stream(stream)
            self._give_up_pool()
            raise problem or end from None  # what ends a failed capture raises, too, and not what went wrong

        def replay() -> torch.Tensor:
            graph.replay()
            return out

        return replay

    def _give_up_pool(self) -> None:
        """End a failed capture's use of the pool, and take a new pool; graphs keep the memory they have.

        Torch ends it only after a capture that succeeds (2.13, CUDAGraph::capture_end). The random generator of older
        versions believes itself in a capture until one ends well, so an empty one follows.
        """
        card, pool = torch.cuda.current_device(), self.pool
        self.pool = torch.cuda.graph_pool_handle()
        for end in (torch._C._cuda_endAllocateToPool, torch._C._cuda_releasePool):
            with contextlib.suppress(RuntimeError):  # it has been ended
                end(card, pool)
        with contextlib.suppress(RuntimeError):
            empty = torch.cuda.CUDAGraph()
            with torch.cuda.graph(empty, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                torch.zeros((), device="cuda")


_FAILED: list[torch.cuda.CUDAGraph] = []  # kept: to destroy a graph whose capture failed is not safe in every version


@functools.cache
def _stream() -> torch.cuda.Stream:
    """The stream of all captures of this process: cuBLAS keeps a workspace for each stream, and never frees it."""
    return torch.cuda.Stream()


DEVICES: dict[str, Callable[[], Device]] = {"cuda": Graphs}  # those that capture, by their kind


def device_of(name: str) -> Device:
    """What runs steps on a device."""
    kind = name.partition(":")[0]
    return DEVICES[kind]() if kind in DEVICES else Device(name)


class Replayed:
    """Takes batches as a step does, and replays the step where it can.

    >>> from progbench.training.packed import PackedCollator
    >>> from progbench.training.packed_seeds import SeedCollator
    >>> row = {"input_ids": [5, 6, 7], "labels": 1}
    >>> batch = SeedCollator(PackedCollator(), pad=0, longest=8)([[row], [row]])
    >>> run = Replayed(lambda inputs: inputs["labels"].sum(1), Device("cpu"))
    >>> [run(batch).tolist() for _ in range(WARM_UP + 2)][-1], run.refused
    ([1, 1], 'steps were not captured as a graph: a cpu captures none')

    The first `WARM_UP` steps run as they are, and so does the first step of each form of batch: many forms come once.
    The last step of the warm-up is watched, and the next one if torch compiled meanwhile, which may wait for a device.
    A step that cannot be captured always runs as it is; `refused` says why. One that was has buffers of its own in
    `captured`, and what runs it again on them, giving their batch's losses.
    """

    def __init__(self, step: Callable[[dict], torch.Tensor], device: Device) -> None:
        self.step, self.device = step, device
        self.captured: dict[Form, tuple[SeedBatch, Function]] = {}
        self.replays = 0
        self.refused, self._watched = "", False
        self._seen: Counter[Form] = Counter()

    def __call__(self, batch: SeedBatch) -> torch.Tensor:
        self._seen[batch.form] += 1
        known = self.captured.get(batch.form)
        if known is None and self._watched and not self.refused and self._seen[batch.form] > 1:
            known = self._captured(batch)
        if known is None:
            return self._as_it_is(batch)
        self.replays += 1
        buffers, replay = known
        buffers.flat.copy_(batch.flat, non_blocking=True)
        return replay().clone()  # the next replay overwrites the graph's own losses

    def _as_it_is(self, batch: SeedBatch) -> torch.Tensor:
        there = self.device.put(batch)
        if self._watched or self._seen.total() < WARM_UP:
            return self.device.run(lambda: self.step(there.inputs()))
        before = chains.compilations()
        losses, problem = self.device.watched(lambda: self.step(there.inputs()))
        self._watched = not problem or chains.compilations() == before
        if self._watched:
            self._refuse(problem)
        return losses

    def _refuse(self, problem: str) -> None:
        self.refused = f"steps were not captured as a graph: {problem.partition(chr(10))[0]}" if problem else ""

    def _captured(self, batch: SeedBatch) -> tuple[SeedBatch, Function] | None:
        buffers = SeedBatch(batch.form, self.device.put(batch).flat.clone())
        try:
            replay = self.device.capture(lambda: self.step(buffers.inputs()))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as problem:
            self._refuse(str(problem) or type(problem).__name__)
            return None
        return self.captured.setdefault(batch.form, (buffers, replay))


class Stages:
    """The replayed steps of a run. A stage's graphs, and their memory, go when another stage begins."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.refused: dict[str, None] = {}
        self._now: tuple[tuple[int, ...], Replayed] | None = None

    def __call__(self, step: Step) -> Replayed:
        """What takes a stage's batches. Stages are identified by the set of parameters they train."""
        moved = tuple(map(id, step.parameters))
        if self._now and self._now[0] == moved:
            return self._now[1]
        self.close()
        self._now = moved, Replayed(step, device_of(self.device))
        return self._now[1]

    def close(self) -> None:
        """Drop the stage's graphs, and keep why a step was not captured."""
        if self._now:
            run = self._now[1]
            run.captured.clear()
            self.refused |= {run.refused: None} if run.refused else {}
        self._now = None
