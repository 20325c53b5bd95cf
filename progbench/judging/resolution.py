"""What a score can show: binary fractions at an edge, and the least spread that so many examples allow. Pure.

A score of n examples moves in steps of 100/n points. Five equal seeds do not show that the next will be equal: the
example nearest to the boundary may be right in one seed and wrong in the next.
"""

import math
from collections.abc import Iterable

from progbench import kinds
from progbench.runs.results import RunResult

ALPHA = 0.05
PAPER_SEEDS = 5  # section 4.1: "Every task is performed 5 times"
EDGE = 1e-9  # 100 * 0.964 - 100 * 0.972 is -0.8000000000000114 in binary, and yet not more than 0.8
SMOOTH = {"pearson", "spearman"}  # of predicted scores: they have no steps


def beyond(difference: float, limit: float) -> bool:
    """Whether a difference is larger than a limit, on either side, and not just there by binary fractions.

    >>> difference = 100 * 0.964 - 100 * 0.972
    >>> abs(difference) > 0.8, beyond(difference, 0.8), beyond(-0.9, 0.8)
    (True, False, True)
    """
    return abs(difference) > limit + EDGE


def least_sd(metric: str, examples: int | None) -> float:
    """The least standard deviation over seeds, in points, that a score of so many examples is believed to have.

    >>> least_sd("accuracy", 250), least_sd("pearson", 250), least_sd("accuracy", None)
    (0.2, 0.0, 0.0)

    One example is taken to be on the edge, right with a chance of one half in each seed. That alone has a standard
    deviation of half an example, 50/n points; F1 and Matthews correlation move by about as much or more. 0 if a metric
    has no steps, or the number of examples is not known.
    """
    return 0.0 if metric in SMOOTH or not examples else 50 / examples


def least_sd_of_mean(sds: Iterable[float]) -> float:
    """The least standard deviation of a mean of several scores, each with its own example on the edge.

    >>> least_sd_of_mean([0.3, 0.4]), round(least_sd_of_mean([0.2] * 9), 6)
    (0.25, 0.066667)
    """
    sds = list(sds)
    return math.hypot(*sds) / len(sds) if sds else 0.0


def examples_of(evaluation_set: str, runs: Iterable[RunResult]) -> int | None:
    """How many examples an evaluation set had, as the results themselves say; the least if they differ."""
    counts = [run.examples.get(evaluation_set) for run in runs]
    return min((n for n in counts if kinds.is_whole(n) and n > 0), default=None)
