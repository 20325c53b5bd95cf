"""Batches made ahead of their steps, by a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def prefetched(items: Iterable[Item], most: int = 4) -> Iterator[Item]:
    """The same items in the same order, up to `most` of them made while earlier ones are used.

    >>> list(prefetched(n * n for n in range(3)))
    [0, 1, 4]

    An exception while an item is made comes out in its place. The thread ends with the iteration.
    """
    made: queue.Queue = queue.Queue(most)
    stopped = threading.Event()

    def put(what: tuple) -> bool:
        while not stopped.is_set():
            try:
                made.put(what, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((None, StopIteration()))
        except BaseException as problem:  # raised again where the item is asked for
            put((None, problem))

    thread = threading.Thread(target=make, name="batches", daemon=True)
    thread.start()
    try:
        while True:
            item, problem = made.get()
            if isinstance(problem, StopIteration):
                return
            if problem is not None:
                raise problem
            yield item
    finally:
        stopped.set()
        thread.join()
