"""What a run sets for its process, and gives back: threads, precision, memory, random generators; and its clock."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def settings(precision: str, device: str, threads: int) -> Iterator[int]:
    """Set the process for a run in this precision, and restore it at the end; gives the number of torch's CPU threads.

    `threads` 0 leaves as many as the process has. The global random generators are restored, too.
    """
    memory = kept_memory() if device == "cpu" else contextlib.nullcontext()
    # only the GPU in use: torch warns where there are many and all are forked
    cards = [torch.cuda.current_device()] if device.startswith("cuda") or torch.cuda.is_initialized() else []
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.random.fork_rng(cards), products(precision), memory:
            yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def products(precision: str) -> Iterator[None]:
    """Set a recipe's precision for float32 products."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


# glibc's mallopt(3), and its own limits where it adapts them
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
KEEPING = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1}
USUAL = {M_MMAP_MAX: 65536, M_TRIM_THRESHOLD: 64 << 20, M_MMAP_THRESHOLD: 32 << 20}


@contextlib.contextmanager
def kept_memory() -> Iterator[None]:
    """What is freed stays with the process until this ends: the next step wants as much, and no kernel clears it anew.

    >>> with kept_memory():
    ...     steps = [len(bytearray(1 << 20)) for _ in range(3)]

    It is for the whole process: of several at a time, the first that ends ends it for all, which costs speed only.
    Afterwards the allocator has its own limits again. Without glibc nothing changes.
    """
    try:
        library = ctypes.CDLL(None)
        mallopt, malloc_trim = library.mallopt, library.malloc_trim
    except (OSError, AttributeError):  # macOS, musl
        mallopt = malloc_trim = lambda *arguments: 0
    for option, value in KEEPING.items():
        mallopt(option, value)
    try:
        yield
    finally:
        for option, value in USUAL.items():
            mallopt(option, value)
        malloc_trim(0)


class Clock:
    """The clock of a run, which begins when it is made; `before` is what the run took before it went on from there.

    >>> clock = Clock()
    >>> clock.begin_epoch((10.0, 20.0))
    >>> wall, cpu = clock.epoch()
    >>> 10.0 < wall < 11.0, 20.0 <= cpu < 21.0, clock.run() < 1.0
    (True, True, True)
    """

    def __init__(self) -> None:
        self.before = 0.0
        self._began = self._prepared = self._kept = time.perf_counter()

    def run(self) -> float:
        """Seconds since the run began, with those before."""
        return self.before + time.perf_counter() - self._began

    def begin_fitting(self) -> None:
        """The run is prepared: its first step comes next."""
        self._prepared = self._kept = time.perf_counter()

    def fitting(self) -> float:
        """Seconds since the run was prepared, with those before."""
        return self.before + time.perf_counter() - self._prepared

    def begin_epoch(self, spent: tuple[float, float] = (0.0, 0.0)) -> None:
        """An epoch begins, or goes on after so many seconds, by the wall and of the CPU."""
        self._wall, self._cpu = time.perf_counter() - spent[0], time.process_time() - spent[1]

    def epoch(self) -> tuple[float, float]:
        """Seconds of the epoch so far, by the wall and of this process on its CPUs."""
        return time.perf_counter() - self._wall, time.process_time() - self._cpu

    def begin_after_checkpoint(self, spent: tuple[float, float]) -> None:
        """A checkpoint is left: an epoch's seconds are those of its steps alone."""
        self.begin_epoch(spent)
        self._kept = time.perf_counter()

    def since_checkpoint(self) -> float:
        return time.perf_counter() - self._kept
