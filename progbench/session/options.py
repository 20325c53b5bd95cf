"""A session's options, checked before anything is collected, trained or read."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from progbench import environment, kinds
from progbench.errors import BadInput
from progbench.files import is_folder, require_room
from progbench.recipes import reading
from progbench.recipes.reading import MOST_SEEDS
from progbench.session import reference, tracking
from progbench.session.suite import Suite

FOLDERS = ("GLUE_DIR", "SQUAD_DIR", "PROGBENCH_MODELS")


@dataclass(frozen=True)
class Asked:
    """A session's options: `suite` is judged by the results in `runs`, and its report written to `report`, if given.

    `seeds` are a number of them or the seeds themselves; `seeds` and `device` are the suite's own where they are None
    and "". With `train=False` nothing is trained.
    `require_gpu` refuses a machine without one; `update_reference` records the session's runs as our own reference.
    `session` names the session, where it has several processes; `log_to` the tracker that its runs are sent to.
    """

    suite: str
    runs: Path
    report: Path | None = None
    seeds: int | Sequence[int] | None = None
    device: str = ""
    train: bool = True
    require_gpu: bool = False
    update_reference: bool = False
    session: str = ""
    log_to: str = ""


def opened(asked: Asked, root: Path, *, worker: bool = False) -> Suite:
    """The suite of a session in the checkout at `root`; a `worker` does not look at git, which its starter has done.

    >>> opened(Asked("smoke", Path("runs"), seeds=0), Path("."))
    Traceback (most recent call last):
    ...
    progbench.errors.BadInput: --seeds 0: at least 1

    Raises BadInput for options, variables or settings that no session can start with.
    """
    for variable in FOLDERS:
        if (folder := os.environ.get(variable)) and not is_folder(Path(folder), f"{variable}: "):
            raise BadInput(f"{variable} is set to {folder}, which is not a folder")
    if asked.suite not in (known := reading.suites()):
        near = difflib.get_close_matches(asked.suite, known, n=1)
        raise BadInput(
            f"--suite {asked.suite}: no such suite; there are {', '.join(known)}"
            + (f": did you mean --suite {near[0]}?" if near else "; --include DIR adds those of your own folder")
        )
    if isinstance(asked.seeds, int) and asked.seeds < 1:
        raise BadInput(f"--seeds {asked.seeds}: at least 1")
    if isinstance(asked.seeds, int) and asked.seeds > MOST_SEEDS:  # each is looked up in each recipe: it would hang
        raise BadInput(f"--seeds {kinds.shown(asked.seeds)}: at most {MOST_SEEDS:,}")
    if asked.require_gpu and not environment.gpu_count():
        raise BadInput("--require-gpu: the CUDA driver shows this process no GPU")
    seeds = asked.seeds or 0
    if asked.update_reference:
        _require_referable(asked.suite, root, worker)
        seeds = seeds or reference.REFERENCE_SEEDS
    for option, folder in (("--runs", asked.runs), ("--report", asked.report)):
        if folder and not is_folder(folder, f"{option} ") and os.path.lexists(folder):
            raise BadInput(f"{option} {folder}: not a folder")
    if asked.report and not worker:
        try:
            require_room(asked.report)  # now, and not after hours
        except OSError as problem:
            raise BadInput(f"--report {asked.report}: cannot be written: {problem.strerror or problem}") from None
    send = tracking.tracker(asked.log_to, asked.runs / "logs")
    suite = Suite(
        asked.suite,
        reading.home(asked.suite, root) / "expected",
        asked.runs,
        seeds=seeds,
        device=asked.device,
        train=asked.train,
        session=asked.session,
    )
    suite.maker.send = send
    return suite


def _require_referable(suite: str, root: Path, worker: bool) -> None:
    if suite == "paper":
        raise BadInput("--update-reference: the paper's numbers are the paper's; only own suites have one")
    if not worker:
        try:
            reference.refuse_dirty_tree(root)
        except BadInput as problem:
            raise BadInput(f"--update-reference: {problem}") from None
