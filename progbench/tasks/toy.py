"""The embedded default: small generated GLUE files, in GLUE's own layout, so that smoke needs nothing else.

Each task has a cue that a tiny model can learn in a hundred steps. Rare words and wrong labels keep a right trainer
below 100: a reference at the ceiling could not see a worse trainer.
"""

from __future__ import annotations

import functools
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from progbench.files import temporary_folder
from progbench.tasks.glue import GlueTask, glue_tasks

SIZES = {"train": 400, "evaluate": 250}
WRONG_LABELS = 0.06

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

WORDS = sorted(
    {
        word.lower()
        for group in (NOUNS, VERBS, WRONG_VERBS, GOOD, BAD, SAME, OTHER, PLACES, VAGUE, NEGATIVE, UNSURE)
        for word in group
    }
    | {word.lower() for word in FUNCTION_WORDS}
)


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
    """`count` examples as (texts, label as written in the file); the same ones every time."""
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
    """Write every task's files below `root` in GLUE's layout."""
    for task in glue_tasks().values():
        (root / task.folder).mkdir(parents=True)
        for file in (task.train, *(name for name, _ in task.evaluate.values())):
            lines = [] if task.no_header else ["\t".join(task.columns)]
            for texts, label in rows(task, file, SIZES["train" if file == task.train else "evaluate"]):
                row = dict(zip(task.text, texts, strict=True)) | {task.label: label}
                lines.append("\t".join(row.get(column, "") for column in task.columns))
            (root / task.folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


_keep: list[tempfile.TemporaryDirectory] = []


@functools.cache
def glue_folder() -> Path:
    """The generated files, written once a process to a folder that goes when the process does."""
    _keep.append(temporary_folder())
    write(Path(_keep[0].name))
    return Path(_keep[0].name)
