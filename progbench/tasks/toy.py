"""The embedded default: small generated files in GLUE's and SQuAD's own layouts, so that smoke needs nothing else.

Each of GLUE's tasks has a cue that a tiny model can learn in a hundred steps. Rare words and wrong labels keep a right
trainer below 100: a reference at the ceiling could not see a worse trainer. In SQuAD's, it learns to find a place's
name: a context is a few clauses, one of which names a place, the answer, sometimes with the word before it, so that
exact match and F1 differ. In v2.0 some contexts name it vaguely, which is no answer. Some are longer than a window.
"""

from __future__ import annotations

import functools
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from progbench.files import temporary_folder
from progbench.tasks.glue import GlueTask, glue_tasks
from progbench.tasks.squad import SquadTask, squad_tasks

SIZES = {"train": 400, "evaluate": 250}
WRONG_LABELS = 0.06
UNANSWERABLE = 0.4

NOUNS = "fox dog cat bird horse farmer teacher child sailor baker river garden house boat road".split()
VERBS = "sees follows finds likes helps meets hears paints".split()
WRONG_VERBS = "see follow find like help meet hear paint".split()
GOOD = "lovely brilliant warm charming superb tender witty radiant".split()
BAD = "dull dreadful cold tiresome awful clumsy stale grim".split()
SAME = "again likewise also too similarly equally alike thus".split()
OTHER = "instead rather never otherwise unlike hardly contrary differently".split()
PLACES = "Paris Oslo Cairo Lima Quito Delhi Dakar Hanoi".split()
VAGUE = "somewhere someday somehow nobody whatever unclear unknown elsewhere".split()
NEGATIVE = "not no cannot nowhere nothing neither nor none".split()
UNSURE = "perhaps maybe possibly probably supposedly apparently seemingly might".split()
FUNCTION_WORDS = 'the a is was film in and where ? . , " NA'.split()

_GROUPS = (NOUNS, VERBS, WRONG_VERBS, GOOD, BAD, SAME, OTHER, PLACES, VAGUE, NEGATIVE, UNSURE, FUNCTION_WORDS)
WORDS = sorted({word.lower() for group in _GROUPS for word in group})


def clause(rng: random.Random, *extra: str, verbs: Sequence[str] = VERBS) -> str:
    words = [rng.choice(NOUNS), rng.choice(verbs), rng.choice(NOUNS)]
    for word in extra:
        words.insert(rng.randrange(len(words) + 1), word)
    return " ".join(words)


def lengthened(rng: random.Random, texts: list[str]) -> list[str]:
    """The texts, with up to three words that say nothing after the last: real texts, too, are of different lengths."""
    return [*texts[:-1], " ".join([texts[-1], *rng.choices(("the", "a"), k=rng.randrange(4))])]


def cue(rng: random.Random, words: Sequence[str]) -> str:
    """One of the words, the k-th with weight 1/k^2: some are met so rarely that not every run learns them."""
    return rng.choices(words, weights=[1 / k**2 for k in range(1, len(words) + 1)])[0]


def _cued(*cues: Sequence[str]) -> Callable[[random.Random, int], list[str]]:
    """Pairs of clauses whose second holds a word from its class's list."""
    return lambda rng, label: [clause(rng), clause(rng, cue(rng, cues[label]))]


def _question(rng: random.Random, label: int) -> list[str]:
    noun, answer = rng.choice(NOUNS), cue(rng, (PLACES, VAGUE)[label])
    return [f"where is {noun} ?", f'{noun} was " in " {answer}']


def _review(rng: random.Random, label: int) -> list[str]:
    mostly, once = (GOOD, BAD) if label else (BAD, GOOD)
    words = [cue(rng, mostly), cue(rng, mostly), cue(rng, once)]
    rng.shuffle(words)
    return [f"{words[0]} , {words[1]} and {words[2]}"]


_TEXTS: dict[str, Callable[[random.Random, int], list[str]]] = {
    "cola": lambda rng, label: [clause(rng, verbs=[cue(rng, (WRONG_VERBS, VERBS)[label])])],
    "mnli": _cued(SAME, UNSURE, NEGATIVE),
    "mrpc": _cued(OTHER, SAME),
    "qnli": _question,
    "qqp": _cued(OTHER, SAME),
    "rte": _cued(SAME, NEGATIVE),
    "sst2": _review,
}


def _similar(rng: random.Random) -> tuple[list[str], float]:
    """Two clauses and a score: of four marking words, as many mean "the same" as the score says, give or take."""
    same = rng.randrange(5)
    marks = [cue(rng, SAME) for _ in range(same)] + [cue(rng, OTHER) for _ in range(4 - same)]
    return [clause(rng), clause(rng, *marks)], min(5.0, max(0.0, 1.25 * same + rng.gauss(0, 0.4)))


def rows(task: GlueTask, file: str, count: int) -> list[tuple[list[str], str]]:
    """`count` examples as (texts, label as written in the file); the same ones every time.

    >>> rows(glue_tasks()["sst2"], "dev.tsv", 1)
    [(['dull , dull and brilliant the'], '0')]
    """
    rng = random.Random(f"{task.name}/{file}")
    examples: list[tuple[list[str], str]] = []
    for number in range(count):
        if not task.labels:
            texts, score = _similar(rng)
            examples.append((lengthened(rng, texts), f"{score:.3f}"))
            continue
        label = number % len(task.labels)
        texts = _TEXTS[task.name](rng, label)
        written = rng.randrange(len(task.labels)) if rng.random() < WRONG_LABELS else label
        examples.append((lengthened(rng, texts), task.labels[written]))
    rng.shuffle(examples)
    return examples


def write(root: Path) -> None:
    """Write the files of every task of GLUE below `root` in its layout."""
    for task in glue_tasks().values():
        (root / task.folder).mkdir(parents=True)
        for file in (task.train, *(name for name, _ in task.evaluate.values())):
            lines = [] if task.no_header else ["\t".join(task.columns)]
            for texts, label in rows(task, file, SIZES["train" if file == task.train else "evaluate"]):
                row = dict(zip(task.text, texts, strict=True)) | {task.label: label}
                lines.append("\t".join(row.get(column, "") for column in task.columns))
            (root / task.folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


def paragraphs(task: SquadTask, file: str, count: int) -> list[dict]:
    """`count` paragraphs of one question each, as SQuAD's JSON has them; the same ones every time.

    >>> paragraphs(squad_tasks()["squad1"], "dev-v1.1.json", 1)[0]["qas"][0]["answers"]
    [{'text': 'Quito', 'answer_start': 28}]
    """
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


def write_squad(root: Path) -> None:
    """Write the files of both of SQuAD's tasks below `root`, under the official names."""
    root.mkdir(parents=True, exist_ok=True)
    for task in squad_tasks().values():
        for file in (task.train, *(name for name, _ in task.evaluate.values())):
            rows = paragraphs(task, file, SIZES["train" if file == task.train else "evaluate"])
            content = {"version": "generated", "data": [{"title": "Generated", "paragraphs": rows}]}
            (root / file).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


_KEPT: list[tempfile.TemporaryDirectory] = []


@functools.cache
def folder(written: Callable[[Path], None]) -> Path:
    """The files that `write` or `write_squad` writes, once a process, to a folder that goes when the process does."""
    _KEPT.append(temporary_folder())
    root = Path(_KEPT[-1].name)
    written(root)
    return root
