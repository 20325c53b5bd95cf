"""A line an epoch in the log of a long run, where no bar shows how far it is."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from progbench.runs.results import EpochResult

LONG = 60.0  # seconds of an epoch, all seeds together; of a shorter one nothing is printed


def tell(label: str, epoch: int, epochs: int, results: Sequence[EpochResult]) -> None:
    """Print an epoch's scores to standard error, a seed each, unless it was short or a terminal shows the bar."""
    seconds = sum(result.seconds for result in results)
    if seconds < LONG or sys.stderr.isatty():
        return
    scores = [
        " ".join(f"{100 * score:.1f}" for metrics in result.scores.values() for score in metrics.values()) or "failed"
        for result in results
    ]
    words = f"{label}: epoch {epoch} of {epochs}: {'; '.join(scores)}, {seconds / 60:.0f} min"
    print(words, file=sys.stderr, flush=True)
