"""A text on standard output, whatever that can show and whether or not there is room."""

import contextlib
import os
import sys

from progbench.errors import BadInput


def show(text: str) -> None:
    """Print, with what the terminal's encoding has no sign for spelled out. Raises BadInput where there is no room.

    >>> show("88.4 points")
    88.4 points

    Whoever reads may have stopped: then the rest goes nowhere, without a word.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:
        _give_up_output()
    except OSError as problem:
        _give_up_output()
        raise BadInput(f"the output cannot be written: {problem.strerror or problem}") from None


def _give_up_output() -> None:
    """Let what is left of the output go nowhere: Python tries to write it again when it ends, and would complain."""
    with contextlib.suppress(OSError, ValueError):  # no file, in a test
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
