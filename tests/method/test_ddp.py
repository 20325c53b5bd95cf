"""Two processes in DDP on gloo: a stage changes in the middle of a run, and settings that forbid it are refused."""

import os
import socket
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def found(warm):
    """What the first of the two processes printed, by the name of the settings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    shared = os.environ | {"PYTHONPATH": paths, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    done = warm("ddp_run", cwd=HERE, env=shared)
    lines = (line.partition(": ") for line in done.stdout.splitlines())
    return {name: rest for name, _, rest in lines}


@pytest.mark.parametrize("settings", ["default", "checkpointing as told"])
def test_in_ddp_each_stage_updates_what_is_counted(found, settings):
    assert found[settings] == "DistributedDataParallel, True"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("every gradient awaited", "DDP waits for the gradient of every parameter (find_unused_parameters=False)"),
        ("checkpointing", "DDP waits for the gradient of every parameter (find_unused_parameters=False)"),
        ("static graph", "DDP was told static_graph"),
    ],
)
def test_settings_under_which_a_change_of_the_stage_would_die_are_refused_at_the_start(found, settings, problem):
    assert found[settings].startswith(problem)
