"""What a run takes in seconds: by the wall, and in an epoch's steps also of this process on its CPUs."""

from __future__ import annotations

import time


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
