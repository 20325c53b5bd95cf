"""A suite in a session: from a cell to its recipe, its runs and its verdict. No pytest.

Training and judging meet in result files only: `obtain` trains the missing runs, and everything else reads those that
are there and hands the judge numbers.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from progbench.errors import BadInput
from progbench.judging import claims, expected, guards, judge, likeness, sentences, terms, verdict
from progbench.judging.caveats import caveats, unlike
from progbench.judging.claims import Claim, ClaimVerdict
from progbench.judging.compared import Compared
from progbench.judging.expected import Cell
from progbench.judging.terms import Terms
from progbench.judging.verdict import Observed, Variant, Verdict
from progbench.recipes import reading
from progbench.recipes.recipe import Recipe, split_id
from progbench.runs import predictions, results
from progbench.session import claiming, comparing, filing, making, rescoring
from progbench.session.observing import columns_of, scores, themselves, unpublished
from progbench.tasks import catalog


def _kept(method: Callable) -> Callable:
    """Keep what a method of Suite gives, for a cell by its name and metric, until `obtain` may have trained runs."""

    @functools.wraps(method)
    def found(suite: "Suite", *asked: Any) -> Any:
        key = (method, *((one.file, one.id, one.metric) if isinstance(one, Cell) else one for one in asked))
        if key not in suite.kept:
            suite.kept[key] = method(suite, *asked)
        return suite.kept[key]

    return found


class Suite:
    """One suite as one session sees it.

    A recipe has the `seeds` 0 to `seeds` - 1, or these seeds, or with None those on file. `train` and `session` are as
    `Filing` has them, `device` as `Maker` has it.
    """

    def __init__(
        self,
        name: str,
        answers: Path,
        folder: Path,
        *,
        seeds: int | Sequence[int] | None = 0,
        device: str = "",
        train: bool = True,
        session: str = "",
    ) -> None:
        settings = reading.settings(name)
        self.name = name
        self.purpose = settings.about or f"Suite {name}"
        self.answers = answers
        self.folder = folder
        wanted = range(seeds or settings.seeds) if isinstance(seeds, int) else seeds
        self._listed = settings.tables
        self._wrong = guards.absent_or_strange(answers, name, settings.tables)
        self.filing = filing.Filing(folder, wanted, session, train=train)
        self.maker = making.Maker(self.filing, device or settings.device, settings.threads)
        self._recipe = functools.cache(lambda file, **which: reading.read(name, file, **which))
        self.kept: dict[Any, Any] = {}

    def has(self, name: str) -> bool:
        """Whether a table, or "claims", belongs to this suite: it is listed, or its file is or was there."""
        return name in self._listed or name in self._wrong

    def tables(self) -> list[str]:
        """The names of the suite's files of cells; some may be gone."""
        return sorted({*self._listed, *self._wrong} - {"claims"})

    @functools.cache  # noqa: B019  (a session has one suite)
    def table(self, name: str) -> expected.Table:
        """The table in expected/<suite>/<name>.toml, or what is wrong with that file."""
        if name in self._wrong:
            return expected.Table(name, problem=self._wrong[name])
        return expected.read(self.answers, self.name, name)

    def cell(self, name: str) -> Cell:
        """The cell called "table/id". Raises BadInput if there is none, or its table cannot be read."""
        file, _, wanted = name.partition("/")
        table = self.table(file)
        if table.problem:
            raise BadInput(table.problem)
        named = next((cell for cell in table.cells if cell.id == wanted), None)
        if named is None:
            raise BadInput(f"no cell {wanted} in {self.answers / self.name / file}.toml")
        return named

    def recipe(self, cell: Cell, task: str = "", variant: str = "") -> Recipe:
        """A cell's recipe, or that of one column of an average, by its task. Each is read once."""
        task = task or cell.count_task or catalog.task_of(cell.evaluation_set).name
        return self._recipe(
            cell.recipe_file, model=cell.model, schedule=cell.schedule, task=task, tuning=cell.tuning, variant=variant
        )

    @_kept
    def recipes(self, cell: Cell, variant: str = "") -> list[Recipe]:
        """Every recipe of a cell: one, or for an average one a task."""
        tasks = dict.fromkeys(catalog.task_of(name).name for name in cell.mean_of) or [""]
        return [self.recipe(cell, task, variant) for task in tasks]

    def _recipe_of(self, cell: Cell, evaluation_set: str, variant: str = "") -> Recipe:
        return self.recipe(cell, catalog.task_of(evaluation_set).name, variant)

    def needed(self, *wanted: Cell | Claim, variants: bool = False) -> dict[str, Recipe]:
        """The recipes behind cells (with their variants, if asked) and claims, by id.

        A count has none, and neither has what cannot be judged: its verdict says why.
        """
        recipes = {}
        for one in wanted:
            with contextlib.suppress(BadInput):
                recipes |= self.behind(one, variants=variants)
        return recipes

    def every_recipe(self) -> dict[str, Recipe]:
        """The recipes behind all cells and their variants, by id."""
        return self.needed(*(cell for name in self.tables() for cell in self.table(name).cells), variants=True)

    def behind(self, wanted: Cell | Claim, *, variants: bool = False) -> dict[str, Recipe]:
        """What `needed` gives of one alone. Raises BadInput for what cannot be judged."""
        if wanted.problem:
            raise BadInput(wanted.problem)
        if isinstance(wanted, Claim):
            names = [name for comparison in wanted.comparisons for name in (*comparison.left, *comparison.right)]
            return {name: recipe for cell in map(self.cell, names) for name, recipe in self.behind(cell).items()}
        recipes = self.recipes(wanted)
        if wanted.kind == "counted":
            return {}
        names = self._variants(wanted) if variants else []
        return {one.id: one for one in (*recipes, *(one for name in names for one in self.recipes(wanted, name)))}

    def _variants(self, cell: Cell) -> list[str]:
        return reading.variants(self.name, cell.recipe_file, cell.tuning, cell.schedule)

    def obtain(
        self, wanted: Iterable[Recipe], say: Callable[[str], None] = lambda line: None, *, aloud: bool = True
    ) -> None:
        """Train what these recipes' runs lack, once a session; `say` is told as by `Maker.make`."""
        self.maker.make(wanted, say, aloud=aloud)
        self.kept.clear()

    @_kept
    def verdicts(self, table: str) -> dict[str, Verdict]:
        """The verdicts on a table's cells by id, judged together by the runs on file."""
        asked = [self._asked(cell) for cell in self.table(table).cells]
        by_id = {cell.id: cell for cell, _ in asked}
        verdicts = judge.judge_table([*by_id.values()], {cell.id: observed for cell, observed in asked})
        verdicts |= self._repeated(table, by_id.values())
        return judge.sound(verdicts, by_id, lambda cell: self._fine_tuned(cell, verdicts))

    def _fine_tuned(self, cell: Cell, verdicts: Mapping[str, Verdict]) -> Verdict | None:
        """The verdict on the same score of fine-tuning, in the cell's table or another."""
        body, _, column = split_id(cell.id)
        name = f"{body}-{judge.BASELINE}-{column}"
        if name in verdicts:
            return verdicts[name]
        others = (other for other in self.tables() if other != cell.file)
        return next(
            (self.verdicts(table)[name] for table in others if any(c.id == name for c in self.table(table).cells)), None
        )

    def _repeated(self, table: str, cells: Iterable[Cell]) -> dict[str, Verdict]:
        """The verdicts on scores that an earlier table prints, too, as there: one number of one run has one verdict."""
        verdicts = {}
        for name in self.tables()[: self.tables().index(table)]:
            printed = {(cell.id, cell.expectation.printed) for cell in self.table(name).cells if cell.kind == "scored"}
            for cell in cells:
                if cell.expectation.printed and (cell.id, cell.expectation.printed) in printed:
                    verdicts[cell.id] = replace(self.verdicts(name)[cell.id], table=cell.table, row=cell.row)
        return verdicts

    def verdict(self, cell: Cell) -> Verdict:
        """The verdict on one cell, which depends on its table's other cells."""
        return self.verdicts(cell.file)[cell.id]

    def _asked(self, cell: Cell) -> tuple[Cell, Observed]:
        """A cell as it can be judged, and what there is to judge it by; a bad recipe is the cell's problem."""
        if cell.problem:
            return cell, Observed()
        try:
            observed = self.observed(cell)
            made = self.good(self.recipes(cell)) if cell.kind != "counted" else {}
        except BadInput as problem:
            return replace(cell, problem=str(problem)), Observed()
        if reference := cell.expectation.reference:
            copies = self.answers / self.name / "runs"
            # one of another recipe, other data or other weights would judge another question
            if why := likeness.no_reference(reference, made) or themselves(self.folder, copies, made):
                return replace(cell, expectation=replace(cell.expectation, reference=None, no_reference=why)), observed
            if not observed.errors:
                columns = [(self._recipe_of(cell, name), name, metric) for name, metric in columns_of(cell)]
                observed = replace(observed, same=likeness.same_scores(reference, columns, made))
        return cell, observed

    def variants(self, cell: Cell, primary: Verdict) -> list[Variant]:
        """A cell's value under its primary recipe and each of its variants; empty for a cell that cannot be judged."""
        if cell.problem:
            return []
        try:
            tried = {name: self._tried(cell, name) for name in self._variants(cell)}
        except BadInput:  # the recipe file itself, which the primary's verdict has said
            return []
        return verdict.compare_variants(cell, primary, tried)

    def _tried(self, cell: Cell, variant: str) -> Observed:
        try:
            return self.observed(cell, variant)
        except BadInput as problem:
            return Observed(errors={0: str(problem)})

    @functools.cache  # noqa: B019  (a session has one suite)
    def claims(self) -> list[Claim] | BadInput:
        """The sentences in expected/<suite>/claims.toml, or the file's problem; none if a suite has no such file."""
        if "claims" in self._wrong:
            return BadInput(self._wrong["claims"])
        return sentences.read(self.answers, self.name) if self.has("claims") else []

    def claim(self, claim: Claim) -> ClaimVerdict:
        """The verdict on a sentence, by the runs on file."""
        try:
            judged = claiming.judged(self, claim)
            made = {} if claim.problem else self.good(self.needed(claim).values())
            return replace(judged, our_words="; ".join([judged.our_words, *unlike(made)]))
        except BadInput as problem:  # it names a cell there is not, or one whose table cannot be read
            return claims.not_judged(claim, str(problem))

    @functools.cache  # noqa: B019  (a session has one suite)
    def terms(self) -> Terms:
        """How differences are judged, as stated beforehand. Raises BadInput if that cannot be read."""
        return terms.read(self.answers, self.name)

    @_kept
    def compared(self, name: str) -> tuple[list[Compared], list[str]]:
        """The verdicts on a table's schedules, by the runs on file, and why seeds or tasks have none.

        Raises BadInput if nobody can say.
        """
        return comparing.of_table(self, self.table(name), self.terms())

    def predictions(self, result: results.RunResult) -> rescoring.Kept | None:
        """A run's predictions, if it kept them. Raises BadInput for a file that is gone or damaged."""
        path = results.path_of(self.folder, result.recipe, result.seed)
        if result.predictions and path not in self.kept:
            self.kept[path] = predictions.load(path, result.predictions)
        return self.kept[path] if result.predictions else None

    @_kept
    def observed(self, cell: Cell, variant: str = "") -> Observed:
        """What there is to judge a cell by, apart from its reference: a count, or scores by seed.

        Raises BadInput for a cell without a sound recipe.
        """
        recipes = self.recipes(cell, variant)
        read = tuple(f"{wanted.id}/{wanted.digest}" for wanted in recipes)
        if cell.kind == "counted":
            return Observed(count=recipes[0].planned(), recipes=read)
        behind = [self.runs(self._recipe_of(cell, name, variant)) for name, _ in columns_of(cell)]
        return replace(scores(cell, behind), recipes=read, other_data=unpublished(cell, self.good(recipes)))

    def runs(self, wanted: Recipe) -> filing.Runs:
        """The results of a recipe that are on file."""
        return self.filing.runs(wanted)

    def warnings(self, cell: Cell) -> list[str]:
        """What a reader should know of a cell's runs, and of those in its column."""
        if cell.kind == "counted" or cell.problem:
            return []
        return [*caveats(cell.id, self.good(self.recipes(cell))), *self._unlike(cell.file, cell.column)]

    @_kept
    def _unlike(self, table: str, column: str) -> list[str]:
        beside = [cell for cell in self.table(table).cells if cell.column == column]
        return unlike(self.good(self.needed(*beside, variants=True).values()))

    def good(self, recipes: Iterable[Recipe]) -> dict[Recipe, list[results.RunResult]]:
        """The results of recipes that are no errors."""
        return {wanted: [run for run in self.runs(wanted).results.values() if not run.error] for wanted in recipes}
