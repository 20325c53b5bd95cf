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
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from progbench import files

PATIENCE = datetime.timedelta(hours=1)  # the others wait for a rank that writes a checkpoint to a slow disk
AFTER = 2.0  # seconds that a rank lives on when it has failed: the launcher then sees first the one that died before
NOTE = 1 << 16  # bytes for what a rank says of its failure, taken before there is one: it may be that the disk is full
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)  # that an older launcher listens to
TOLD = (*SIGNALS, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)  # with which somebody may tell all processes to end
ASKED = "TORCHELASTIC_SIGNALS_TO_HANDLE"  # a variable that the launcher sets


class Died(RuntimeError):
    """One of the processes died, and said nothing."""


def several(work: Callable[..., Any], arguments: tuple, processes: int, device: str) -> Any:
    """Call `work(*arguments)` in so many new processes that are one torch.distributed group; gives what rank 0 gives.

    On a GPU, the process of rank k has the k-th GPU. `work` is a module's function, and all of its arguments can be
    pickled. What it raises in the first process to fail ends the others, and is raised here; where a process dies
    without a word, that is Died. When this process is interrupted, or dies, the others end. They hear no signals: a
    terminal, or a cluster, sends them to all, and it is this process that decides.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with (
        files.temporary_folder() as folder,
        _temporary(folder),
        _signals_given_back(),
        _quiet(),
        _nobody_left(),
        _deaf_children(),
    ):
        for rank in range(processes):
            _note_of(folder, rank).write_bytes(bytes(NOTE))
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=processes, max_restarts=0, start_method="spawn",
            run_id=uuid.uuid4().hex, rdzv_backend="c10d", rdzv_endpoint="localhost:0", local_addr="localhost",
            # the others would say all that rank 0 says once more
            logs_specs=DefaultLogsSpecs(log_dir=folder, redirects=dict.fromkeys(range(1, processes), Std.ALL)),
            # signals are the session's, or an engine's, and stay so
            **({"signals_to_handle": ""} if hasattr(LaunchConfig, "signals_to_handle") else {}),
        )  # fmt: skip
        try:
            return pickle.loads(elastic_launch(config, _as_rank)(work, arguments, device, folder)[0])
        except ChildFailedError as problem:
            codes = {rank: failure.exitcode for rank, failure in problem.failures.items()}
            raise _first(folder, codes, processes) from None
        except SignalException as told:
            raise KeyboardInterrupt(told.sigval.name) from None


def _as_rank(work: Callable[..., Any], arguments: tuple, device: str, folder: str) -> bytes:
    """What the work gives, pickled: torch would hand over tensors in memory that goes with this process."""
    tempfile.tempdir = folder
    tqdm.set_lock(threading.RLock())  # its own is a semaphore, which stays behind when this process is ended
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(signal, "sigwaitinfo"):  # macOS has none
        threading.Thread(target=_end_when_told_by, args=(os.getppid(),), daemon=True).start()
    else:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)
    try:
        if device.startswith("cuda"):
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
        torch.distributed.init_process_group(backend, timeout=PATIENCE)
        found = pickle.dumps(work(*arguments))
    except Exception as problem:
        _leave(_note_of(folder, int(os.environ["RANK"])), problem)
        time.sleep(AFTER)
        os._exit(1)  # an orderly end may wait for ranks that wait for this one
    torch.distributed.destroy_process_group()
    return found


def _end_with_parent() -> None:
    """A process whose parent was killed would train on, with nobody to file what it makes."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _end_when_told_by(parent: int) -> None:
    """These signals are blocked in all threads, so that they come here. The parent's end this process."""
    while signal.sigwaitinfo(TOLD).si_pid != parent:
        pass
    os._exit(1)


def _note_of(folder: str, rank: int) -> Path:
    return Path(folder) / f"{rank}.problem"


def _leave(note: Path, problem: Exception) -> None:
    """Leave what went wrong for who started this, in place of the note's first bytes."""
    try:
        text = pickle.dumps(problem)
        pickle.loads(text)
    except Exception:  # an exception that cannot be pickled, or not be made again
        text = b""
    if not 0 < len(text) < NOTE:
        text = pickle.dumps(RuntimeError(f"{type(problem).__name__}: {problem}"[: NOTE // 8]))
    with note.open("r+b") as file:
        file.write(text)


def _first(folder: str, exit_codes: Mapping[int, int], processes: int) -> Exception:
    """What went wrong first, by what ranks have left and their exit codes; those that lost a partner fail after it."""
    notes = {rank: note for rank in exit_codes if (note := _note_of(folder, rank)).read_bytes().strip(b"\0")}
    dead = [rank for rank, code in exit_codes.items() if rank not in notes and code != -signal.SIGTERM]
    if notes and not dead:
        return pickle.loads(min(notes.values(), key=lambda note: note.stat().st_mtime_ns).read_bytes())
    rank = min(dead or exit_codes)
    code = exit_codes[rank]
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    why = ", as a system sends it when memory is short" if code == -signal.SIGKILL else ""
    return Died(f"process {rank + 1} of {processes} died ({how}{why})")


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
    """An older launcher has handlers of its own in the main thread, and leaves them; a newer one leaves a variable."""
    before, variable = {number: signal.getsignal(number) for number in SIGNALS}, os.environ.get(ASKED)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if handler is not None and signal.getsignal(number) != signal.SIG_IGN:
                    signal.signal(number, handler)
        os.environ.pop(ASKED, None)
        if variable is not None:
            os.environ[ASKED] = variable


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """What is started meanwhile begins with these signals blocked. This process hears them, by another thread."""
    done = threading.Event()
    threading.Thread(target=done.wait, daemon=True).start()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TOLD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        done.set()


@contextlib.contextmanager
def _nobody_left() -> Iterator[None]:
    """Kill what was started and still runs, as when an interrupt comes while it is being started or ended."""
    before = set(multiprocessing.active_children())
    try:
        yield
    finally:
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
            process.join()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The launcher logs what is raised here anyway; this process only waits meanwhile, and has nothing else to log."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
