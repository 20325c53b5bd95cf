"""One run in several processes of this machine, started and watched by torchrun's launcher."""

from __future__ import annotations

import contextlib
import datetime
import logging
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from progbench import files

PATIENCE = datetime.timedelta(hours=1)  # for a rank that writes a checkpoint to a slow disk; one that died is noticed
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)  # that the launcher listens to
LOUD = ("torch.distributed.elastic", "torch.multiprocessing")  # they log what is raised here anyway


def several(work: Callable[..., Any], arguments: tuple, processes: int, device: str) -> Any:
    """Call `work(*arguments)` in so many new processes that are one torch.distributed group; gives what rank 0 gives.

    On a GPU, the process of rank k has the k-th GPU. `work` is a module's function, and all of its arguments can be
    pickled. What it raises in the first process to fail ends the others, and is raised here; a process that dies
    without a word is a RuntimeError. When this process is interrupted, or dies, the others end.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with files.temporary_folder() as folder, _temporary(folder), _signals_given_back(), _quiet():
        heard = {"signals_to_handle": ",".join(one.name for one in SIGNALS if signal.getsignal(one) != signal.SIG_IGN)}
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=processes, max_restarts=0, start_method="spawn",
            run_id=uuid.uuid4().hex, rdzv_backend="c10d", rdzv_endpoint="localhost:0", local_addr="localhost",
            # the others would say all that rank 0 says once more
            logs_specs=DefaultLogsSpecs(log_dir=folder, redirects=dict.fromkeys(range(1, processes), Std.ALL)),
            **(heard if hasattr(LaunchConfig, "signals_to_handle") else {}),  # an older torch hears all of them
        )  # fmt: skip
        try:
            return pickle.loads(elastic_launch(config, _as_rank)(work, arguments, device, folder)[0])
        except ChildFailedError as problem:
            codes = {rank: failure.exitcode for rank, failure in problem.failures.items()}
            raise _first(Path(folder), codes) from None
        except SignalException as told:
            raise KeyboardInterrupt(told.sigval.name) from None


def _as_rank(work: Callable[..., Any], arguments: tuple, device: str, folder: str) -> bytes:
    """What the work gives, pickled: torch would hand over tensors in memory that goes with this process."""
    tempfile.tempdir = folder
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
    try:
        torch.distributed.init_process_group(backend, timeout=PATIENCE)
        found = pickle.dumps(work(*arguments))
    except Exception as problem:
        _note(Path(folder), problem)
        raise
    torch.distributed.destroy_process_group()
    return found


def _end_with_parent() -> None:
    """A process whose parent was killed would train on, with nobody to file what it makes."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _note(folder: Path, problem: Exception) -> None:
    """Leave what went wrong for the parent: as soon as this process has ended, the others fail, too."""
    try:
        text = pickle.dumps(problem)
        pickle.loads(text)
    except Exception:  # an exception that cannot be pickled, or not be made again
        text = pickle.dumps(RuntimeError(f"{type(problem).__name__}: {problem}"))
    with files.aside(folder / f"{os.environ['RANK']}.problem") as written:  # a rank may be ended while it writes
        written.write_bytes(text)
        written.replace(folder / f"{os.environ['RANK']}.problem")


def _first(folder: Path, exit_codes: Mapping[int, int]) -> Exception:
    """What went wrong first, by what ranks have left and their exit codes; those that lost a partner fail after it."""
    left = sorted(folder.glob("*.problem"), key=lambda path: path.stat().st_mtime_ns)
    words = {int(path.stem) for path in left}
    dead = [rank for rank, code in exit_codes.items() if rank not in words and code != -signal.SIGTERM]
    if left and not dead:
        return pickle.loads(left[0].read_bytes())
    rank = min(dead or exit_codes)
    code = exit_codes[rank]
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return RuntimeError(f"process {rank + 1} of those that trained it together died ({how})")


@contextlib.contextmanager
def _temporary(folder: str) -> Iterator[None]:
    """Have whatever the launcher leaves lie in a folder that goes."""
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextlib.contextmanager
def _signals_given_back() -> Iterator[None]:
    """The launcher sets handlers of its own in the main thread, and leaves them."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in LOUD}
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
