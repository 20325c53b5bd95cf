"""Which other runs of progbench use the same device at the same time: their times say nothing of a run alone.

Each run has a temporary folder with a file for its device, and a file for each other run that it met there. A run that
begins enters itself first, and then looks who is there, so that of two that begin at once one sees the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from progbench import environment, files


@contextlib.contextmanager
def at(device: str, count: int = 1) -> Iterator[Path]:
    """Use a device, or the first `count` GPUs, known to this user's other runs here; gives a temporary folder.

    >>> with at("a device") as first, at("a device") as second, at("another") as third:
    ...     met(first), met(second), met(third)
    (1, 1, 0)
    """
    cards = [environment.gpu_uuid(number) for number in range(count)] if device.startswith("cuda") else [""]
    with files.temporary_folder() as folder:
        place = Path(folder)
        for card in cards:
            (place / f"at-{device}{card}").touch()
        for other in files.temporary_folders():
            with contextlib.suppress(OSError):  # it has just gone, or is another user's
                if other != place and any((other / f"at-{device}{card}").exists() for card in cards):
                    (other / f"met-{place.name}").touch()
                    (place / f"met-{other.name}").touch()
        yield place


def met(place: Path) -> int:
    """How many other runs have used the device since this one began."""
    return sum(1 for _ in place.glob("met-*"))
