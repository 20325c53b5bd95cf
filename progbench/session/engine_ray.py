"""The engine `ray`: run commands as tasks of a Ray cluster, a process each. A process that dies is started again.

The cluster is the one that RAY_ADDRESS names, or one that runs on this machine, or else one started for this time.
"""

import contextlib
import io
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from progbench.errors import BadInput
from progbench.session.submitting import LOST, TRIES, RunCommand, here, on_gpu, told, variables

PATIENCE = 5  # seconds, for units that were told to end: Ray does not say when they have, and ends their processes


def work(command: RunCommand, given: Mapping[str, str]) -> tuple[int, str]:
    """Run a command in a worker's process; gives its exit code and its lines."""
    os.environ.update(given)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # or a cancel is not heard, where a script started Ray
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = here(command)
    return code, said.getvalue()


def run(commands: Sequence[RunCommand], device: str, threads: int, say: Callable[[str], None]) -> list[int]:
    """Run commands on a cluster, and give their exit codes; `say` is told their lines.

    A command takes a GPU, or `threads` CPUs (at least one). A worker ends after one command, so that its memory is free
    again. Raises BadInput if no cluster answers, and none can be started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing about a run goes to anyone
    import ray

    ours = not ray.is_initialized()
    if ours:
        before = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(log_to_driver=False, logging_level="warning")
        except OSError as problem:
            hint = "RAY_ADDRESS names the cluster; RAY_TMPDIR names the folder of one that is started here"
            raise BadInput(f"--engine ray: {str(problem).strip().splitlines()[0]} ({hint})") from None
        signal.signal(signal.SIGTERM, before)  # Ray's own ends this process without a word
    try:
        if on_gpu(device) and not ray.cluster_resources().get("GPU"):
            say("the Ray cluster has no GPU now: the units wait until it has one")
        gpus, cpus = int(on_gpu(device)), max(1, threads)
        task = ray.remote(num_gpus=gpus, num_cpus=cpus, max_retries=TRIES - 1, max_calls=1)(work)
        asked = {task.remote(command, variables()): command for command in commands}
        return _waited(asked, say)
    finally:
        if ours:
            ray.shutdown()


def _waited(asked: Mapping, say: Callable[[str], None]) -> list[int]:
    import ray

    codes: dict[RunCommand, int] = {}
    left = list(asked)
    try:
        while left:
            (done,), left = ray.wait(left)
            command = asked[done]
            try:
                codes[command], words = ray.get(done)
            except ray.exceptions.RayError as problem:
                codes[command], words = LOST, str(problem).strip().splitlines()[0]
            for line in (*words.splitlines(), told(command, codes[command])):
                say(line)
    except BaseException:
        for task in left:
            ray.cancel(task)  # as Ctrl-C in the worker
        time.sleep(PATIENCE if left else 0)
        raise
    return [codes[command] for command in asked.values()]
