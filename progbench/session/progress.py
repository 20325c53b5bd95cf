"""A session's lines while it trains: one as a run begins, and one as it is done, with the time left."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult
from progbench.session.jobs import Job


class Progress:
    """The runs of one call of `Maker.make`, counted as they are done; `say` is told the lines.

    With `aloud` a line announces each run, too: on a terminal, where a bar follows it.
    """

    def __init__(self, families: Iterable[Sequence[Job]], say: Callable[[str], None], *, aloud: bool) -> None:
        self._left = [(job.recipe, seed) for family in families for job in family for seed in job.seeds]
        self._total = len(self._left)
        self._begun = 0
        self._say, self._aloud = say, aloud
        self._taken: dict[tuple[str, ...], list[float]] = {}

    def begins(self, job: Job, what: str = "") -> None:
        """Announce a job, if `aloud`; `what` is added to the line."""
        first, self._begun = self._begun + 1, self._begun + len(job.seeds)
        which = f"run {first}" if first == self._begun else f"runs {first} to {self._begun}"
        if self._aloud:
            self._say(f"{which} of {self._total}{what}: {job}")

    def done(self, result: RunResult) -> None:
        """Count a run, and say that it is done."""
        run = (result.recipe, result.seed)
        if run in self._left:
            self._left.remove(run)
        number = self._total - len(self._left)
        words = f"error: {result.error}"
        if not result.error:
            for kind in _kinds(result.recipe):
                self._taken.setdefault(kind, []).append(result.seconds)
            scores = next(iter(result.epochs[-1].scores.values()))
            words = f"{100 * next(iter(scores.values())):.1f}, {said(result.seconds)}"
        self._say(f"{number} of {self._total} {result.recipe.id} seed {result.seed}: {words}{self._rest()}")

    def _rest(self) -> str:
        """How long the others will take, one after another: each as long as the runs most like it did."""
        if not self._left or not self._taken:
            return ""
        like = (next(self._taken[kind] for kind in _kinds(recipe) if kind in self._taken) for recipe, _ in self._left)
        return f", about {said(math.fsum(map(statistics.fmean, like)))} left"


def _kinds(recipe: Recipe) -> list[tuple[str, ...]]:
    """What a run is like, the nearest likeness first."""
    return [(recipe.id,), (recipe.model, recipe.tuning, recipe.task), (recipe.model, recipe.task), (recipe.model,), ()]


def said(seconds: float) -> str:
    """A time as a person says it.

    >>> said(59.6), said(3600 * 2.5), said(86400 * 3)
    ('1 min', '2 h 30 min', '72 h')
    >>> said(7), said(0.2)
    ('7 s', '1 s')
    """
    if round(seconds) < 60:
        return f"{max(1, round(seconds))} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes))
