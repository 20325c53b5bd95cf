"""What a long run says of itself: how far it is, and each epoch's scores; on a terminal by a bar, in a log by lines."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from tqdm import tqdm

from progbench.runs.results import EpochResult

LONG = 60.0  # seconds of an epoch, all seeds together; of a shorter one nothing is printed
SILENCE = 600.0  # seconds after which a run that still trains says how far it is


@contextlib.contextmanager
def steps(label: str, total: int, before: int = 0) -> Iterator[Callable[[str], None]]:
    """Give what counts the steps of a run, told where in it each was; `before` are those that it has behind it.

    >>> with steps("a recipe, seed 0", total=2) as done:
    ...     done("epoch 1/2, loss 0.5")
    """
    lines = Lines(label, total, before)
    with tqdm(total=total, initial=before, desc=label, unit="step", disable=None, leave=False) as progress:

        def done(where: str) -> None:
            progress.update()
            progress.set_postfix_str(where, refresh=False)
            lines.step(where)

        yield done


class Lines:
    """How far a run of `total` steps is, for a log: a line whenever SILENCE seconds of steps have gone by.

    `before` are the steps that it has behind it when it begins. A reader of a log sees so that an epoch of half an hour
    goes on, and how long it may take.
    """

    def __init__(self, label: str, total: int, before: int, now: Callable[[], float] = time.monotonic) -> None:
        self._label, self._total, self._before, self._now = label, total, before, now
        self._done = before
        self._start = self._said = now()

    def step(self, where: str) -> None:
        """Count a step, and print a line with `where` if it is time for one."""
        self._done += 1
        now = self._now()
        if now - self._said < SILENCE:
            return
        self._said = now
        each = (now - self._start) / (self._done - self._before)
        left = each * (self._total - self._done) / 60
        took = f"{each:.1f} s" if each >= 1 else f"{1000 * each:.0f} ms"
        _say(f"{self._label}: step {self._done} of {self._total}, {where}, {took} a step, about {left:.0f} min left")


def epoch(label: str, number: int, epochs: int, results: Sequence[EpochResult]) -> None:
    """Print an epoch's scores, a seed each, unless it was short."""
    seconds = sum(result.seconds for result in results)
    if seconds < LONG:
        return
    scores = [
        " ".join(f"{100 * score:.1f}" for metrics in result.scores.values() for score in metrics.values()) or "failed"
        for result in results
    ]
    _say(f"{label}: epoch {number} of {epochs}: {'; '.join(scores)}, {seconds / 60:.0f} min")


def _say(line: str) -> None:
    if not sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)
