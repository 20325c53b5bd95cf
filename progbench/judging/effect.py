"""A difference between two schedules: what new seeds and new examples would do to it. Loaded only to judge.

The last axes are seeds and examples; of tests of many models or tasks, that family. Axes before them are other
comparisons, each for itself, so that the code that judges the real one also judges thousands of simulated ones.
expected/README.md has the procedure and its sources.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit  # to the bit scipy.stats' t, which takes half a second to load

from progbench.judging.compared import Paired
from progbench.judging.decision import LEAST_SD, holm

NO_SPREAD = 1e-12  # of a variance in points²: what rounding leaves of seeds that differ by the same


class Components(NamedTuple):
    """A task's mean difference, in points, and the components of its variance: of seeds, of examples, and the rest.

    `by_seeds` is V_S, `by_examples` V_N and `by_rest` V_E of expected/README.md; the last two are None if only scores
    are known. `examples` counts all the task's evaluation sets, 0 if unknown.
    """

    mean: NDArray
    seeds: int
    examples: int
    by_seeds: NDArray
    by_examples: NDArray | None = None
    by_rest: NDArray | None = None


class Estimate(NamedTuple):
    """A difference in points, its variance, and the variance's degrees of freedom."""

    mean: NDArray
    variance: NDArray
    df: NDArray


def taken_apart(sets: Sequence[ArrayLike]) -> Components:
    """A task's components, from its differences by seed and example: an array for each evaluation set.

    >>> components = taken_apart([[[0, 100, 0, 0], [0, 100, 100, 0]]])  # two seeds, four examples: +25 and +50
    >>> float(components.mean), float(components.by_seeds)  # the variance of 25 and 50 is 312.5; half of it
    (37.5, 156.25)

    The task's score is the mean of its sets. MNLI has two of one run: its seeds vary together, its examples each for
    themselves.
    """
    arrays = [np.asarray(array, float) for array in sets]
    by_seed = sum(array.mean(-1) for array in arrays) / len(arrays)
    seeds = by_seed.shape[-1]
    of_examples = zip(*map(_of_examples, arrays), strict=True)
    by_examples, by_rest = (sum(component) / len(arrays) ** 2 for component in of_examples)
    return Components(
        mean=by_seed.mean(-1),
        seeds=seeds,
        examples=sum(array.shape[-1] for array in arrays),
        by_seeds=by_seed.var(-1, ddof=1) / seeds,
        by_examples=by_examples,
        by_rest=by_rest,
    )


def _of_examples(differences: NDArray) -> tuple[NDArray, NDArray]:
    """V_N and V_E of one evaluation set."""
    seeds, examples = differences.shape[-2:]
    by_seed, by_example = differences.mean(-1), differences.mean(-2)
    mean = differences.mean((-2, -1))[..., None, None]
    neither = differences - by_seed[..., :, None] - by_example[..., None, :] + mean
    rest = np.square(neither).sum((-2, -1)) / ((seeds - 1) * (examples - 1) * seeds * examples)
    return by_example.var(-1, ddof=1) / examples, rest


def from_scores(differences: ArrayLike, least: float = 0.0) -> Components:
    """A task's components from its differences by seed alone, for results that kept no predictions.

    `least` is the least standard deviation over seeds, in points, that is believed: no floor was measured.
    """
    values = np.asarray(differences, float)
    seeds = values.shape[-1]
    return Components(values.mean(-1), seeds, 0, np.maximum(values.var(-1, ddof=1), least**2) / seeds)


def components_of(task: Paired) -> Components:
    """A task's components: from its predictions, or where a result kept none from its scores alone.

    Seeds whose predictions are all alike, as those of a model that learned nothing, are no proof that none would
    differ. They are given the spread that scores alone have at least.
    """
    least = max(task.least_sd, LEAST_SD)
    if task.differences is None:
        return from_scores(np.subtract(task.left, task.right), least)
    found = taken_apart(task.differences)
    if max(found.by_seeds, found.by_rest) < NO_SPREAD:
        return found._replace(by_seeds=np.asarray(least**2 / found.seeds))
    return found


