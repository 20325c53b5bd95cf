"""The results of one session: looked up on file, filed, and kept in mind where a file cannot be written."""

import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from progbench.errors import BadInput
from progbench.recipes.recipe import Recipe
from progbench.runs import cleanup, results
from progbench.runs.results import RunResult
from progbench.session.inputs_changed import data_changed, data_here, inputs_changed


@dataclass(frozen=True)
class Runs:
    """One recipe's results by seed, errors among them, and why seeds are missing.

    `changed` has the seeds that were made on other data than lies here, each with a sentence.
    """

    results: Mapping[int, RunResult]
    missing: str = ""
    changed: Mapping[int, str] = field(default_factory=dict)


class Filing:
    """The results in a folder as one session sees them.

    Each recipe has `seeds` (None: those on file). With `train=False` the session trains nothing. Processes of one
    session share its name, `session`; a process without one is a session of its own. `missing` says by a recipe's id
    why it cannot be trained here, and `hopeless` has the ids of those whose input is bad for every seed.
    """

    def __init__(self, folder: Path, seeds: Sequence[int] | None, session: str = "", *, train: bool = True) -> None:
        self.folder = folder
        self.seeds = seeds
        self.train = train
        self.session = session or uuid.uuid4().hex
        self.missing: dict[str, str] = {}
        self.hopeless: set[str] = set()
        self._before: dict[tuple[str, int], str | None] = {}
        self._runs: dict[str, Runs] = {}
        self._data_here = functools.cache(data_here)  # looked at once a session
        self._not_filed: dict[tuple[str, int], RunResult] = {}

    def runs(self, wanted: Recipe) -> Runs:
        """A recipe's results as they are on file; nothing is trained."""
        if wanted.id not in self._runs:
            seeds = results.seeds_on_file(self.folder, wanted) if self.seeds is None else self.seeds
            by_seed = {seed: result for seed in seeds if (result := self._on_file(wanted, seed))}
            why = "" if self.train or self.seeds is None else " (--no-train)"
            missing = self.missing.get(wanted.id, f"not run yet: nothing in {self.folder}{why}")
            changed = {seed: why for seed, result in by_seed.items() if (why := data_changed(result, self._data_here))}
            self._runs[wanted.id] = Runs(by_seed, missing if not seeds or len(by_seed) < len(seeds) else "", changed)
        return self._runs[wanted.id]

    def forget(self, recipes: Iterable[Recipe]) -> None:
        """Look these recipes' results up anew when they are asked for next."""
        for recipe in recipes:
            self._runs.pop(recipe.id, None)

    def settled(self, wanted: Recipe, seed: int) -> bool:
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
            self.hopeless.add(wanted.id)
        return tried

    def file(self, trained: RunResult, others: int | None = None) -> None:
        """File a result; one that cannot be filed counts in this session, with a note that it is not kept.

        `others` is how many other runs used the device meanwhile.
        """
        wanted, seed = trained.recipe, trained.seed
        result = trained.completed(others=others, session=self.session)
        path = results.path_of(self.folder, wanted, seed)
        try:
            results.save(self.folder, result)
            if result.final or not result.error:
                cleanup.remove_checkpoints(path)
        except OSError as problem:
            note = (
                f"seed {seed} was trained, but {path} cannot be written ({problem.strerror or problem}): "
                "its scores count in this report, and are not kept"
            )
            noted = result if result.error else trained.completed(note, others=others, session=self.session)
            self._not_filed[wanted.id, seed] = noted

    def fail(self, wanted: Recipe, seed: int, problem: BadInput) -> None:
        """File a problem of a recipe's input under one seed: it is the same for all."""
        self.hopeless.add(wanted.id)
        self.file(RunResult(wanted, seed, error=str(problem), final=False))

    def refuse(self, wanted: Recipe, seeds: Iterable[int], where: object, problem: OSError) -> None:
        """Keep in mind for this session that these seeds' results have no place, so that none is trained."""
        why = f"not trained, because {where} cannot be written ({problem.strerror or problem})"
        for seed in seeds:
            self._not_filed[wanted.id, seed] = RunResult(wanted, seed, error=why, final=False)

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
