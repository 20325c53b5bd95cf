"""Files from the Hugging Face hub at a pinned revision: this machine's cache first, no waiting for a dead network."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from progbench.errors import Missing

PATIENCE = 2.0  # seconds for the hub's first sign of life
AGAIN = 300.0  # seconds after which a hub that showed none is asked again
LONG = 10.0  # seconds for its answer to a question, once it has shown one
_ASKED: list[tuple[float, str]] = []  # when the hub was asked whether it is there, and why it is not
NO_ANSWER = "no answer in time"


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
            f"{repository} is not on this machine, and the hub did not give it ({problem}); "
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


def _silence() -> str:
    """Why there is no hub to ask, in words; '' if it answers, whatever it says.

    Its name alone may take a minute not to be found, and sixty cells would each wait. So an answer is kept: that there
    is a hub, for the session; that there is none, for some minutes, since a slow moment must not cost a night.
    """
    if _ASKED and (not _ASKED[-1][1] or time.monotonic() - _ASKED[-1][0] < AGAIN):
        return _ASKED[-1][1]
    problem = _asked()
    _ASKED.append((time.monotonic(), problem))
    return problem


def _asked() -> str:
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

    return _within(LONG, lambda: HfApi().repo_info(repository, revision=revision, repo_type=kind, timeout=LONG))


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
