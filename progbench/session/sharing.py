"""One machine's GPUs and CPU threads, shared out among processes before they load torch."""

import os
import threading
from collections.abc import Mapping
from typing import Self

from progbench import environment

GPU, THREADS = "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"


def gpus() -> list[str]:
    """The GPUs of this process, as CUDA_VISIBLE_DEVICES names them: by number, or by a card's own name."""
    named, count = os.environ.get(GPU), environment.gpu_count()
    return [str(number) for number in range(count)] if named is None else named.split(",")[:count]


def cores() -> int:
    """The CPU cores of this process; a scheduler may have given it fewer than the machine has."""
    asked = getattr(os, "sched_getaffinity", None)  # macOS has none
    return len(asked(0)) if asked else os.cpu_count() or 1


class Shares:
    """What each of several workers has for its own: a GPU of `cards`, and its share of `cores` as CPU threads.

    >>> shares = Shares(2, ["0", "5"], cores=8)
    >>> [shares.take(worker)["CUDA_VISIBLE_DEVICES"] for worker in ("a", "b")], shares.threads
    (['0', '5'], 4)
    >>> shares.give_back("a")
    >>> shares.take("c")["CUDA_VISIBLE_DEVICES"]
    '0'

    More workers than cards share cards as evenly as can be. A suite's own number of threads is set by each run,
    whatever the variable says. A variable that this process was given stays.
    """

    def __init__(self, workers: int, cards: list[str], cores: int) -> None:
        self.cards = cards
        self.threads = max(1, cores // max(1, workers))
        self._taken: dict[str, str] = {}
        self._lock = threading.Lock()  # workers may be threads, each with a process

    @classmethod
    def here(cls, workers: int) -> Self:
        """The shares of this machine, as far as this process may use it."""
        return cls(workers, gpus(), cores())

    def take(self, worker: str) -> Mapping[str, str]:
        """The variables to start a worker with; the card is its own until `give_back`."""
        variables = {} if THREADS in os.environ else {THREADS: str(self.threads)}
        if self.cards:
            with self._lock:
                taken = list(self._taken.values())
                variables[GPU] = self._taken[worker] = min(self.cards, key=taken.count)
        return variables

    def give_back(self, worker: str) -> None:
        """Free the card of a worker that has ended or died."""
        self._taken.pop(worker, None)
