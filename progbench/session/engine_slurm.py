"""The engine `slurm`: run commands as an array of Slurm jobs, by submitit. A preempted job is queued again.

With the parameter cluster=local, submitit starts the same jobs on this machine without Slurm, one after the other.
"""

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from progbench.errors import BadInput
from progbench.session.submitting import LOST, RunCommand, here, on_gpu, told

# submitit's own are five minutes, and three times: a unit has checkpoints, and goes on where it was
# a cluster may queue only those jobs again that ask for it
DEFAULTS = {"name": "progbench", "timeout_min": 240, "slurm_additional_parameters": {"requeue": True}}
MOST_TIMEOUTS = 100
# submitit's parameters that are not Slurm's alone, and which of its executors is meant
SHARED = "cluster name timeout_min mem_gb nodes cpus_per_task gpus_per_node tasks_per_node stderr_to_stdout".split()


class Task:
    """A run command as submitit starts it, and starts it again."""

    def __call__(self, command: RunCommand) -> int:
        _end_where_queuing_again_fails()
        code = here(command)
        if code and os.environ["SUBMITIT_EXECUTOR"] == "slurm":
            sys.exit(code)  # or Slurm would call the job completed
        return code

    def checkpoint(self, command: RunCommand) -> Any:
        """The job queued in place of one that has to leave: the same command, which trains what is missing."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, command)


def _end_where_queuing_again_fails() -> None:
    """Make the command end if submitit cannot queue its job again: an exception would count as an error of its run.

    Queuing fails if Slurm refuses, or ends `scontrol`, which asks it, with the job's other processes.
    """
    import submitit

    number = signal.Signals[f"SIG{submitit.JobEnvironment.USR_SIG}"]
    queue_again = signal.getsignal(number)

    def leave(_: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        try:
            queue_again(number, frame)
        except Exception as problem:
            why = f"{number.name}, and it could not queue its job again: {_first_line(problem)}"
            raise KeyboardInterrupt(why) from None

    signal.signal(number, leave)


def parameters(given: Sequence[str]) -> dict[str, Any]:
    """submitit's parameters from a command line's texts; those of Slurm alone need no `slurm_`.

    >>> parameters(["partition=gpu", "timeout_min=60", "slurm_gres=gpu:1"])
    {'slurm_partition': 'gpu', 'timeout_min': 60, 'slurm_gres': 'gpu:1'}

    Raises BadInput for a text that is not key=value, and for a time that is not in minutes.
    """
    settings: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name.isidentifier() or not equals:
            raise BadInput(f"--slurm {text}: wanted is key=value, such as partition=gpu or timeout_min=60")
        if name in ("time", "slurm_time") and not value.isdecimal():  # submitit reckons with it
            raise BadInput(f"--slurm {text}: wanted are minutes, such as time=240")
        key = name if name in SHARED or name.startswith("slurm_") else f"slurm_{name}"
        settings[key] = {"true": True, "false": False}.get(value.lower(), int(value) if value.isdecimal() else value)
    return settings


def submit(commands: Sequence[RunCommand], device: str, logs: Path, given: Mapping[str, Any]) -> list[Any]:
    """Hand run commands to Slurm, and give submitit's jobs; their output goes to files in the folder `logs`.

    Raises BadInput if there is no Slurm here, or if it refuses the jobs.
    """
    import submitit

    asked = DEFAULTS | dict(given)
    if on_gpu(device) and not asked.keys() & {"gpus_per_node", "slurm_gres", "slurm_gpus_per_task"}:
        asked["gpus_per_node"] = 1
    if "slurm_time" in asked:
        del asked["timeout_min"]
    cluster = asked.pop("cluster", "slurm")
    try:
        # the signal to leave would end a process that has not come to its handler yet, and its job would have failed
        ignoring = f"""trap "" {submitit.JobEnvironment.USR_SIG}; exec "$0" "$@\""""
        start = f"sh -c {shlex.quote(ignoring)} {shlex.quote(sys.executable)}"
        executor = submitit.AutoExecutor(logs, cluster=cluster, slurm_max_num_timeout=MOST_TIMEOUTS, slurm_python=start)
        executor.update_parameters(**asked)
        return executor.map_array(Task(), commands)
    except (AssertionError, NameError, RuntimeError, ValueError, submitit.core.utils.FailedJobError) as problem:
        raise BadInput(f"--engine slurm: {_first_line(problem)}") from None


def on_this_machine(
    commands: Sequence[RunCommand], device: str, logs: Path, given: Mapping[str, Any], say: Callable
) -> list[int]:
    """Run commands one after the other by submitit's local executor, and give their exit codes.

    An interrupt of this process is handed on: the running command is told to end, and waited for.
    """
    codes = []
    for command in commands:
        # let it hear Ctrl-C, even if this process ignores it, as one started by `&` does
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            (job,) = submit([command], device, logs, given)
        finally:
            signal.signal(signal.SIGINT, before)
        try:
            _wait(job)
        except BaseException:
            job.cancel()  # as Ctrl-C would end it; submitit kills what has not ended a second later
            _wait(job)
            raise
        code = LOST
        if job.paths.result_pickle.exists():  # or submitit would wait for it
            try:
                code = job.result()
            except Exception as problem:  # whatever the job raised
                say(f"{command}: {_first_line(problem)}")
        say(told(command, code))
        codes.append(code)
    return codes


def _wait(job: Any) -> None:
    while not job.done():
        time.sleep(0.1)


def _first_line(problem: BaseException) -> str:
    return next((line for line in str(problem).splitlines() if line.strip()), type(problem).__name__)
