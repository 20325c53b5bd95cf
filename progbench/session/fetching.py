"""A suite's models and data, fetched before GPU time starts: what is needed, each once, and how each went."""

from collections.abc import Callable
from dataclasses import dataclass

from progbench import hub
from progbench.errors import BadInput, Missing
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.session import marks
from progbench.session.suite import Suite
from progbench.tasks import catalog, source


@dataclass(frozen=True)
class Need:
    """A model or a task's data; `files` are the hub's, None if a folder or a package has it."""

    name: str
    recipe: Recipe
    is_model: bool
    files: hub.Files | None = None
    missing: str = ""


@dataclass(frozen=True)
class Got:
    """What became of a need: its state ("here", "fetched", "missing" or "damaged"), and details."""

    name: str
    state: str
    words: str

    def __str__(self) -> str:
        return f"{self.name}: {self.state}: {self.words}"


def needs(suite: Suite, mark: str = "") -> list[Need]:
    """The models and then the data that a mark's runs read, or all runs, each once. Generated ones are left out.

    Raises BadInput as `marks.needed` does.
    """
    wanted = {name: recipe for recipes in marks.needed(suite, mark) for name, recipe in recipes.items()}
    models: dict[str, Need] = {}
    data: dict[tuple, Need] = {}
    for recipe in wanted.values():
        if not spec(recipe.model).random:
            files = loading.on_hub(spec(recipe.model))
            models.setdefault(recipe.model, Need(f"weights of {recipe.model}", recipe, True, files))
        if recipe.dataset != source.GENERATED:
            data.setdefault((recipe.task, recipe.dataset, recipe.revision), _data(recipe))
    return [*models.values(), *data.values()]


def _data(recipe: Recipe) -> Need:
    name = f"data of {recipe.task}"
    try:
        return Need(name, recipe, False, catalog.on_hub(catalog.tasks()[recipe.task], recipe.data_source))
    except Missing as problem:
        return Need(name, recipe, False, missing=str(problem))


def fetch(need: Need, say: Callable[[str], None] = lambda line: None) -> Got:
    """Fetch what is not here, and check what is by the hub's checksums; `say` is told how much there is to fetch.

    Nothing is raised: a problem becomes the state. A damaged file is removed, so that no run reads it.
    """
    try:
        if need.missing:
            raise Missing(need.missing)
        if need.files is None:
            if need.is_model:
                loading.require(spec(need.recipe.model))
            else:
                catalog.require(catalog.tasks()[need.recipe.task], need.recipe.data_source)
            return Got(need.name, "here", "in a folder or a package of this machine, which the hub has no checksums of")
        return _from_hub(need, need.files, say)
    except Missing as problem:
        # who reads this has just typed the command that it names
        return Got(need.name, "missing", str(problem).replace(hub.FETCH, "start the same again with a network"))
    except BadInput as problem:
        return Got(need.name, "damaged", str(problem))


def _from_hub(need: Need, files: hub.Files, say: Callable[[str], None]) -> Got:
    if hub.offline():
        folder = hub.require(files)
        return Got(need.name, "here", f"{files} in {folder}, not held to the hub's checksums: HF_HUB_OFFLINE is set")
    if hub.here(files) is None:
        hub.require(files)
        count, size = hub.to_fetch(files)
        say(f"{need.name}: {files}: {count} files to fetch, {said(size)}")
        folder = hub.fetch(files)
        return Got(need.name, "fetched", f"{files}, {said(size)}, as the hub's checksums say; in {folder}")
    if silent := hub.silence():
        return Got(need.name, "here", f"{files} in {hub.here(files)}, not held to the hub's checksums: {silent}")
    try:
        names = hub.remove_damaged(files)
    except Exception as problem:  # of the network or the hub, after it had answered
        raise Missing(f"{files}: its checksums are not to be had ({type(problem).__name__}: {problem})") from None
    if names:
        words = f"{', '.join(names)} had another checksum than the hub has, and was removed: start the same again"
        return Got(need.name, "damaged", f"{files}: {words}")
    return Got(need.name, "here", f"{files}, as the hub's checksums say; in {hub.here(files)}")


def said(size: float) -> str:
    """Bytes as a person says them.

    >>> said(440_473_133), said(1_344_997_306), said(570), said(1)
    ('440 MB', '1.34 GB', '570 bytes', '1 byte')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size:.0f} byte{'s' * (size != 1)}"
