"""Which other runs of progbench use the same device meanwhile: their times are not those of a run alone.

Each run has a temporary folder with a file for its device, and one for each run that it met there. A run enters itself
before it looks around, so that of two that begin at once one sees the other.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from progbench import environment, files


@contextlib.contextmanager
def at(device: str) -> Iterator[Path]:
    """Enter this run at a device, so that this user's other runs on this machine see it; gives its temporary folder.

    >>> with at("a device") as first, at("a device") as second, at("another") as third:
    ...     met(first), met(second), met(third)
    (1, 1, 0)
    """
    here = f"at-{device}{environment.gpu_uuid() if device.startswith('cuda') else ''}"
    with files.temporary_folder() as folder:
        place = Path(folder)
        (place / here).touch()
        for other in files.temporary_folders():
            with contextlib.suppress(OSError):  # it has just gone, or is another user's
                if other != place and (other / here).exists():
                    (other / f"met-{place.name}").touch()
                    (place / f"met-{other.name}").touch()
        yield place


def met(place: Path) -> int:
    """How many other runs have used the device since this one began."""
    return sum(1 for _ in place.glob("met-*"))
