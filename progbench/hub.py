"""Files from the Hugging Face hub at a pinned revision: this machine's cache first, no waiting for a dead network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from progbench.errors import BadInput, Missing

if TYPE_CHECKING:
    from datasets import DatasetDict


def fetch_splits(repository: str, revision: str, folder: str, splits: Sequence[str], *, instead: str) -> DatasetDict:
    """These splits of a dataset, from the Parquet files in a folder of its repository.

    `instead` is the variable a reader may set to a local copy. Raises Missing as `fetch` does.
    """

    def shards(root: Path) -> dict[str, list[str]]:
        """Every split's files; none for a split of which any is absent, which `-of-00002` in their names tells."""
        found = {split: sorted(map(str, (root / folder).glob(f"{split}-*.parquet"))) for split in splits}
        return {
            split: paths if {path.rpartition("-of-")[2] for path in paths} == {f"{len(paths):05}.parquet"} else []
            for split, paths in found.items()
        }

    root = fetch(
        repository, revision, "dataset", [f"{folder}/*"], lambda root: all(shards(root).values()), instead=instead
    )
    if absent := [split for split, paths in shards(root).items() if not paths]:
        raise BadInput(f"{repository}@{revision}: no {folder}/{absent[0]}-*.parquet")
    import datasets

    datasets.disable_progress_bars()
    return datasets.load_dataset("parquet", data_files=shards(root))


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

    Raises Missing with the hub's own words, within seconds, when the files are not here and it does not give them.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    download = functools.partial(
        snapshot_download, repository, revision=revision, repo_type=kind, allow_patterns=list(patterns)
    )
    try:
        if complete(folder := Path(download(local_files_only=True))):
            return folder
    except LocalEntryNotFoundError:
        pass
    if problem := _problem(repository, revision, kind):
        raise Missing(
            f"{repository} is not on this machine and the hub does not give it ({problem}); "
            f"fetch it, or set {instead} to a folder that holds it"
        )
    return Path(download())


@functools.cache
def _problem(repository: str, revision: str, kind: str) -> str:
    """Ask once, briefly, whether the hub has this: its client retries for minutes, and sixty cells would each wait."""
    from huggingface_hub import HfApi

    try:
        HfApi().repo_info(repository, revision=revision, repo_type=kind, timeout=1.5)
    except Exception as problem:  # whatever the network or the hub answers, the reader gets its words
        return f"{type(problem).__name__}: {str(problem).partition(chr(10))[0]}"
    return ""
