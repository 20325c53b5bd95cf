"""Batches made ahead of their steps, by a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetched(items: Iterable[Item], most: int = 4) -> Iterator[Item]:
    """The same items in the same order, up to `most` of them made while earlier ones are used.

    >>> list(prefetched(n * n for n in range(3)))
    [0, 1, 4]

    An exception while an item is made comes out in its place. The thread ends with the iteration.
    """
    source, end = iter(items), object()
    thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
    try:
        # one more: while the first is used, so many wait, and one is being made
        made = deque(thread.submit(next, source, end) for _ in range(most + 1))
        while (item := made.popleft().result()) is not end:
            made.append(thread.submit(next, source, end))
            yield item
    finally:
        thread.shutdown(cancel_futures=True)
