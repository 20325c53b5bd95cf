"""A dataset's splits as the hub has them: Parquet files in a folder of its repository."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from progbench import hub
from progbench.errors import BadInput

if TYPE_CHECKING:
    from datasets import Dataset


def fetch(wanted: hub.Files, folder: str, splits: Sequence[str]) -> dict[str, Dataset]:
    """These splits of a dataset, from the Parquet files in a folder of its repository.

    Raises Missing as `hub.fetch` does, BadInput, naming the file, for one that cannot be read.
    """
    root = hub.fetch(wanted)
    if absent := [split for split, paths in _shards(root / folder, splits).items() if not paths]:
        raise BadInput(f"{wanted.repository}@{wanted.revision}: no {folder}/{absent[0]}-*.parquet")
    return {split: _table(paths) for split, paths in _shards(root / folder, splits).items()}


def files(repository: str, revision: str, folder: str, splits: Sequence[str], *, instead: str) -> hub.Files:
    """The files that `fetch` reads; `instead` is the variable a reader may set to a local copy."""

    def complete(root: Path) -> bool:
        return all(_shards(root / folder, splits).values())

    return hub.Files(repository, revision, "dataset", (f"{folder}/*",), instead, complete)


def _shards(folder: Path, splits: Sequence[str]) -> dict[str, list[Path]]:
    """Every split's files; none for a split of which any is absent, which `-of-00002` in their names tells."""
    files = {split: sorted(folder.glob(f"{split}-*.parquet")) for split in splits}
    return {
        split: paths if {path.name.rpartition("-of-")[2] for path in paths} == {f"{len(paths):05}.parquet"} else []
        for split, paths in files.items()
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
