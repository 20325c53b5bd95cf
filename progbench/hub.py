"""Files from the Hugging Face hub at a pinned revision: this machine's cache first, no waiting for a dead network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from progbench.errors import Missing


def fetch(repository: str, revision: str, kind: str, patterns: Sequence[str], complete: Callable[[Path], bool]) -> Path:
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
        local = {"model": "PROGBENCH_MODELS", "dataset": "GLUE_DIR"}[kind]
        raise Missing(
            f"{repository} is not on this machine and the hub does not give it ({problem}); "
            f"fetch it, or set {local} to a folder that holds it"
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
