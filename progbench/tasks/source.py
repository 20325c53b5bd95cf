"""Which data a run reads, and a dataset's splits as the hub has them: Parquet files in a folder of its repository."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from progbench import hub
from progbench.errors import BadInput

if TYPE_CHECKING:
    from datasets import Dataset

GENERATED = "toy"


@dataclass(frozen=True)
class Source:
    """A dataset's name and revision, and how many of SQuAD's training questions, from the first on (None: all).

    `dataset` is a repository on the hub, "toy" for generated files, or the variable ("GLUE_DIR", "SQUAD_DIR") that must
    name a folder; only the hub has revisions.
    """

    dataset: str
    revision: str = ""
    train_questions: int | None = None


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


class OnHub:
    """What an entry of glue.toml and one of squad.toml share: the splits of its dataset, and where they are."""

    @property
    def splits(self) -> list[str]:
        return ["train", *(split for _, split in self.evaluate.values())]

    def on_hub(self, source: Source) -> hub.Files:
        return files(source.dataset, source.revision, self.hub, self.splits, instead=self.variable)

    def from_hub(self, source: Source) -> dict[str, Dataset]:
        return fetch(self.on_hub(source), self.hub, self.splits)

    def require(self, root: Path | None, source: Source) -> None:
        """Raise Missing, without reading a file, where `read` or (without a folder) `fetch` is bound to."""
        if root:
            self.paths(root, source)
        else:
            hub.require(self.on_hub(source))


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
