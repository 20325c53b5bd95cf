"""A session that is told to end, ends as by Ctrl-C: with a report of what is done, and no temporary folder left."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextlib.contextmanager
def interrupted_when_told() -> Iterator[None]:
    """Make the first signal to end a KeyboardInterrupt; further ones do not disturb the report.

    Signals that this process was started to ignore, as by nohup, stay ignored. Outside the main thread, which alone
    has signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def interrupt(number: int, frame: object) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number, handler in before.items():
        if handler == signal.SIG_DFL:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # it was not set from Python, and cannot be
                signal.signal(number, handler)
