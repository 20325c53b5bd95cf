"""Runs looked up, and made where they are missing: each once, however many processes work at the same folder.

The lock of a result's file is the queue. Every process goes through the same list. It takes the runs that nobody holds,
and waits for the others at the end, so that all judge by the same results. Runs that differ in their schedules alone
are taken together: their shared epochs are trained once. On a GPU the seeds that a recipe lacks are one job
(`jobs.families`).
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from progbench import environment, files
from progbench.errors import BadInput, Missing
from progbench.files import require_room
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.runs import cleanup, results
from progbench.runs.results import RunResult
from progbench.session import jobs, neighbours
from progbench.session.inputs_changed import DataHere, inputs_changed
from progbench.session.jobs import Job
from progbench.session.progress import Progress
from progbench.session.tracking import nothing
from progbench.tasks import catalog
from progbench.training.checkpoints import Checkpoints
from progbench.training.shared_epochs import shared_epochs


@dataclass(frozen=True)
class Runs:
    """One recipe's results by seed, errors among them, and why seeds are missing.

    `changed` has the seeds that were made on other data than lies here, each with a sentence.
    """

    results: Mapping[int, RunResult]
    missing: str = ""
    changed: Mapping[int, str] = field(default_factory=dict)


class Maker:
    """The runs of one session, filed in a folder: `runs` looks them up, `make` makes them.

    Each recipe has `seeds` (None: those on file), trained on `device` ("cpu", "cuda", or "auto": a GPU if there is one)
    with `threads` CPU threads (0: torch's own number). With `train=False` nothing is trained. Processes of one session
    share its name, `session`; a process without one is a session of its own.
    """

    def __init__(
        self,
        folder: Path,
        seeds: Sequence[int] | None,
        device: str,
        threads: int = 0,
        *,
        train: bool = True,
        session: str = "",
    ) -> None:
        self.folder = folder
        self.seeds = seeds
        self.device = device
        self.threads = threads
        self.train = train
        self.session = session or uuid.uuid4().hex
        self.send: Callable[[RunResult], None] = nothing  # is given each result that was trained, once it is filed
        self._swept = False
        self._progress = Progress((), lambda line: None, aloud=False)
        self._before: dict[tuple[str, int], str | None] = {}
        self._tried: set[str] = set()
        self._hopeless: set[str] = set()
        self._missing: dict[str, str] = {}
        self._found: dict[str, Runs] = {}
        self._data = DataHere()
        self._not_filed: dict[tuple[str, int], RunResult] = {}

    def runs(self, wanted: Recipe) -> Runs:
        """A recipe's results as they are on file; nothing is trained."""
        if wanted.id not in self._found:
            seeds = results.seeds_on_file(self.folder, wanted) if self.seeds is None else self.seeds
            by_seed = {seed: result for seed in seeds if (result := self._on_file(wanted, seed))}
            why = "" if self.train or self.seeds is None else " (--no-train)"
            missing = self._missing.get(wanted.id, f"not run yet: nothing in {self.folder}{why}")
            changed = {seed: why for seed, result in by_seed.items() if (why := self._data.changed(result))}
            self._found[wanted.id] = Runs(by_seed, missing if not seeds or len(by_seed) < len(seeds) else "", changed)
        return self._found[wanted.id]

    def make(
        self, wanted: Iterable[Recipe], say: Callable[[str], None] = lambda line: None, *, aloud: bool = True
    ) -> None:
        """Train what these recipes' runs lack, once a session; `say` is told of each run done, and the time left.

        With `aloud` it is told of each that begins, too. An exception in a run is filed as its error, or kept as the
        reason why it is missing, and stops no other run. A session does not try its own failure again, nor one that
        another session had while this one waited; it tries those of earlier sessions. Without room for a result nothing
        is trained. A result that cannot be filed after all counts in this session, with a note.
        """
        import filelock  # a report, which makes nothing, does without

        fresh = {recipe.id: recipe for recipe in wanted if recipe.id not in self._tried}.values()
        self._sweep({recipe.suite for recipe in fresh})
        self._tried |= {recipe.id for recipe in fresh}
        for recipe in fresh:
            self._found.pop(recipe.id, None)
        families = jobs.families((recipe, *self._lacking(recipe)) for recipe in fresh)

        self._progress = Progress(families, say, aloud=aloud)
        held = []
        for family in families:
            try:
                self._hold(family, blocking=False)
            except filelock.Timeout:
                held.append(family)
        self._progress = Progress(held, say, aloud=aloud)
        for family in held:
            self._hold(family, blocking=True)

    def _sweep(self, suites: Iterable[str]) -> None:
        """Remove, once a session, what killed sessions left; a session that trains nothing removes nothing."""
        if self.train and not self._swept:
            self._swept = True
            files.sweep_temporary_folders()
            for suite in suites:
                cleanup.sweep_results(self.folder / suite)

    def require(self, wanted: Recipe) -> str:
        """The device to train on. Raises Missing if this recipe cannot run here: no GPU, else no data or no weights.

        It does so without importing torch. Data and weights are checked together, so that a reader hears of both at
        once.
        """
        if self.device == "cuda" and not environment.gpu_count():
            raise Missing("no GPU here, and this suite or --device asks for one (--device cpu trains without)")
        absent = []
        for require in (
            lambda: catalog.require(catalog.tasks()[wanted.task], wanted.data_source),
            lambda: loading.require(spec(wanted.model)),
        ):
            try:
                require()
            except Missing as problem:
                absent.append(str(problem))
        if absent:
            raise Missing("; ".join(absent))
        if self.device == "auto":
            return "cuda" if environment.gpu_count() else "cpu"
        return self.device

    def _lacking(self, wanted: Recipe) -> tuple[list[int], str]:
        """The seeds to train, and the device; no seeds if there is no device."""
        wanted_seeds = self.seeds if self.train and self.seeds else ()
        seeds = [seed for seed in wanted_seeds if not self._settled(wanted, seed)]
        if not seeds:
            return [], ""
        try:
            return seeds, self.require(wanted)
        except Missing as problem:
            self._missing[wanted.id] = str(problem)
        except BadInput as problem:
            self._fail(wanted, seeds[0], problem)
        return [], ""

    def _hold(self, family: Sequence[Job], *, blocking: bool) -> None:
        """Lock and make a family's runs. Raises Timeout if another process holds one of them."""
        import filelock

        # in one order everywhere, so that no two processes wait for each other
        needed = sorted(
            ((job.recipe, seed) for job in family for seed in job.seeds), key=lambda pair: (pair[0].id, pair[1])
        )
        with contextlib.ExitStack() as held:
            for recipe, seed in needed:
                try:
                    held.enter_context(results.lock(self.folder, recipe, seed).acquire(blocking=blocking))
                except filelock.Timeout:
                    raise
                except OSError as problem:
                    self._refuse(recipe, [seed], problem.filename or "its lock", problem)
            epochs = shared_epochs([job.recipe for job in family]) if len(family) > 1 else 0
            for number, job in enumerate(family, 1):
                self._progress.begins(job, " that another process had begun" if blocking else "")
                later = [self._folder(other) for other in family[number:] if other.seeds == job.seeds]
                self._attempt(job, Checkpoints(self._folder(job), epochs, tuple(later) if epochs else ()))

    def _folder(self, job: Job) -> Path:
        return results.path_of(self.folder, job.recipe, job.seeds[0]).parent

    def _attempt(self, job: Job, kept: Checkpoints) -> None:
        """Train a job's seeds and file them, unless that is done or cannot succeed."""
        wanted = job.recipe
        seeds = tuple(seed for seed in job.seeds if not self._settled(wanted, seed))
        if not seeds or wanted.id in self._missing or wanted.id in self._hopeless:
            return
        with contextlib.ExitStack() as while_training:
            where: object = kept.folder
            try:
                require_room(kept.folder)
                where = "a temporary folder"
                place = while_training.enter_context(neighbours.at(job.device))
            except OSError as problem:
                self._refuse(wanted, seeds, where, problem)
                return
            self._collect(replace(job, seeds=seeds), kept, place)

    def _collect(self, job: Job, kept: Checkpoints, place: Path) -> None:
        """Train a job's seeds and file each as soon as it is there; in `place` other runs leave a word."""
        wanted, seeds = job.recipe, job.seeds
        try:
            for result in jobs.execute(job, self.threads, kept):
                self._file(result, others=neighbours.met(place))
                self._progress.done(result)
                self.send(result)
        except Missing as problem:
            self._missing[wanted.id] = str(problem)
        except BadInput as problem:
            self._fail(wanted, seeds[0], problem)

    def _fail(self, wanted: Recipe, seed: int, problem: BadInput) -> None:
        """File a problem of a recipe's input under one seed: it is the same for all."""
        self._hopeless.add(wanted.id)
        self._file(RunResult(wanted, seed, error=str(problem), final=False))

    def _file(self, trained: RunResult, others: int | None = None) -> None:
        """File a result; one that cannot be filed counts in this session, with a note that it is not kept."""
        wanted, seed = trained.recipe, trained.seed
        result = trained.completed(others=others, session=self.session)
        path = results.path_of(self.folder, wanted, seed)
        try:
            results.save(self.folder, result)
            if result.final or not result.error:
                cleanup.remove_checkpoints(path)
        except OSError as problem:
            if result.error:
                self._not_filed[wanted.id, seed] = result
                return
            note = (
                f"seed {seed} was trained, but {path} cannot be written ({problem.strerror or problem}): "
                "its scores count in this report, and are not kept"
            )
            self._not_filed[wanted.id, seed] = trained.completed(note, others=others, session=self.session)

    def _refuse(self, wanted: Recipe, seeds: Iterable[int], where: object, problem: OSError) -> None:
        """Keep in mind for this session that these seeds' results have no place, so that none is trained."""
        why = f"not trained, because {where} cannot be written ({problem.strerror or problem})"
        for seed in seeds:
            self._not_filed[wanted.id, seed] = RunResult(wanted, seed, error=why, final=False)

    def _settled(self, wanted: Recipe, seed: int) -> bool:
        """Whether this session need not train a seed: it has a result, or has failed since this session looked."""
        result = self._on_file(wanted, seed)
        session = result.session if result else None
        before = self._before.setdefault((wanted.id, seed), session)
        if result is None or (wanted.id, seed) in self._not_filed:
            return result is not None
        if result.final:
            return not result.error or bool(result.epochs) or session == self.session or not inputs_changed(result)
        tried = session == self.session or session != before
        if tried and not result.environment:  # it did not come as far as training: bad input
            self._hopeless.add(wanted.id)
        return tried

    def _on_file(self, wanted: Recipe, seed: int) -> RunResult | None:
        if kept := self._not_filed.get((wanted.id, seed)):
            return results.checked(kept)
        try:
            result = results.load(self.folder, wanted, seed)
        except BadInput as problem:
            return RunResult(wanted, seed, error=str(problem))
        if result and result.error and result.final:
            path = results.path_of(self.folder, wanted, seed)
            why = f"{result.error}; it is tried again once data or weights are others, or {path} is deleted"
            return replace(result, error=why)
        return result and results.checked(result)
