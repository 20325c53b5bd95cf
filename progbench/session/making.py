"""The runs that are missing are trained: each once, however many processes work at the same folder.

The lock of a result's file is the queue. Every process goes through the same list. It takes the runs that nobody holds,
and waits for the others at the end, so that all judge by the same results. Runs that differ in their schedules alone
are taken together: their shared epochs are trained once. On a GPU the seeds that a recipe lacks are one job
(`jobs.families`).
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from progbench import environment, files
from progbench.errors import BadInput, Missing
from progbench.method.schedule import shared_epochs
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.runs import cleanup, results
from progbench.session import jobs, neighbours
from progbench.session.filing import Filing
from progbench.session.progress import Progress
from progbench.tasks import catalog
from progbench.training.checkpoints import Checkpoints


class Maker:
    """Trains what a session lacks, and has its `filing` file it.

    Runs are trained on `device` ("cpu", "cuda", or "auto": a GPU if there is one) with `threads` CPU threads (0:
    torch's own number). `send` is given each result that was trained, once it is filed.
    """

    def __init__(self, filing: Filing, device: str, threads: int = 0) -> None:
        self.filing = filing
        self.device = device
        self.threads = threads
        self.send: Callable[[results.RunResult], object] = lambda result: None
        self._tried: set[str] = set()

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
        if self.filing.train and not self._tried:  # once a session; one that trains nothing removes nothing
            files.sweep_temporary_folders()
            for suite in {recipe.suite for recipe in fresh}:
                cleanup.sweep_results(self.filing.folder / suite)
        self._tried |= {recipe.id for recipe in fresh}
        self.filing.forget(fresh)
        families = jobs.families((recipe, *self._lacking(recipe)) for recipe in fresh)
        for blocking, what in ((False, ""), (True, " that another process had begun")):
            progress = Progress(families, say, aloud=aloud)
            held = []
            for family in families:
                try:
                    with self._locked(family, blocking=blocking):
                        for job, kept in self._with_checkpoints(family):
                            progress.begins(job, what)
                            self._train(job, kept, progress)
                except filelock.Timeout:
                    held.append(family)
            families = held

    def require(self, wanted: Recipe) -> str:
        """The device to train on. Raises Missing if this recipe cannot run here: no GPU, else no data or no weights.

        It does so without importing torch. Data and weights are checked together, so that a reader hears of both at
        once.
        """
        if self.device == "cuda" and not environment.gpu_count():
            raise Missing("no GPU here, and this suite or --device asks for one (--device cpu trains without)")
        task, absent = catalog.tasks()[wanted.task], []
        for require in (lambda: catalog.require(task, wanted.data_source), lambda: loading.require(spec(wanted.model))):
            try:
                require()
            except Missing as problem:
                absent.append(str(problem))
        if absent:
            raise Missing("; ".join(absent))
        found = "cuda" if environment.gpu_count() else "cpu"
        return found if self.device == "auto" else self.device

    def _lacking(self, wanted: Recipe) -> tuple[list[int], str]:
        """The seeds to train, and the device; no seeds if there is no device."""
        wanted_seeds = self.filing.seeds if self.filing.train and self.filing.seeds else ()
        seeds = [seed for seed in wanted_seeds if not self.filing.settled(wanted, seed)]
        if not seeds:
            return [], ""
        try:
            return seeds, self.require(wanted)
        except Missing as problem:
            self.filing.missing[wanted.id] = str(problem)
        except BadInput as problem:
            self.filing.fail(wanted, seeds[0], problem)
        return [], ""

    @contextlib.contextmanager
    def _locked(self, family: Iterable[jobs.Job], *, blocking: bool) -> Iterator[None]:
        """Hold the locks of a family's runs. Raises Timeout if another process holds one of them."""
        import filelock

        # in one order everywhere, so that no two processes wait for each other
        runs = sorted(((job.recipe, seed) for job in family for seed in job.seeds), key=lambda run: (run[0].id, run[1]))
        with contextlib.ExitStack() as locks:
            for recipe, seed in runs:
                try:
                    locks.enter_context(results.lock(self.filing.folder, recipe, seed).acquire(blocking=blocking))
                except filelock.Timeout:
                    raise
                except OSError as problem:
                    self.filing.refuse(recipe, [seed], problem.filename or "its lock", problem)
            yield

    def _with_checkpoints(self, family: Sequence[jobs.Job]) -> Iterator[tuple[jobs.Job, Checkpoints]]:
        """A family's jobs, each with its checkpoints: its shared epochs are left to those behind it."""
        epochs = shared_epochs(job.recipe.build_schedule() for job in family) if len(family) > 1 else 0
        folders = [results.path_of(self.filing.folder, job.recipe, job.seeds[0]).parent for job in family]
        for number, job in enumerate(family):
            behind = zip(family[number + 1 :], folders[number + 1 :], strict=True)
            later = tuple(folder for other, folder in behind if epochs and other.seeds == job.seeds)
            yield job, Checkpoints(folders[number], epochs, later)

    def _train(self, job: jobs.Job, kept: Checkpoints, progress: Progress) -> None:
        """Train a job's seeds and file each as soon as it is there, unless that is done or cannot succeed."""
        wanted, filing = job.recipe, self.filing
        seeds = tuple(seed for seed in job.seeds if not filing.settled(wanted, seed))
        if not seeds or wanted.id in filing.missing or wanted.id in filing.hopeless:
            return
        with contextlib.ExitStack() as while_training:
            where: object = kept.folder
            try:
                files.require_room(kept.folder)
                where = "a temporary folder"
                place = while_training.enter_context(neighbours.at(job.device))
            except OSError as problem:
                filing.refuse(wanted, seeds, where, problem)
                return
            try:
                for result in jobs.execute(replace(job, seeds=seeds), self.threads, kept):
                    filing.file(result, others=neighbours.met(place))
                    progress.done(result)
                    self.send(result)
            except Missing as problem:
                filing.missing[wanted.id] = str(problem)
            except BadInput as problem:
                filing.fail(wanted, seeds[0], problem)
