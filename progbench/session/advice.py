"""The nearest right command: for an unknown mark or name, and for a machine without a GPU."""

import difflib
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from progbench import environment, places
from progbench.errors import BadInput
from progbench.session import marks, planning
from progbench.session.progress import said
from progbench.session.suite import Suite

_OF_EXPRESSIONS = {"and", "or", "not", "True", "False"}


def require_marks(expression: str, registered: Iterable[str], suite: str) -> None:
    """Raise BadInput for a mark in `-m` that nobody registered: with the nearest right command, or with all marks.

    >>> require_marks("gleu", ["glue: Table 1"], "smoke")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    progbench.errors.BadInput: -m gleu: there is no mark 'gleu'; try ... -m glue --suite smoke
    """
    known = {re.split(r"[:(]", mark)[0].strip() for mark in registered} | set(marks.WORDS)
    without_arguments = re.sub(r"\([^()]*=[^()]*\)", "", expression)
    for name in re.findall(r"[^\W\d]\w*", without_arguments):
        if name not in known | _OF_EXPRESSIONS:
            said = f"-m {expression}: there is no mark {name!r}"
            if not (near := difflib.get_close_matches(name, marks.WORDS, n=1)):
                raise BadInput(f"{said}; there are {', '.join(marks.WORDS)}")
            wanted = re.sub(rf"\b{name}\b", near[0], expression)
            raise BadInput(f"{said}; try {places.command(['-m', wanted, *_of(suite)])}")


def for_keyword(suite: Suite, keyword: str) -> str:
    """What to say to a `-k` that chose nothing: the command with the nearest name, or part of one, if one is near."""
    names = [cell.id for table in suite.tables() for cell in suite.table(table).cells]
    words = {word: None for name in names for word in re.split("[-~]", name)}
    near = difflib.get_close_matches(keyword, [*names, *words], n=1)
    said = f"-k {keyword} chooses none of the {len(names)} cells of the suite {suite.name}"
    return f"{said}; try {places.command(['-k', near[0], *_of(suite.name)])}" if near else said


SMOKE_SECONDS = 3.0  # of a run of the smoke suite on two cores


def without_gpu(suite: Suite, mark: str, runs: Path) -> str:
    """The command that runs here, with its time, if the suite needs a GPU and there is none; else ""."""
    if suite.maker.device != "cuda" or environment.gpu_count() or not suite.filing.train:
        return ""
    chosen = ["-m", mark] if mark else []
    wanted = mark if mark in marks.MARKS else ""
    smoke = Suite("smoke", places.root() / "expected", runs)
    lacking = planning.plan(smoke, wanted)
    if not lacking.runs:
        return ""
    took = said(SMOKE_SECONDS * lacking.runs)
    here = f"no GPU here; {places.command([*chosen, '--suite', 'smoke'])} runs on this machine, in about {took}"
    plan = shlex.join(["progbench", "plan", *(["-m", wanted] if wanted else []), "--suite", "mini"])
    return f"{here}, and on real data mini does: {plan} says in what time"


def _of(suite: str) -> list[str]:
    return [] if suite == "paper" else ["--suite", suite]
