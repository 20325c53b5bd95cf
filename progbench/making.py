"""Runs looked up, and made where they are missing: each once, however many processes work at the same folder.

The lock of a result's file is the queue. Every process goes through the same list; it takes the runs that nobody
holds, and waits for the others at the end. So all have the same results to judge by, whoever made them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import filelock

from progbench import environment, models, runs, tasks
from progbench.errors import BadInput, Missing
from progbench.recipe import Recipe
from progbench.runs import RunResult


@dataclass(frozen=True)
class Runs:
    """What there is of one recipe's results: by seed, errors among them, and why seeds are missing."""

    results: Mapping[int, RunResult]
    missing: str = ""


class Maker:
    """The runs of one session, filed in a folder: looked up by `runs`, made by `make`.

    Of each recipe there are `seeds`, trained on `device` ("cpu", "cuda", or "auto": a GPU if there is one) with
    `threads` CPU threads (0: torch's own number). With `train=False` nothing is trained.
    """

    def __init__(self, folder: Path, seeds: range, device: str, threads: int = 0, *, train: bool = True) -> None:
        self.folder = folder
        self.seeds = seeds
        self.device = device
        self.threads = threads
        self.train = train
        self._started = time.time()
        self._tried: set[str] = set()
        self._hopeless: set[str] = set()
        self._missing: dict[str, str] = {}
        self._found: dict[str, Runs] = {}

    def runs(self, wanted: Recipe) -> Runs:
        """A recipe's results as they are on file; nothing is trained."""
        if wanted.id not in self._found:
            found = {seed: result for seed in self.seeds if (result := self._on_file(wanted, seed))}
            why = "" if self.train else " (--no-train)"
            missing = self._missing.get(wanted.id, f"not run yet: nothing in {self.folder}{why}")
            self._found[wanted.id] = Runs(found, missing if len(found) < len(self.seeds) else "")
        return self._found[wanted.id]

    def make(self, wanted: Iterable[Recipe], say: Callable[[str], None] = lambda line: None) -> None:
        """Train what these recipes' runs lack, telling `say` which run of how many it is; each is tried once a session.

        What goes wrong in a run is filed as its error, or kept as the reason why it is missing, and stops no other. A
        failure of this session is not tried again by its other processes; one of an earlier session is.
        """
        fresh = {recipe.id: recipe for recipe in wanted if recipe.id not in self._tried}.values()
        self._tried |= {recipe.id for recipe in fresh}
        for recipe in fresh:
            self._found.pop(recipe.id, None)
        lacking = [(recipe, seed, device) for recipe in fresh for seed, device in self._lacking(recipe)]
        held = []
        for number, (recipe, seed, device) in enumerate(lacking, start=1):
            say(f"run {number} of {len(lacking)}: {recipe.id}, seed {seed}")
            try:
                self._make(recipe, seed, device, blocking=False)
            except filelock.Timeout:
                held.append((recipe, seed, device))
        for number, (recipe, seed, device) in enumerate(held, start=1):
            say(f"run {number} of {len(held)} that another process had begun: {recipe.id}, seed {seed}")
            self._make(recipe, seed, device, blocking=True)

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

    def _lacking(self, wanted: Recipe) -> list[tuple[int, str]]:
        """The seeds to train, each with the device to do it on; none where that is missing."""
        seeds = [seed for seed in self.seeds if not self._settled(wanted, seed)] if self.train else []
        if not seeds:
            return []
        try:
            device = self.require(wanted)
        except Missing as problem:
            self._missing[wanted.id] = str(problem)
            return []
        except BadInput as problem:
            self._fail(wanted, seeds[0], problem)
            return []
        return [(seed, device) for seed in seeds]

    def _make(self, wanted: Recipe, seed: int, device: str, *, blocking: bool) -> None:
        """Train one seed and file it, unless that is done or useless. Raises Timeout if another process holds it."""
        with runs.lock(self.folder, wanted, seed).acquire(blocking=blocking):
            if self._settled(wanted, seed) or wanted.id in self._missing or wanted.id in self._hopeless:
                return
            try:
                runs.save(self.folder, _train(wanted, seed, device, self.threads))
            except Missing as problem:
                self._missing[wanted.id] = str(problem)
            except BadInput as problem:
                self._fail(wanted, seed, problem)

    def _fail(self, wanted: Recipe, seed: int, problem: BadInput) -> None:
        """File what is wrong with a recipe's input under one seed: it would be wrong for all."""
        self._hopeless.add(wanted.id)
        runs.save(self.folder, RunResult(wanted, seed, error=str(problem), final=False))

    def _settled(self, wanted: Recipe, seed: int) -> bool:
        """Whether this session need not train a seed: there is a result, or another process of it has just failed."""
        result = self._on_file(wanted, seed)
        if result is None or result.final:
            return result is not None
        just_now = runs.path_of(self.folder, wanted, seed).stat().st_mtime >= self._started
        if just_now and not result.environment:  # it did not come as far as training: bad input
            self._hopeless.add(wanted.id)
        return just_now

    def _on_file(self, wanted: Recipe, seed: int) -> RunResult | None:
        try:
            found = runs.load(self.folder, wanted, seed)
        except BadInput as problem:
            return RunResult(wanted, seed, error=str(problem))
        return found and _checked(found)


def _checked(result: RunResult) -> RunResult:
    """The result, as an error if it updated another number of parameters than its recipe's schedule plans."""
    if result.error:
        return result
    wanted = result.recipe
    planned = wanted.planned()
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
