"""What a run's steps take: seconds by the wall, and of this process on its CPUs."""

from __future__ import annotations

import time


class Clock:
    """Seconds since it was made, by the wall and of this process on its CPUs; `wall` and `cpu` are seconds before.

    >>> wall, cpu = Clock(10.0, 20.0).spent()
    >>> 10.0 < wall < 11.0, 20.0 <= cpu < 21.0
    (True, True)
    """

    def __init__(self, wall: float = 0.0, cpu: float = 0.0) -> None:
        self._wall, self._cpu = time.perf_counter() - wall, time.process_time() - cpu

    def spent(self) -> tuple[float, float]:
        return time.perf_counter() - self._wall, time.process_time() - self._cpu
