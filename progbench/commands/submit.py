"""progbench submit: have an engine train what is missing, on this machine or on many.

Starts `progbench run` for each recipe that lacks results: in processes of this machine, or on a Slurm or a Ray cluster.

example: progbench submit --engine local -m glue --suite smoke
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from progbench import files, places
from progbench.commands import shared
from progbench.errors import BadInput
from progbench.report import printing
from progbench.report.cells import plain
from progbench.session import engine_local, engine_ray, engine_slurm, planning, sharing, stopping, submitting
from progbench.session.suite import Suite

LIBRARIES = {"slurm": "submitit", "ray": "ray"}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=("local", *LIBRARIES), required=True, help="who starts the units")
    shared.add(parser, "--suite", "-m", "--seeds", "--device", "--runs")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="local: units at a time (default: one for each GPU, or each core)"
    )
    parser.add_argument(
        "--slurm", action="append", default=[], metavar="KEY=VALUE", help="slurm: a parameter of submitit; repeatable"
    )


def run(options: argparse.Namespace) -> int:
    """Have what is missing made, saying what comes of each unit.

    The exit code is the worst of the units', 1 where a process died, and 0 where Slurm has them all. Raises BadInput
    where the engine's library is not installed, or the engine is not there.
    """
    if options.engine != "local" and options.workers is not None:
        raise BadInput("--workers is for --engine local")
    if options.engine != "slurm" and options.slurm:
        raise BadInput("--slurm is for --engine slurm")
    if options.workers is not None and options.workers < 1:
        raise BadInput(f"--workers {options.workers}: at least 1")
    if library := LIBRARIES.get(options.engine):
        submitting.require_extra(library, options.engine)
    suite = shared.opened(options)
    found = planning.plan(suite, options.mark)
    for error in found.errors:
        _say(f"an error, not tried again: {error}")
    if training := sum(len(one.training) for one in found.lacks):
        _say(f"{training} runs are being trained by others now, and are left to them")
    commands = submitting.run_commands(suite, found.lacks, options.device)
    if not commands:
        _say(f"nothing to start: {_judge(suite)}")
        return shared.FAILED if found.errors else shared.FINE
    try:
        files.require_room(suite.folder)
    except OSError as problem:
        raise BadInput(f"--runs {suite.folder}: cannot be written: {problem.strerror or problem}") from None
    _say(f"{len(commands)} units with {found.runs} runs are missing in {suite.folder}")
    with stopping.interrupted_when_told():
        try:
            return _made(options, suite, commands)
        except KeyboardInterrupt:
            _say("told to end: what is filed is kept; start the same again for the rest")
            return shared.INTERRUPTED


def _made(options: argparse.Namespace, suite: Suite, commands: Sequence[submitting.RunCommand]) -> int:
    device, threads = suite.maker.device, suite.maker.threads
    if options.engine == "local":
        workers = options.workers or (submitting.on_gpu(device) and len(sharing.gpus())) or sharing.cores()
        codes = engine_local.run(commands, workers, sharing.Shares.here(workers), _say)
    elif options.engine == "ray":
        codes = engine_ray.run(commands, device, threads, _say)
    else:
        logs, given = Path(commands[0].runs) / "slurm", engine_slurm.parameters(options.slurm)
        if given.get("cluster") != "local":
            jobs = engine_slurm.submit(commands, device, logs, given)
            _say(f"submitted as {jobs[0].job_id.partition('_')[0]}: squeue shows the jobs, and {logs} what they say")
            _say(f"when they are done: {_judge(suite)}")
            return shared.FINE
        codes = engine_slurm.on_this_machine(commands, device, logs, given, _say)
    words = Counter(submitting.outcome(code) for code in codes)
    _say(f"{len(commands)} units: {', '.join(f'{count} {what}' for what, count in words.items())}; {_judge(suite)}")
    return submitting.worst(codes)


def _judge(suite: Suite) -> str:
    judge = places.command(["--suite", suite.name, "--runs", suite.folder, "--no-train"])
    return f"{judge} judges what there is"


def _say(line: str) -> None:
    printing.show(plain(line))