def on_this_set(components: Components) -> Estimate:
    """Question D: the difference on these very examples, over new seeds.

    >>> found = on_this_set(from_scores([1.0, 2.0, 3.0, 4.0, 5.0]))
    >>> float(found.mean), float(found.variance), int(found.df)  # variance 2.5 of a seed
    (3.0, 0.5, 4)
    """
    df = np.full(np.shape(components.mean), components.seeds - 1.0)
    return Estimate(components.mean, _seeds(components), df)


def for_such_examples(components: Components) -> Estimate | None:
    """Question E: the difference for examples like these, over new seeds; None without predictions.

    An example's own mean varies by the example, and by what is left of the seeds' noise, which is counted already. The
    degrees of freedom are Satterthwaite's, of two variances with those of seeds and examples.
    """
    if components.by_examples is None or components.by_rest is None:
        return None
    seeds, examples = _seeds(components), np.maximum(components.by_examples - components.by_rest, 0.0)
    df = _satterthwaite([seeds, examples], [components.seeds - 1.0, components.examples - 1.0])
    return Estimate(components.mean, seeds + examples, np.maximum(df, components.seeds - 1.0))


def _seeds(components: Components) -> NDArray:
    """The seeds' variance: no less than the rest, a floor that is measured."""
    return components.by_seeds if components.by_rest is None else np.maximum(components.by_seeds, components.by_rest)


def average(estimates: Sequence[Estimate], weights: Sequence[float]) -> Estimate:
    """The weighted mean of tasks, each with its own number of seeds; the weights' sum is 1.

    >>> found = average([Estimate(1.0, 0.04, 4.0), Estimate(3.0, 0.12, 4.0)], [0.5, 0.5])
    >>> float(found.mean), round(float(found.variance), 3), round(float(found.df), 2)  # 4·(0.01 + 0.03)² / (…² + …²)
    (2.0, 0.04, 6.4)
    """
    variances = [weight**2 * estimate.variance for estimate, weight in zip(estimates, weights, strict=True)]
    mean = sum(weight * np.asarray(estimate.mean) for estimate, weight in zip(estimates, weights, strict=True))
    return Estimate(mean, sum(variances), _satterthwaite(variances, [estimate.df for estimate in estimates]))


def _satterthwaite(variances: Sequence[ArrayLike], dfs: Sequence[ArrayLike]) -> NDArray:
    """The degrees of freedom of a sum of variances; the fewest of its terms' if all of them are 0."""
    squares = sum(np.square(variance) / df for variance, df in zip(variances, dfs, strict=True))
    fewest = np.minimum.reduce(np.broadcast_arrays(squares, *dfs)[1:])
    return np.divide(np.square(sum(variances)), squares, out=np.array(fewest, float), where=np.asarray(squares) > 0)


def interval(estimate: Estimate, level: float) -> tuple[NDArray, NDArray]:
    """Student's interval that leaves out `level` on each side.

    >>> [round(float(end), 3) for end in interval(on_this_set(from_scores([1.0, 2.0, 3.0, 4.0, 5.0])), 0.05)]
    [1.493, 4.507]
    """
    half = stdtrit(estimate.df, 1 - level) * np.sqrt(estimate.variance)
    return estimate.mean - half, estimate.mean + half


def p_above(estimate: Estimate, bound: float) -> NDArray:
    """The one-sided p of a difference that truly is `bound` or below.

    >>> round(float(p_above(on_this_set(from_scores([1.0, 2.0, 3.0, 4.0, 5.0])), 0.0)), 4)  # t = 4.243
    0.0066
    """
    beyond, error = estimate.mean - np.asarray(bound), np.sqrt(estimate.variance)
    score = np.divide(beyond, error, out=np.where(beyond > 0, np.inf, -np.inf), where=error > 0)
    return stdtr(estimate.df, -score)


# the order of tests, so that many models and tasks do not make a false answer likely


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
