"""What a failed capture leaves is given back, on a made-up GPU that behaves as torch 2.13's source says.

There `capture_end` raises before it ends the pool, and `torch.cuda.graph` then leaves its stream the current one.
"""

import warnings

import pytest
import torch

from progbench.training import graph
from progbench.training.graph import Graphs


class Card:
    """Pools that a capture records to, pools that are held, and the current stream."""

    def __init__(self):
        self.recording, self.held, self.stream, self.handles = set(), [], "default", 0

    def handle(self):
        self.handles += 1
        return (0, self.handles)

    def begin(self, pool):
        if pool in self.recording:
            raise RuntimeError("beginAllocateToPool: already recording to mempool_id")
        self.recording.add(pool)
        self.held.append(pool)

    def end(self, card, pool):
        if pool not in self.recording:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        self.recording.remove(pool)

    def release(self, card, pool):
        self.held.remove(pool)


class Capture:
    """As `torch.cuda.graph`: an exception inside has invalidated the capture."""

    def __init__(self, made, *, pool, stream, capture_error_mode):
        self.pool, self.stream = pool, stream

    def __enter__(self):
        self.before, CARD.stream = CARD.stream, self.stream
        CARD.begin(self.pool)

    def __exit__(self, kind, *_):
        if kind is not None:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
        CARD.end(0, self.pool)
        CARD.stream = self.before


CARD = Card()


@pytest.fixture
def card(monkeypatch):
    monkeypatch.setitem(globals(), "CARD", Card())
    for name, value in {
        "CUDAGraph": type("Graph", (), {"replay": lambda self: None}),
        "graph": Capture,
        "graph_pool_handle": CARD.handle,
        "current_stream": lambda: CARD.stream,
        "set_stream": lambda stream: setattr(CARD, "stream", stream),
        "current_device": lambda: 0,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", CARD.end, raising=False)
    monkeypatch.setattr(torch._C, "_cuda_releasePool", CARD.release, raising=False)
    monkeypatch.setattr(graph, "_stream", lambda: "capturing")
    monkeypatch.setattr(graph, "_FAILED", [])
    monkeypatch.setattr(torch, "zeros", lambda *_, **__: None)
    return CARD


def fail(problem):
    def function():
        raise problem

    return function


@pytest.mark.parametrize(
    "problem", [RuntimeError("a number was read"), torch.OutOfMemoryError("CUDA out of memory"), ValueError("odd")]
)
def test_what_went_wrong_is_raised_and_not_what_ends_the_capture(card, problem):
    with pytest.raises(type(problem)) as raised:
        Graphs().capture(fail(problem))

    assert raised.value is problem


def test_the_stream_that_was_current_is_current_again_and_the_pool_records_no_more(card):
    device = Graphs()
    failed = device.pool
    with pytest.raises(RuntimeError, match="a number was read"):
        device.capture(fail(RuntimeError("a number was read")))

    assert card.stream == "default"
    assert card.recording == set()
    assert failed not in card.held


def test_what_is_captured_next_has_a_pool_of_its_own(card):
    device = Graphs()
    failed = device.pool
    with pytest.raises(RuntimeError):
        device.capture(fail(RuntimeError("a number was read")))
    replay = device.capture(lambda: "losses")

    assert replay() == "losses"
    assert device.pool != failed


def test_each_stage_has_a_pool_of_its_own_and_all_share_a_stream(card):
    one, other = Graphs(), Graphs()

    assert one.pool != other.pool
    assert one.stream is other.stream


def test_a_step_that_waits_for_the_card_is_seen_while_it_runs_as_it_is(monkeypatch, card):
    mode = []
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", mode.append)
    monkeypatch.setattr(Graphs, "run", lambda self, function: function())

    def reads():
        warnings.warn("called a synchronizing CUDA operation (Triggered internally at x)", stacklevel=1)
        return 1

    device = Graphs()

    assert device.watched(lambda: 2) == (2, "")
    assert device.watched(reads)[1].startswith("called a synchronizing CUDA operation (test_failed_capture.py:")
    assert mode == ["warn", 0] * 2
