"""Generated questions in SQuAD's own files, for the smoke suite: a tiny model learns to find a place's name.

A context is a few clauses, one of which names a place: the answer, sometimes with the word before it, so that exact
match and F1 differ. In v2.0 some contexts name it vaguely, which is no answer. Some are longer than a window.
"""

from __future__ import annotations

import functools
import json
import random
import tempfile
from pathlib import Path

from progbench.files import temporary_folder
from progbench.tasks.squad import SquadTask, squad_tasks
from progbench.tasks.toy import BAD, GOOD, NOUNS, PLACES, SIZES, VAGUE, WRONG_LABELS, clause, cue

UNANSWERABLE = 0.4


def paragraphs(task: SquadTask, file: str, count: int) -> list[dict]:
    """`count` paragraphs of one question each, as SQuAD's JSON has them; the same ones every time."""
    rng = random.Random(f"{task.name}/{file}")
    return [_paragraph(rng, f"{file}/{number}", task.unanswerable) for number in range(count)]


def _paragraph(rng: random.Random, name: str, unanswerable: bool) -> dict:
    who = rng.choice(NOUNS)
    vague = unanswerable and rng.random() < UNANSWERABLE
    place = " ".join([*_adjective(rng, 0.4), cue(rng, VAGUE if vague else PLACES)])
    clauses = [clause(rng, *_adjective(rng, 0.3)) for _ in range(rng.randrange(1, 8))]
    clauses.insert(rng.randrange(len(clauses) + 1), clause(rng, place))
    context = " . ".join(clauses)
    answer = place
    if rng.random() < WRONG_LABELS:  # an annotator's slip
        answer = rng.choice(context.split())
    answers = [] if vague else [{"text": answer, "answer_start": context.index(answer)}]
    question = {"id": name, "question": f"where was {who} ?", "answers": answers}
    return {"context": context, "qas": [question | ({"is_impossible": vague} if unanswerable else {})]}


def _adjective(rng: random.Random, share: float) -> list[str]:
    return [cue(rng, rng.choice((GOOD, BAD)))] if rng.random() < share else []


def write(root: Path) -> None:
    """Write both tasks' files below `root`, under the official names."""
    root.mkdir(parents=True, exist_ok=True)
    for task in squad_tasks().values():
        for file in (task.train, *(name for name, _ in task.evaluate.values())):
            rows = paragraphs(task, file, SIZES["train" if file == task.train else "evaluate"])
            content = {"version": "generated", "data": [{"title": "Generated", "paragraphs": rows}]}
            (root / file).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


_keep: list[tempfile.TemporaryDirectory] = []


@functools.cache
def folder() -> Path:
    """The generated files, written once a process to a folder that goes when the process does."""
    _keep.append(temporary_folder())
    write(Path(_keep[0].name))
    return Path(_keep[0].name)
