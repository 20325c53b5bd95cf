"""A suite in a session: from a cell to its recipe, its runs (trained where missing) and its verdict. No pytest.

Training and judging meet in result files only: this module looks for them, has the missing ones made, and hands the
judge numbers.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from progbench import claims, environment, expected, models, recipe, runs, tasks, verdict
from progbench.caveats import caveats
from progbench.claims import Claim, ClaimVerdict
from progbench.errors import BadInput, Missing
from progbench.expected import Cell
from progbench.recipe import Recipe
from progbench.runs import RunResult
from progbench.verdict import Observed, Verdict


@dataclass(frozen=True)
class Runs:
    """What there is of one recipe's results: by seed, errors among them, and why seeds are missing."""

    results: Mapping[int, RunResult]
    missing: str = ""


class Suite:
    """One suite as one session sees it.

    `seeds` runs a recipe, 0 upwards, or with None those that are on file; `device` "cpu", "cuda" or "auto"; with
    `train=False` nothing is trained and what exists is judged.
    """

    def __init__(
        self, name: str, answers: Path, folder: Path, *, seeds: int | None = 0, device: str = "", train: bool = True
    ) -> None:
        settings = recipe.settings(name)
        self.name = name
        self.answers = answers
        self.folder = folder
        self.seeds = None if seeds is None else range(seeds or settings.seeds)
        self.device = device or settings.device
        self.threads = settings.threads
        self.train = train
        self._runs: dict[str, Runs] = {}

    def tables(self) -> list[str]:
        """The names of the suite's files of cells."""
        return sorted(path.stem for path in (self.answers / self.name).glob("*[0-9].toml"))

    @functools.cache  # noqa: B019  (a session has one suite)
    def table(self, name: str) -> expected.Table:
        """The table in expected/<suite>/<name>.toml."""
        return expected.read(self.answers, self.name, name)

    def cell(self, name: str) -> Cell:
        """The cell called "table/id". Raises BadInput where there is none, or its table cannot be read."""
        file, _, wanted = name.partition("/")
        table = self.table(file)
        if table.problem:
            raise BadInput(table.problem)
        found = next((cell for cell in table.cells if cell.id == wanted), None)
        if found is None:
            raise BadInput(f"no cell {wanted} in {self.answers / self.name / file}.toml")
        return found

    def recipe(self, cell: Cell, task: str = "", variant: str = "") -> Recipe:
        """The recipe that a cell (or one column of a derived cell, by its task) is read from."""
        return recipe.read(
            self.name,
            cell.recipe_file,
            model=cell.model,
            schedule=cell.schedule,
            task=task or cell.count_task or tasks.task_of(cell.evaluation_set).name,
            tuning=cell.tuning,
            variant=variant,
        )

    def recipes(self, cell: Cell) -> list[Recipe]:
        """Every recipe a cell needs: one, or for a derived cell one a task."""
        names = dict.fromkeys(tasks.task_of(part).name for part in cell.mean_of) or [""]
        return [self.recipe(cell, name) for name in names]

    def verdict(self, cell: Cell) -> Verdict:
        """Judge a cell, training first what its runs lack."""
        comparisons = sum(other.kind == "scored" for other in self.table(cell.file).cells)
        try:
            observed = Observed() if cell.problem else self.observed(cell)
            if not cell.problem and cell.kind != "counted":
                cell = self._without_stale_reference(cell)
        except BadInput as problem:  # the recipe itself, before any seed
            return verdict.error(cell, str(problem))
        return verdict.judge(cell, observed, comparisons)

    def verdicts(self, table: str) -> dict[str, Verdict]:
        """The verdict on every cell of a table, by the cell's id."""
        return {cell.id: self.verdict(cell) for cell in self.table(table).cells}

    def variants(self, cell: Cell, primary: Verdict) -> list[verdict.Variant]:
        """A cell's value under its primary recipe and each of its variants, trained first where runs are missing.

        Empty for a cell without variants, and one that cannot be judged.
        """
        if cell.problem:
            return []
        found = {}
        try:
            for name in recipe.variants(self.name, cell.recipe_file, cell.tuning):
                found[name] = self._tried(cell, name)
        except BadInput:  # the recipe file itself, which the primary's verdict has said
            return []
        return verdict.compare_variants(cell, primary, found)

    def _tried(self, cell: Cell, variant: str) -> Observed:
        try:
            return self.observed(cell, variant)
        except BadInput as problem:
            return Observed(errors={0: str(problem)})

    def claims(self) -> list[Claim] | BadInput:
        """The sentences in expected/<suite>/claims.toml, or what is wrong with it."""
        return claims.read(self.answers, self.name)

    def claim(self, claim: Claim) -> ClaimVerdict:
        """Judge a sentence over its cells, training first what their runs lack."""
        try:
            return self._claim(claim)
        except BadInput as problem:  # it names a cell there is not, or one whose table cannot be read
            return claims.not_judged(claim, str(problem))

    def _claim(self, claim: Claim) -> ClaimVerdict:
        if claim.problem:
            return claims.judge(claim, [])
        for name in (name for one in claim.comparisons for name in (*one.left, *one.right)):
            if problem := self.cell(name).problem:
                raise BadInput(problem)
        if claim.quantity == "fits":
            cells = [self.cell(name) for one in claim.comparisons for name in one.left]
            printed = [cell.expectation.printed for cell in cells]
            agree, elsewhere = (
                [
                    verdict.agrees_with_print(self.observed(cell, name).count, text)
                    for cell, text in zip(cells, printed, strict=True)
                ]
                for name in (claim.variant, "")
            )
            return claims.judge_fit(claim, printed, agree, elsewhere)
        return claims.judge(claim, [self._measured(claim, comparison) for comparison in claim.comparisons])

    def _measured(self, claim: Claim, one: claims.Comparison) -> claims.Measured:
        left, right = ([self.cell(name) for name in side] for side in (one.left, one.right))
        printed = [[cell.expectation.printed for cell in side] for side in (left, right)]
        metric = claim.metric.get(one.column)
        ours = [
            [self.observed(replace(cell, metric=metric) if metric else cell) for cell in side] for side in (left, right)
        ]
        metrics = list(dict.fromkeys(cell.metric for cell in (*left, *right)))
        return replace(
            claims.our_quantity(claim, one.column, *ours),
            printed=claims.printed_quantity(claim, *printed),
            mixed=" against ".join(metrics) if len(metrics) > 1 else "",
        )

    def observed(self, cell: Cell, variant: str = "") -> Observed:
        """What there is to judge a cell by, without a look at its reference: a count, or scores by seed."""
        if cell.kind == "counted":
            return Observed(count=self.recipe(cell, variant=variant).planned())
        parts = cell.mean_of or {cell.evaluation_set: cell.metric}
        columns: list[dict[int, float]] = []
        errors: dict[int, str] = {}
        reasons: dict[str, list[str]] = {}
        for part, metric in parts.items():
            found = self.runs(self.recipe(cell, tasks.task_of(part).name, variant))
            where = f"{part}: " if cell.mean_of else ""
            errors |= {seed: f"{where}{run.error}" for seed, run in found.results.items() if run.error}
            scores = {seed: run.score(part, metric) for seed, run in found.results.items() if not run.error}
            columns.append(scores)
            if not scores:
                reasons.setdefault(found.missing, []).append(part)
        shared = sorted(set.intersection(*(set(column) for column in columns)))
        values = {seed: statistics.fmean(column[seed] for column in columns) for seed in shared}
        if cell.mean_of and not shared and not reasons:
            reasons["no seed has all of them"] = list(parts)
        missing = [f"{', '.join(names)}: {why}" if cell.mean_of else why for why, names in reasons.items()]
        return Observed(values, errors=errors, missing="; ".join(missing))

    def runs(self, wanted: Recipe) -> Runs:
        """The results of a recipe, after training the seeds that have none (once a session)."""
        if wanted.id not in self._runs:
            self._runs[wanted.id] = self._make(wanted)
        return self._runs[wanted.id]

    def warnings(self, cell: Cell) -> list[str]:
        """What a reader should know of a cell's runs."""
        if cell.kind == "counted" or cell.problem:
            return []
        return caveats(cell.id, {wanted: self._good(wanted) for wanted in self.recipes(cell)})

    def _good(self, wanted: Recipe) -> list[RunResult]:
        return [run for run in self.runs(wanted).results.values() if not run.error]

    def _without_stale_reference(self, cell: Cell) -> Cell:
        """The cell without its reference if that was made with another recipe: it would judge another question."""
        if reference := cell.expectation.reference:
            for wanted in self.recipes(cell):
                if reference.digests[wanted.id] != wanted.digest:
                    why = (
                        f"no reference: the one on file is of {wanted.id} {reference.digests[wanted.id]}, and that "
                        f"recipe is now {wanted.digest}"
                    )
                    return replace(cell, expectation=replace(cell.expectation, reference=None, no_reference=why))
        return cell

    def _make(self, wanted: Recipe) -> Runs:
        results: dict[int, RunResult] = {}
        planned = wanted.planned()
        seeds = runs.seeds_on_file(self.folder, wanted) if self.seeds is None else self.seeds
        why = "" if seeds else f"not run: nothing in {self.folder}"
        for seed in seeds:
            try:
                found = runs.load(self.folder, wanted, seed)
            except BadInput as problem:
                found = RunResult(wanted, seed, error=str(problem))
            if found and (found.final or not self.train):
                results[seed] = _checked(found, planned)
                continue
            if why:  # what is missing for one seed is missing for all
                continue
            try:
                results[seed] = _checked(self._train(wanted, seed), planned)
            except Missing as problem:
                why = str(problem)
            except BadInput as problem:  # wrong for one seed, wrong for all
                results[seed] = RunResult(wanted, seed, error=str(problem), final=False)
                runs.save(self.folder, results[seed])
                break
        return Runs(results, why)

    def _train(self, wanted: Recipe, seed: int) -> RunResult:
        if not self.train:
            raise Missing(f"not run yet: nothing in {self.folder} (--no-train)")
        device = self.require(wanted)
        with runs.lock(self.folder, wanted, seed):
            found = runs.load(self.folder, wanted, seed)  # another process may have made it while this one waited
            if found and found.final:
                return found
            result = _train(wanted, seed, device, self.threads)
            runs.save(self.folder, result)
            return result

    def require(self, wanted: Recipe) -> str:
        """The device to train on. Raises Missing when this recipe cannot run here: no GPU, then no data or weights.

        Decided without importing torch and without the network.
        """
        if self.device == "cuda" and not environment.gpu_count():
            raise Missing("no GPU here, and this suite or --device asks for one (--device cpu trains without)")
        tasks.tasks()[wanted.task].require(wanted)
        models.require(models.spec(wanted.model))
        if self.device == "auto":
            return "cuda" if environment.gpu_count() else "cpu"
        return self.device


def _checked(result: RunResult, planned: int) -> RunResult:
    """The result, as an error if it updated another number of parameters than its recipe's schedule plans."""
    if result.error:
        return result
    updated = sum(epoch.updated_parameters for epoch in result.epochs)
    if updated == planned:
        return result
    return replace(result, error=f"the run updated {updated:,} parameters, but its schedule plans {planned:,}")


def _train(wanted: Recipe, seed: int, device: str, threads: int) -> RunResult:
    """Train one seed; an exception while training becomes the result's error, so that no other cell is lost to it."""
    import torch

    from progbench.train import NonFinite, train

    if device == "cuda" and not torch.cuda.is_available():
        raise Missing(f"a GPU is here, but torch {torch.__version__} cannot use it (--device cpu trains without)")
    try:
        return train(wanted, seed, device, threads)
    except (Missing, BadInput):
        raise
    except Exception as problem:
        final = isinstance(problem, NonFinite)
        message = str(problem) if final else f"{type(problem).__name__}: {problem}"
        return RunResult(wanted, seed, error=message, final=final, environment=environment.describe(device))
