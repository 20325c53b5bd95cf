"""A suite in a session: from a cell to its recipe, its runs and its verdict. No pytest.

Training and judging meet in result files only: `make` trains the runs that are missing, and everything else looks at
those that are there and hands the judge numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from progbench.errors import BadInput
from progbench.judging import claims, expected, guards, likeness, sanity, sentences, terms, verdict
from progbench.judging.caveats import caveats, unlike
from progbench.judging.claims import Claim, ClaimVerdict
from progbench.judging.compared import Compared
from progbench.judging.expected import Cell
from progbench.judging.judge import judge_table
from progbench.judging.terms import Terms
from progbench.judging.verdict import Observed, Verdict
from progbench.recipes import reading
from progbench.recipes.recipe import Recipe, split_id
from progbench.runs import predictions, results
from progbench.runs.results import RunResult
from progbench.session import claiming, comparing
from progbench.session.making import Maker, Runs
from progbench.session.observing import parts_of, scores, unpublished
from progbench.session.pairing import Kept
from progbench.tasks import catalog


class Suite:
    """One suite as one session sees it.

    `seeds` runs a recipe, 0 upwards, or these seeds, or with None those that are on file; `device` "cpu", "cuda" or
    "auto"; with `train=False` nothing is trained and what exists is judged. Processes of one session share its name,
    `session`.
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
        self.maker = Maker(folder, wanted, device or settings.device, settings.threads, train=train, session=session)
        self._recipe = functools.cache(functools.partial(reading.read, name))
        self._of_cell: dict[tuple[str, str, str], list[Recipe]] = {}
        self._observed: dict[tuple[str, ...], Observed] = {}
        self._verdicts: dict[str, dict[str, Verdict]] = {}
        self._unlike: dict[tuple[str, str], list[str]] = {}
        self._compared: dict[str, tuple[list[Compared], list[str]]] = {}
        self._predictions: dict[Path, Kept] = {}

    def has(self, name: str) -> bool:
        """Whether a table, or "claims", belongs to this suite: it is listed, or its file is there or was."""
        return name in self._listed or name in self._wrong

    def tables(self) -> list[str]:
        """The names of the suite's files of cells, of which some may be gone."""
        return sorted({*self._listed, *self._wrong} - {"claims"})

    @functools.cache  # noqa: B019  (a session has one suite)
    def table(self, name: str) -> expected.Table:
        """The table in expected/<suite>/<name>.toml, or what is wrong with that file."""
        if name in self._wrong:
            return expected.Table(name, problem=self._wrong[name])
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
        """The recipe that a cell (or one column of a derived cell, by its task) is read from. Each is read once."""
        task = task or cell.count_task or catalog.task_of(cell.evaluation_set).name
        return self._recipe(
            cell.recipe_file, model=cell.model, schedule=cell.schedule, task=task, tuning=cell.tuning, variant=variant
        )

    def recipes(self, cell: Cell, variant: str = "") -> list[Recipe]:
        """Every recipe a cell needs: one, or for a derived cell one a task. They are looked for once."""
        asked = (cell.file, cell.id, variant)
        if asked not in self._of_cell:
            names = dict.fromkeys(catalog.task_of(part).name for part in cell.mean_of) or [""]
            self._of_cell[asked] = [self.recipe(cell, name, variant) for name in names]
        return self._of_cell[asked]

    def needed(self, wanted: Cell | Claim, *, variants: bool = False) -> dict[str, Recipe]:
        """The recipes whose runs a cell (with its variants, if asked) or a claim is judged by, by their id.

        Empty for a count, and for what cannot be judged: its verdict says why.
        """
        try:
            if isinstance(wanted, Claim):
                names = [name for one in wanted.comparisons for name in (*one.left, *one.right)]
                cells = [] if wanted.problem else [self.cell(name) for name in names]
            else:
                cells = [wanted]
            found = {}
            for cell in cells:
                if cell.kind == "counted" or cell.problem:
                    continue
                others = self._variants(cell) if variants else []
                found |= {one.id: one for name in ("", *others) for one in self.recipes(cell, name)}
            return found
        except BadInput:
            return {}

    def _variants(self, cell: Cell) -> list[str]:
        return reading.variants(self.name, cell.recipe_file, cell.tuning, cell.schedule)

    def make(
        self, wanted: Iterable[Recipe], say: Callable[[str], None] = lambda line: None, *, aloud: bool = True
    ) -> None:
        """Train what these recipes' runs lack, once a session, telling `say` as `Maker.make` does."""
        self.maker.make(wanted, say, aloud=aloud)
        self._observed.clear()
        self._verdicts.clear()
        self._unlike.clear()
        self._compared.clear()
        self._predictions.clear()

    def verdicts(self, table: str) -> dict[str, Verdict]:
        """The verdict on every cell of a table, judged together by the runs that are there; by the cell's id."""
        if table not in self._verdicts:
            asked = [self._asked(cell) for cell in self.table(table).cells]
            cells = [cell for cell, _ in asked]
            found = judge_table(cells, {cell.id: observed for cell, observed in asked})
            found |= self._repeated(table, cells)
            self._verdicts[table] = sanity.sound(
                found, {cell.id: cell for cell in cells}, lambda cell: self._fine_tuned(cell, found)
            )
        return self._verdicts[table]

    def _fine_tuned(self, cell: Cell, found: Mapping[str, Verdict]) -> Verdict | None:
        """The verdict on the same score of fine-tuning, among those `found` in the cell's table, or in another's."""
        body, _, column = split_id(cell.id)
        name = f"{body}-{sanity.BASELINE}-{column}"
        if name in found:
            return found[name]
        others = (other for other in self.tables() if other != cell.file)
        return next(
            (self.verdicts(one)[name] for one in others if any(c.id == name for c in self.table(one).cells)), None
        )

    def _repeated(self, table: str, cells: Iterable[Cell]) -> dict[str, Verdict]:
        """The verdicts on scores that an earlier table prints, too, as there: one number of one run, one verdict."""
        found = {}
        for name in self.tables()[: self.tables().index(table)]:
            printed = {(cell.id, cell.expectation.printed) for cell in self.table(name).cells if cell.kind == "scored"}
            for cell in cells:
                if cell.expectation.printed and (cell.id, cell.expectation.printed) in printed:
                    found[cell.id] = replace(self.verdicts(name)[cell.id], table=cell.table, row=cell.row)
        return found

    def verdict(self, cell: Cell) -> Verdict:
        """The verdict on one cell of a table: it depends on what there is of the table's others."""
        return self.verdicts(cell.file)[cell.id]

    def _asked(self, cell: Cell) -> tuple[Cell, Observed]:
        """A cell as it can be judged, and what there is to judge it by.

        A bad recipe is the cell's problem. A reference of another recipe, other data or other weights is none: it would
        judge another question.
        """
        if cell.problem:
            return cell, Observed()
        try:
            observed = self.observed(cell)
            made = self._made(self.recipes(cell)) if cell.kind != "counted" else {}
        except BadInput as problem:
            return replace(cell, problem=str(problem)), Observed()
        if reference := cell.expectation.reference:
            if why := likeness.no_reference(reference, made):
                return replace(cell, expectation=replace(cell.expectation, reference=None, no_reference=why)), observed
            if not observed.errors:
                parts = [
                    (self.recipe(cell, catalog.task_of(part).name), part, metric) for part, metric in parts_of(cell)
                ]
                observed = replace(observed, same=likeness.same_scores(reference, parts, made))
        return cell, observed

    def variants(self, cell: Cell, primary: Verdict) -> list[verdict.Variant]:
        """A cell's value under its primary recipe and each of its variants.

        Empty for a cell without variants, and one that cannot be judged.
        """
        if cell.problem:
            return []
        found = {}
        try:
            for name in self._variants(cell):
                found[name] = self._tried(cell, name)
        except BadInput:  # the recipe file itself, which the primary's verdict has said
            return []
        return verdict.compare_variants(cell, primary, found)

    def _tried(self, cell: Cell, variant: str) -> Observed:
        try:
            return self.observed(cell, variant)
        except BadInput as problem:
            return Observed(errors={0: str(problem)})

    @functools.cache  # noqa: B019  (a session has one suite)
    def claims(self) -> list[Claim] | BadInput:
        """The sentences in expected/<suite>/claims.toml, or what is wrong with it; none where a suite has none."""
        if "claims" in self._wrong:
            return BadInput(self._wrong["claims"])
        return sentences.read(self.answers, self.name) if self.has("claims") else []

    def claim(self, claim: Claim) -> ClaimVerdict:
        """Judge a sentence over its cells, by the runs that are there."""
        try:
            found = claiming.judged(self, claim)
            made = {} if claim.problem else self._made(self.needed(claim).values())
            return replace(found, our_words="; ".join([found.our_words, *unlike(made)]))
        except BadInput as problem:  # it names a cell there is not, or one whose table cannot be read
            return claims.not_judged(claim, str(problem))

    @functools.cache  # noqa: B019  (a session has one suite)
    def terms(self) -> Terms:
        """What was stated beforehand of how differences are judged. Raises BadInput where that cannot be read."""
        return terms.read(self.answers, self.name)

    def compared(self, name: str) -> tuple[list[Compared], list[str]]:
        """What is said of a table's schedules, by the runs that are there, and why seeds or tasks take no part in it.

        Raises BadInput where that cannot be said.
        """
        if name not in self._compared:
            self._compared[name] = comparing.of_table(self, self.table(name), self.terms())
        return self._compared[name]

    def predictions(self, result: RunResult) -> Kept | None:
        """What a result's run predicted, where it kept that. Raises BadInput for a file that is gone or damaged."""
        if not result.predictions:
            return None
        path = results.path_of(self.folder, result.recipe, result.seed)
        if path not in self._predictions:
            self._predictions[path] = predictions.load(path, result.predictions)
        return self._predictions[path]

    def observed(self, cell: Cell, variant: str = "") -> Observed:
        """What there is to judge a cell by, without a look at its reference: a count, or scores by seed.

        Raises BadInput for a cell without a sound recipe.
        """
        asked = (cell.file, cell.id, cell.metric, variant)
        if asked not in self._observed:
            self._observed[asked] = self._read(cell, variant)
        return self._observed[asked]

    def _read(self, cell: Cell, variant: str) -> Observed:
        recipes = self.recipes(cell, variant)
        read = tuple(f"{wanted.id}/{wanted.digest}" for wanted in recipes)
        if cell.kind == "counted":
            return Observed(count=recipes[0].planned(), recipes=read)
        behind = [self.runs(self.recipe(cell, catalog.task_of(part).name, variant)) for part, _ in parts_of(cell)]
        return replace(scores(cell, behind), recipes=read, other_data=unpublished(cell, self._made(recipes)))

    def runs(self, wanted: Recipe) -> Runs:
        """The results of a recipe that are on file."""
        return self.maker.runs(wanted)

    def warnings(self, cell: Cell) -> list[str]:
        """What a reader should know of a cell's runs, and of those that they are compared with in its column."""
        if cell.kind == "counted" or cell.problem:
            return []
        column = (cell.file, cell.column)
        if column not in self._unlike:
            beside = [one for one in self.table(cell.file).cells if one.column == cell.column]
            compared = {name: wanted for one in beside for name, wanted in self.needed(one, variants=True).items()}
            self._unlike[column] = unlike(self._made(compared.values()))
        return [*caveats(cell.id, self._made(self.recipes(cell))), *self._unlike[column]]

    def _made(self, recipes: Iterable[Recipe]) -> dict[Recipe, list[RunResult]]:
        """The good results of recipes."""
        return {wanted: [run for run in self.runs(wanted).results.values() if not run.error] for wanted in recipes}
