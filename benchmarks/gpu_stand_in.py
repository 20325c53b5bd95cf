"""A CUDA graph's stand-in on a CPU: a function runs once, and what it did to data is done again, without Python.

It keeps a graph's rules. Capturing computes nothing that stays. A replay repeats operations on the memory they had: a
number of Python, a branch and the attribute `grad` are those of the capture, and random numbers are drawn anew. Memory
that has been freed since is gone. What a capture forbids raises RuntimeError: to read a number, to copy from or to the
host, and an operation whose result has a size that depends on data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from progbench.training import graph

Function = Callable[[], torch.Tensor]

# what reads a number from a device, asks it for a size, or brings it something from the host
OPERATIONS = {
    "_local_scalar_dense", "equal", "is_nonzero", "nonzero", "masked_select", "unique_dim", "_unique", "_unique2",
    "unique_consecutive", "randperm", "lift_fresh", "_pin_memory", "bincount",
}  # fmt: skip
CALLS = {
    torch.tensor, torch.as_tensor, torch.randperm, torch.Tensor.tolist, torch.Tensor.item, torch.Tensor.numpy,
    torch.Tensor.cpu, torch.Tensor.pin_memory, torch.Tensor.__array__,
}  # fmt: skip


def recorded(function: Function) -> Function:
    """Record what a function does, and undo it; returns what does it.

    >>> number = torch.zeros(())
    >>> again = recorded(lambda: number.add_(1))
    >>> number.item(), again().item(), again().item(), number.item()
    (0.0, 1.0, 2.0, 2.0)

    Raises RuntimeError where a CUDA graph could not be captured.
    """
    tape, chance = _Tape(), torch.get_rng_state()
    try:
        with _HostCalls(_refuse), tape:
            out = function()
    finally:
        torch.set_rng_state(chance)
        tape.undo()
    tape.close()

    def replay() -> torch.Tensor:
        tape.play()
        return out

    return replay


def watched(function: Function) -> tuple[torch.Tensor, str]:
    """A function's result, and the first thing it did that no capture allows, or ""."""
    forbidden: list[str] = []
    with _HostCalls(forbidden.append), _Watch(forbidden.append):
        out = function()
    return out, forbidden[0] if forbidden else ""


def _refuse(what: str) -> None:
    raise RuntimeError(f"operation not permitted when stream is capturing: {what}")


def _forbidden(func: torch._ops.OpOverload, args: tuple, kwargs: dict) -> bool:
    name = func._schema.name.partition("::")[2]
    if name == "repeat_interleave":  # the form that is told how long its result will be is fine
        return kwargs.get("output_size") is None
    if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
        return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])
    return name in OPERATIONS or kwargs.get("generator") is not None


class _Watch(TorchDispatchMode):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self.say = say

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if _forbidden(func, args, kwargs):
            self.say(str(func))
        return func(*args, **kwargs)


class _HostCalls(TorchFunctionMode):
    """Calls of Python on a tensor that show as no operation."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self.say = say

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in CALLS:
            self.say(getattr(func, "__qualname__", str(func)))
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class _Outside:
    """A tensor in memory that a recording uses and does not hold."""

    storage: StorageWeakRef
    dtype: torch.dtype
    size: torch.Size
    stride: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, tensor: torch.Tensor) -> _Outside:
        storage = StorageWeakRef(tensor.untyped_storage())
        return cls(storage, tensor.dtype, tensor.size(), tensor.stride(), tensor.storage_offset())

    def tensor(self) -> torch.Tensor:
        storage = torch.UntypedStorage._new_with_weak_ptr(self.storage.cdata)
        if storage is None:
            raise RuntimeError("a replay uses memory that has been freed since it was captured")
        return torch.empty(0, dtype=self.dtype).set_(storage, self.offset, self.size, self.stride)


class _Tape(TorchDispatchMode):
    """Operations with their tensors. What the operations made belongs to the recording, and is held."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, list, Any, list]] = []
        self.made: dict[int, torch.UntypedStorage] = {}
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._held: list = []  # while it records: memory that was freed must not be taken for another's

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if _forbidden(func, args, kwargs):
            _refuse(str(func))
        flat, shape = tree_flatten((args, kwargs))
        given = {_key(tensor) for tensor in _tensors(flat)}
        writes = _written(func, args, kwargs)
        for tensor in writes:
            if _key(tensor) not in self.made and _key(tensor) not in self.before:
                storage = tensor.untyped_storage()
                self.before[_key(tensor)] = storage, storage.clone()
        out = func(*args, **kwargs)
        outs = _tensors(out)
        new = [tensor for tensor in outs if _key(tensor) not in given]
        self.made |= {_key(tensor): tensor.untyped_storage() for tensor in new}
        if new or writes:  # and not a view, which has no data of its own
            self.calls.append((func, flat, shape, [tensor if _key(tensor) not in given else None for tensor in outs]))
        self._held += [flat, outs]
        return out

    def undo(self) -> None:
        """Restore what was overwritten, as if nothing had been computed; fill what was made with no numbers."""
        for storage, before in self.before.values():
            storage.copy_(before)
        for storage in self.made.values():
            storage.fill_(0xFF)  # in numbers with a point: not a number
        self.before.clear()

    def close(self) -> None:
        """Let go what is not the recording's own."""

        def own(leaf: Any) -> Any:
            return _Outside.of(leaf) if isinstance(leaf, torch.Tensor) and _key(leaf) not in self.made else leaf

        self.calls = [(func, [*map(own, flat)], shape, outs) for func, flat, shape, outs in self.calls]
        self._held.clear()

    @torch.no_grad()
    def play(self) -> None:
        for func, flat, shape, outs in self.calls:
            args, kwargs = tree_unflatten(
                [leaf.tensor() if isinstance(leaf, _Outside) else leaf for leaf in flat], shape
            )
            again = _tensors(func(*args, **kwargs))
            for old, new in zip(outs, again, strict=True):
                if old is not None:
                    old.copy_(new)


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _key(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _written(func: torch._ops.OpOverload, args: tuple, kwargs: dict) -> list[torch.Tensor]:
    """The tensors that an operation overwrites."""
    written = []
    for place, wanted in enumerate(func._schema.arguments):
        if wanted.alias_info is not None and wanted.alias_info.is_write:
            given = kwargs.get(wanted.name) if wanted.kwarg_only or place >= len(args) else args[place]
            written += _tensors(given)
    return written


class StandIn(graph.Device):
    """A CPU in the place of a GPU: it captures a recording, which knows as little of Python as a graph does.

    >>> number = torch.zeros(())
    >>> replay = StandIn().capture(lambda: number.add_(1))
    >>> number.item(), replay().item()
    (0.0, 1.0)
    """

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)

    def watched(self, function: Function) -> tuple[torch.Tensor, str]:
        return watched(function)

    def capture(self, function: Function) -> Function:
        return recorded(function)


graph.DEVICES["cpu"] = StandIn  # from now on, in this process
