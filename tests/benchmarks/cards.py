"""A plugin for sessions on a machine that seems to have two GPUs: it notes which one each process has, and when."""

import os
import sys
from pathlib import Path

from progbench import environment

environment.gpu_count = lambda: 2


def pytest_sessionstart(session):
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    torch = "with" if "torch" in sys.modules else "without"
    with Path(os.environ["CARDS"]).open("a") as file:
        file.write(f"{worker} {os.environ['CUDA_VISIBLE_DEVICES']} {torch} torch\n")
