"""What goes wrong in one of two processes while the other waits for it. Little is imported: each test starts two."""

import os
import signal
import time

import torch


def raises(problem):
    if torch.distributed.get_rank() == 1:
        raise problem
    torch.distributed.barrier()


def is_killed():
    if torch.distributed.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    torch.distributed.barrier()


def waits(folder):
    """Leaves its process's number, and waits longer than any test."""
    (folder / str(os.getpid())).touch()
    time.sleep(300)


def waits_to_go_on(folder):
    """Leaves its process's number, and ends when it is told to."""
    (folder / str(os.getpid())).touch()
    while not (folder / "go on").exists():
        time.sleep(0.05)
    return "went on"


class Odd(Exception):
    """An exception that cannot be made again from its words alone."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")
