"""What is recorded: our own reference runs by suite, and what the print says by itself. Values alone; no files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from progbench.judging.claims import ClaimVerdict
from progbench.judging.compared import Compared, PrintAlone
from progbench.judging.terms import Looks
from progbench.recipes.recipe import Recipe
from progbench.report.grids import Grid
from progbench.report.report import Report
from progbench.runs.results import RunResult


@dataclass(frozen=True)
class OfSuite:
    """A suite's recorded runs: its report, its recipes and their results by id.

    `guesses` are the scores, in points by "set metric", of always answering the development set's most frequent class.
    `looks` are the numbers of seeds at which its differences are judged.
    """

    name: str
    report: Report
    recipes: Mapping[str, Recipe]
    results: Mapping[str, Sequence[RunResult]]
    guesses: Mapping[str, float]
    looks: Looks

    @property
    def runs(self) -> list[RunResult]:
        return [run for runs in self.results.values() for run in runs]

    def of_schedule(self, schedule: str) -> list[Compared]:
        """The differences from Progtuning to this schedule."""
        return [one for one in self.report.differences if one.right == schedule]

    def points(self, recipe: str, evaluation_set: str, metric: str) -> list[float]:
        """A recipe's scores by seed, in points; none where it failed or was not run."""
        return [run.score(evaluation_set, metric) for run in self.results.get(recipe, ()) if not run.error]


@dataclass(frozen=True)
class Printed:
    """One score of the paper's Table 5."""

    schedule: str
    column: str
    evaluation_set: str
    metric: str
    value: float


@dataclass(frozen=True)
class Recorded:
    """Everything that RESULTS.md is written from.

    `alone` is what the paper's averages say by themselves, `claims` its sentences, `ablation` its Table 5, `cut` the
    blocks and epochs of that table's models by name, `disputed` its cells that cannot be (row, columns, argument), and
    `decided` what was decided when (date, what, whether results had been seen). `repeated` has the runs that were made
    again (date, suite, recipe, seed, commit, machine, how it was drawn, what came out).
    """

    suites: Sequence[OfSuite]
    alone: Sequence[PrintAlone]
    claims: Sequence[ClaimVerdict]
    ablation: Sequence[Printed]
    cut: Mapping[str, tuple[int, int]]
    disputed: Sequence[tuple[str, str, str]]
    decided: Sequence[tuple[str, str, str]]
    repeated: Sequence[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG text, filed under its name."""

    name: str
    svg: str
    caption: str


Block = str | list[str] | Grid | Figure  # a list is one of sentences
Section = tuple[str, Sequence[Block]]  # a heading and what stands under it, one after another
