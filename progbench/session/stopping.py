"""A session that is told to end ends as by Ctrl-C: with a report of what is done, and no temporary folder left."""

import contextlib
import signal
import threading
from collections.abc import Iterator

# batch systems can be asked for SIGUSR1 or SIGUSR2 before the time is up; a limit of CPU time sends SIGXCPU
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)


@contextlib.contextmanager
def interrupted_when_told() -> Iterator[None]:
    """Turn the first signal to end into a KeyboardInterrupt; further ones do not disturb the report.

    A signal that this process ignores from its start, as under nohup, stays ignored. One that somebody else handles, as
    submitit does to queue a job again, stays theirs. Outside the main thread, which alone has signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in _SIGNALS if signal.getsignal(number) == signal.SIG_DFL]

    def interrupt(number: int, frame: object) -> None:
        for other in ours:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in ours:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
