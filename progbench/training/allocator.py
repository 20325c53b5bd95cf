"""What a step frees stays with the process: the next one wants as much, and the kernel would have to clear it anew."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

# glibc's mallopt(3), and its own limits where it adapts them
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
KEEPING = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1}
USUAL = {M_MMAP_MAX: 65536, M_TRIM_THRESHOLD: 64 << 20, M_MMAP_THRESHOLD: 32 << 20}


@contextlib.contextmanager
def kept_memory() -> Iterator[None]:
    """What is freed stays with the process until this ends. Without glibc nothing changes.

    >>> with kept_memory():
    ...     steps = [len(bytearray(1 << 20)) for _ in range(3)]

    It is for the whole process: of several at a time, the first that ends ends it for all, which costs speed only.
    Afterwards the allocator has its own limits again.
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
