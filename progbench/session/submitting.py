"""What is missing of a suite as run commands: each is one start of `progbench run`, by an engine.

A command does not train what is on file, and waits for what another process trains. So it may be lost or started twice,
by whatever engine, and the results are the same.
"""

import importlib.util
import os
import runpy
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from progbench import environment, places
from progbench.errors import BadInput
from progbench.session.planning import Lack
from progbench.session.suite import Suite

TRIES = 3  # starts of a unit whose process dies each time
TOLD_TO_END = 130
CODES = {0: "done", 1: "an error", 2: "bad input", 3: "missing", TOLD_TO_END: "told to end"}  # of `progbench run`
LOST = -1  # in the place of an exit code: the process died, and was not started again


@dataclass(frozen=True)
class RunCommand:
    """One recipe with the seeds that it lacks, and the folder of their results: what one process makes.

    >>> print(RunCommand("tiny-bert-constant-rte", (0, 2), "smoke", Path("/runs")))
    tiny-bert-constant-rte, seeds 0,2
    >>> " ".join(RunCommand("tiny-bert-constant-rte", (0, 2), "smoke", Path("/runs"), "cpu").arguments())
    'run tiny-bert-constant-rte --suite smoke --seeds 0,2 --runs /runs --device cpu'
    """

    recipe: str
    seeds: tuple[int, ...]
    suite: str
    runs: Path
    device: str = ""

    def arguments(self) -> list[str]:
        """The arguments of the command `progbench`."""
        device = ["--device", self.device] if self.device else []
        seeds = ",".join(map(str, self.seeds))
        return ["run", self.recipe, "--suite", self.suite, "--seeds", seeds, "--runs", str(self.runs), *device]

    def argv(self) -> list[str]:
        """The words that start the command as a process of its own."""
        return [sys.executable, "-m", "progbench", *self.arguments()]

    def __str__(self) -> str:
        return f"{self.recipe}, seed{'s' * (len(self.seeds) > 1)} {','.join(map(str, self.seeds))}"


def run_commands(suite: Suite, lacks: Iterable[Lack], device: str = "") -> list[RunCommand]:
    """The commands for what is missing and nobody trains now, the longest first, so that none keeps the others waiting.

    Each trains a recipe by itself, so none is spared an epoch that another schedule's run trains, too. `device` is the
    one that was asked for; without it each command takes the suite's own.
    """
    longest = sorted(lacks, key=lambda lack: replace(lack, spared=0.0).seconds or 0, reverse=True)
    runs = suite.folder.absolute()
    return [RunCommand(lack.recipe.id, lack.seeds, suite.name, runs, device) for lack in longest if lack.seeds]


def on_gpu(device: str) -> bool:
    """Whether a command for this device ("cpu", "cuda", "auto") gets a GPU."""
    return device == "cuda" or (device == "auto" and environment.gpu_count() > 0)


def here(command: RunCommand) -> int:
    """Run the command in this process, which an engine started for it alone; gives its exit code.

    Raises SystemExit if an engine ends the process meanwhile, as submitit does when a job has to leave.
    """
    sys.argv = ["progbench", *command.arguments()]
    try:
        runpy.run_module("progbench", run_name="__main__")
    except SystemExit as end:
        if end.code in CODES:
            return end.code
        raise
    return 0


def require_extra(module: str, extra: str) -> None:
    """Raise BadInput, with the command that installs it, if an engine's library is not there."""
    if importlib.util.find_spec(module) is None:
        raise BadInput(f"--engine {extra} needs {module}: pip install 'progbench[{extra}]'")


def worst(codes: Sequence[int]) -> int:
    """The exit code for all commands: an error (1) before what is missing (3), and 0 if every one is fine.

    >>> worst([0, 3, LOST]), worst([0, 3]), worst([])
    (1, 3, 0)
    """
    kinds = {code if code in (0, 3) else 1 for code in codes}
    return next((code for code in (1, 3) if code in kinds), 0)


def told(command: RunCommand, code: int) -> str:
    """What became of a command, for a person.

    >>> told(RunCommand("tiny-bert-constant-rte", (0,), "smoke", Path("/runs")), 3)
    'tiny-bert-constant-rte, seed 0: missing'
    """
    return f"{command}: {outcome(code)}"


def outcome(code: int) -> str:
    """An exit code in words."""
    return (CODES | {LOST: "its process died"}).get(code, f"exit code {code}")


def variables() -> dict[str, str]:
    """The variables of this process that one on another machine needs: where data and weights are. No secrets."""
    ours = ("GLUE_DIR", "SQUAD_DIR", "PROGBENCH_MODELS", places.VARIABLE, "HF_")
    return {name: value for name, value in os.environ.items() if name.startswith(ours) and "TOKEN" not in name}
