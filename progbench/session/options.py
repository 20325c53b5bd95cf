"""A session's options, checked before anything is collected, trained or read."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from progbench import environment, files, kinds
from progbench.errors import BadInput
from progbench.recipes import reading
from progbench.session import reference, tracking
from progbench.session.suite import Suite

FOLDERS = ("GLUE_DIR", "SQUAD_DIR", "PROGBENCH_MODELS")


def opened(
    name: str,
    runs: Path,
    root: Path,
    *,
    report: Path | None = None,
    seeds: int | Sequence[int] | None = None,
    require_gpu: bool = False,
    update_reference: bool = False,
    log_to: str = "",
    worker: bool = False,
    **of_suite: Any,
) -> Suite:
    """The suite `name` of a session in the checkout at `root`, judged by the results in `runs`.

    >>> opened("smoke", Path("runs"), Path("."), seeds=0)
    Traceback (most recent call last):
    ...
    progbench.errors.BadInput: --seeds 0: at least 1

    `seeds` are a number of them or the seeds themselves, None for the suite's own. `device`, `train` and `session` are
    as `Suite` has them. `require_gpu` refuses a machine without one, `update_reference` is for runs that become our
    reference, and `log_to` is the tracker that runs are sent to. A `worker` of a session does not look at git, which
    its starter has done. Raises BadInput for options, variables or settings that no session can start with.
    """
    for variable in FOLDERS:
        if (folder := os.environ.get(variable)) and not files.is_folder(Path(folder), f"{variable}: "):
            raise BadInput(f"{variable} is set to {folder}, which is not a folder")
    if name not in (known := reading.suites()):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f": did you mean --suite {near[0]}?" if near else "; --include DIR adds those of your own folder"
        raise BadInput(f"--suite {name}: no such suite; there are {', '.join(known)}{hint}")
    if isinstance(seeds, int) and seeds < 1:
        raise BadInput(f"--seeds {seeds}: at least 1")
    if isinstance(seeds, int) and seeds > reading.MOST_SEEDS:  # each is looked up in each recipe: it would hang
        raise BadInput(f"--seeds {kinds.shown(seeds)}: at most {reading.MOST_SEEDS:,}")
    if require_gpu and not environment.gpu_count():
        raise BadInput("--require-gpu: the CUDA driver shows this process no GPU")
    if update_reference:
        if name == "paper":
            raise BadInput("--update-reference: the paper's numbers are the paper's; only own suites have one")
        if not worker:
            reference.refuse_dirty_tree(root, "--update-reference: ")
        seeds = seeds or reference.REFERENCE_SEEDS
    for option, folder in (("--runs", runs), ("--report", report)):
        if folder and not files.is_folder(folder, f"{option} ") and os.path.lexists(folder):
            raise BadInput(f"{option} {folder}: not a folder")
    if report and not worker:
        try:
            files.require_room(report)  # now, and not after hours
        except OSError as problem:
            raise BadInput(f"--report {report}: cannot be written: {problem.strerror or problem}") from None
    suite = Suite(name, reading.home(name, root) / "expected", runs, seeds=seeds or 0, **of_suite)
    suite.maker.send = tracking.tracker(log_to, runs / "logs")
    return suite
