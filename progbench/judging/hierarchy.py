"""The order in which differences are tested, so that many models and tasks do not make a false answer likely.

The last axis is a family: the models of a table, or the tasks of a model. Axes before it are other tables.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from progbench.judging.decision import holm
from progbench.judging.effect import Estimate, p_above


class Averages(NamedTuple):
    """What each model's average shows after Holm's correction over the models, and the corrected p of *not worse*."""

    not_worse: NDArray
    better: NDArray
    lower: NDArray
    p: NDArray


def of_models(estimate: Estimate, margin: float, level: float) -> Averages:
    """Test the models' averages: *not worse* first, then *better*.

    >>> shown = of_models(Estimate(np.array([0.5, 0.2]), np.array([0.01, 0.04]), np.array([20.0, 20.0])), 0.5, 0.05)
    >>> shown.not_worse, shown.better  # 5 and 1 standard errors above nothing
    (array([ True,  True]), array([ True, False]))

    *Better* passes only if *not worse* does: no p of it is smaller. *Lower* is *better* the other way round. Each of
    the three keeps the chance of any false one among the models at `level`.
    """
    not_worse, better = (holm(p_above(estimate, bound)) for bound in (-margin, 0.0))
    lower = holm(p_above(estimate._replace(mean=-np.asarray(estimate.mean)), 0.0))
    return Averages(not_worse <= level, better <= level, lower <= level, not_worse)


def of_tasks(estimate: Estimate, level: float) -> tuple[NDArray, NDArray]:
    """The two-sided p of a model's tasks after Holm's correction, and which of them differ at all.

    >>> p, differ = of_tasks(Estimate(np.array([1.0, 0.2]), np.array([0.04, 0.04]), np.array([4.0, 4.0])), 0.05)
    >>> p.round(3), differ  # t = 5 and 1 at 4 degrees of freedom; the smaller p counts twice
    (array([0.015, 0.374]), array([ True, False]))
    """
    upwards = p_above(estimate, 0.0)
    p = holm(np.minimum(2 * np.minimum(upwards, 1 - upwards), 1.0))
    return p, p <= level
