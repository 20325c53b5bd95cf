"""Files from the Hugging Face hub at a pinned revision: this machine's cache first, no waiting for a dead network."""

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from progbench.errors import Missing

PATIENCE = 2.0  # seconds for the hub's first sign of life
AGAIN = 300.0  # seconds after which a hub that showed none is asked again
LONG = 10.0  # seconds for its answer to a question, once it has shown one
_ASKED: list[tuple[float, str]] = []  # when the hub was asked whether it is there, and why it is not
NO_ANSWER = "no answer in time"
FETCH = "fetch it with `progbench fetch`"  # what a run says of what is not here


@dataclass(frozen=True)
class Files:
    """Those files of a repository that fit one of `patterns`; `kind` is "model" or "dataset".

    `complete` says whether a folder has all, and `instead` is the variable that a reader may set to a folder of them.
    """

    repository: str
    revision: str
    kind: str
    patterns: tuple[str, ...]
    instead: str
    complete: Callable[[Path], bool] = field(compare=False)

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision[:8]}"

    @property
    def pinned(self) -> dict[str, str]:
        return {"revision": self.revision, "repo_type": self.kind}


def fetch(wanted: Files) -> Path:
    """The folder with a repository's files, as the hub's checksums say they are.

    Raises Missing with the hub's own words, within seconds, when the files are not here and it does not give them; and
    when they cannot be fetched, which is tried once a session.
    """
    if folder := require(wanted):
        return folder
    folder, problem = _downloaded(wanted)
    if folder is None:
        raise Missing(
            f"{wanted.repository} could not be fetched ({problem}); "
            f"start again, set HF_HOME to a folder with room for it, or {wanted.instead} to one that holds it"
        )
    return folder


def require(wanted: Files) -> Path | None:
    """The folder with a repository's files where they are on this machine, None where the hub has them to fetch.

    Raises Missing as `fetch` does, and fetches nothing.
    """
    if folder := here(wanted):
        return folder
    if problem := silence() or _problem(wanted):
        raise Missing(
            f"{wanted.repository} is not on this machine, and the hub did not give it ({problem}); "
            f"{FETCH}, or set {wanted.instead} to a folder that holds it"
        )
    return None


def here(wanted: Files) -> Path | None:
    """The folder with a repository's files where all are on this machine; the hub is not asked."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = Path(_snapshot(wanted, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return found if wanted.complete(found) else None


def to_fetch(wanted: Files) -> tuple[int, int]:
    """How many of a repository's files are not here, and their bytes. Raises Missing with the hub's words."""
    try:
        files = [one for one in _snapshot(wanted, dry_run=True) if one.will_download]
    except Exception as problem:  # of the network or the hub: the reader gets its words
        raise Missing(f"{wanted.repository}: the hub does not list its files ({_words(problem)})") from None
    return len(files), sum(one.file_size or 0 for one in files)


def remove_damaged(wanted: Files) -> list[str]:
    """Remove the files here that are not, by the hub's checksums, what it has at this revision; gives their names.

    The hub's client compares sizes alone when it fetches. Raises what the network and the hub do.
    """
    from huggingface_hub import HfApi

    found = HfApi().verify_repo_checksums(wanted.repository, **wanted.pinned)
    names = [one["path"] for one in found.mismatches]
    for path in (found.verified_path / name for name in names):
        path.resolve().unlink(missing_ok=True)  # what it stands for, which another revision may use, too
        path.unlink(missing_ok=True)
    return names


def offline() -> bool:
    """Whether the hub is not to be asked: HF_HUB_OFFLINE."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def _snapshot(wanted: Files, **options: Any) -> Any:
    from huggingface_hub import snapshot_download

    return snapshot_download(wanted.repository, allow_patterns=list(wanted.patterns), **wanted.pinned, **options)


@functools.cache
def _downloaded(wanted: Files) -> tuple[Path | None, str]:
    """A repository's folder, or why it could not be fetched. Its client retries for minutes: nobody waits twice."""
    try:
        found = Path(_snapshot(wanted))
        if names := remove_damaged(wanted):
            return None, f"{', '.join(names)} came with another checksum than the hub has, and was removed"
    except Exception as problem:  # of the network, the hub or the disk: the reader gets its words
        return None, _words(problem)
    return found, ""


def silence() -> str:
    """Why there is no hub to ask, in words; '' if it answers, whatever it says.

    An answer is kept: that there is a hub, for the session; that there is none, for some minutes, since a slow moment
    must not cost a night.
    """
    if _ASKED and (not _ASKED[-1][1] or time.monotonic() - _ASKED[-1][0] < AGAIN):
        return _ASKED[-1][1]
    from huggingface_hub import HfApi, get_session

    endpoint = HfApi().endpoint
    problem = _within(PATIENCE, lambda: get_session().head(endpoint, timeout=2 * PATIENCE))
    if problem == NO_ANSWER:
        problem = f"{endpoint} does not answer within {PATIENCE:g} seconds; with HF_HUB_OFFLINE=1 it is not asked"
    _ASKED.append((time.monotonic(), problem))
    return problem


@functools.cache
def _problem(wanted: Files) -> str:
    from huggingface_hub import HfApi

    return _within(LONG, lambda: HfApi().repo_info(wanted.repository, **wanted.pinned, timeout=LONG))


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


def newest(repository: str) -> str:
    """The revision that a model's repository is at now, to be pinned. Raises Missing where the hub does not say it."""
    from huggingface_hub import HfApi

    if why := silence():
        raise Missing(f"{repository}: the hub does not say its newest revision ({why}); name a folder that holds it")
    try:
        return str(HfApi().model_info(repository, timeout=LONG).sha)
    except Exception as problem:  # of the network or the hub: the reader gets its words
        raise Missing(f"{repository}: the hub does not say its newest revision ({_words(problem)})") from None
