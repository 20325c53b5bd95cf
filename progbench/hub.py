"""Files from the Hugging Face hub at a pinned revision: this machine's cache first, no waiting for a dead network."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from progbench.errors import BadInput, Missing

if TYPE_CHECKING:
    from datasets import Dataset

PATIENCE = 2.0  # seconds for the hub's first sign of life
LONG = 10.0  # seconds for its answer to a question, once it has shown one


def fetch_splits(
    repository: str, revision: str, folder: str, splits: Sequence[str], *, instead: str
) -> dict[str, Dataset]:
    """These splits of a dataset, from the Parquet files in a folder of its repository.

    `instead` is the variable a reader may set to a local copy. Raises Missing as `fetch` does, BadInput, naming the
    file, for one that cannot be read.
    """
    root = fetch(*_wanted(repository, revision, folder, splits), instead=instead)
    if absent := [split for split, paths in _shards(root / folder, splits).items() if not paths]:
        raise BadInput(f"{repository}@{revision}: no {folder}/{absent[0]}-*.parquet")
    return {split: _table(paths) for split, paths in _shards(root / folder, splits).items()}


def require_splits(repository: str, revision: str, folder: str, splits: Sequence[str], *, instead: str) -> None:
    """Raise Missing, in seconds and without fetching anything, where `fetch_splits` is bound to."""
    require(*_wanted(repository, revision, folder, splits), instead=instead)


def _wanted(repository: str, revision: str, folder: str, splits: Sequence[str]) -> tuple:
    def complete(root: Path) -> bool:
        return all(_shards(root / folder, splits).values())

    return repository, revision, "dataset", [f"{folder}/*"], complete


def _shards(folder: Path, splits: Sequence[str]) -> dict[str, list[Path]]:
    """Every split's files; none for a split of which any is absent, which `-of-00002` in their names tells."""
    found = {split: sorted(folder.glob(f"{split}-*.parquet")) for split in splits}
    return {
        split: paths if {path.name.rpartition("-of-")[2] for path in paths} == {f"{len(paths):05}.parquet"} else []
        for split, paths in found.items()
    }


def _table(paths: Sequence[Path]) -> Dataset:
    """Files as one table, in memory: `datasets.load_dataset` would copy them below HOME, which may be read-only."""
    import datasets
    import pyarrow
    from pyarrow import parquet

    tables = []
    for path in paths:
        try:
            tables.append(parquet.read_table(path))
        except (OSError, pyarrow.ArrowException) as problem:
            raise BadInput(
                f"{path}: cannot be read ({problem}); clear the hub's cache of it, and fetch it again"
            ) from None
    return datasets.Dataset(pyarrow.concat_tables(tables))


def fetch(
    repository: str,
    revision: str,
    kind: str,
    patterns: Sequence[str],
    complete: Callable[[Path], bool],
    *,
    instead: str,
) -> Path:
    """The folder with a repository's files; `kind` is "model" or "dataset", `complete` says whether a folder has all.

    Raises Missing with the hub's own words, within seconds, when the files are not here and it does not give them; and
    when they cannot be fetched, which is tried once a session.
    """
    if folder := require(repository, revision, kind, patterns, complete, instead=instead):
        return folder
    folder, problem = _downloaded(repository, revision, kind, tuple(patterns))
    if folder is None:
        raise Missing(
            f"{repository} could not be fetched ({problem}); "
            f"set HF_HOME to a folder with room for it, or {instead} to one that holds it"
        )
    return folder


def require(
    repository: str,
    revision: str,
    kind: str,
    patterns: Sequence[str],
    complete: Callable[[Path], bool],
    *,
    instead: str,
) -> Path | None:
    """The folder with a repository's files where they are on this machine, None where the hub has them to fetch.

    Raises Missing as `fetch` does, and fetches nothing.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        here = snapshot_download(
            repository, revision=revision, repo_type=kind, allow_patterns=list(patterns), local_files_only=True
        )
        if complete(folder := Path(here)):
            return folder
    except LocalEntryNotFoundError:
        pass
    if problem := _silence() or _problem(repository, revision, kind):
        raise Missing(
            f"{repository} is not on this machine and the hub does not give it ({problem}); "
            f"fetch it, or set {instead} to a folder that holds it"
        )
    return None


@functools.cache
def _downloaded(repository: str, revision: str, kind: str, patterns: Sequence[str]) -> tuple[Path | None, str]:
    """A repository's folder, or why it could not be fetched. Its client retries for minutes: nobody waits twice."""
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(repository, revision=revision, repo_type=kind, allow_patterns=list(patterns))
    except Exception as problem:  # of the network, the hub or the disk: the reader gets its words
        return None, _words(problem)
    return Path(found), ""


@functools.cache
def _silence() -> str:
    """Why there is no hub to ask, in words; '' if it answers, whatever it says. Once a session: its name alone may take
    a minute not to be found, and sixty cells would each wait."""
    from huggingface_hub import HfApi, get_session

    endpoint = HfApi().endpoint
    problem = _within(PATIENCE, lambda: get_session().head(endpoint, timeout=2 * PATIENCE))
    if problem == NO_ANSWER:
        return f"{endpoint} does not answer within {PATIENCE:g} seconds; with HF_HUB_OFFLINE=1 it is not asked"
    return problem


@functools.cache
def _problem(repository: str, revision: str, kind: str) -> str:
    """Why the hub does not give this, in words; '' if it does."""
    from huggingface_hub import HfApi

    problem = _within(LONG, lambda: HfApi().repo_info(repository, revision=revision, repo_type=kind, timeout=LONG))
    return f"no answer within {LONG:g} seconds" if problem == NO_ANSWER else problem


NO_ANSWER = "no answer"


def _within(seconds: float, ask: Callable[[], object]) -> str:
    """What goes wrong when this is asked, in words, '' for nothing; NO_ANSWER where it takes longer than that.

    A thread asks, since no timeout of the client's covers the look-up of a name, nor its retries.
    """
    said = [NO_ANSWER]

    def run() -> None:
        try:
            ask()
            said.append("")
        except Exception as problem:  # whatever the network or the hub answers, the reader gets its words
            said.append(_words(problem))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return said[-1]


def _words(problem: Exception) -> str:
    return f"{type(problem).__name__}: {str(problem).partition(chr(10))[0]}"
