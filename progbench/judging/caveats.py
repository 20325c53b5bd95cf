"""What a reader should know of the runs behind a cell before comparing its score. No torch."""

from collections.abc import Iterable, Mapping, Sequence

from progbench import environment
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult
from progbench.tasks import catalog
from progbench.tasks.remarks import is_cut, other_counts
from progbench.tasks.source import GENERATED


def caveats(cell: str, made: Mapping[Recipe, Sequence[RunResult]]) -> list[str]:
    """Sentences on a cell's runs, by recipe: mixed versions or data, what was left out, partial or known data."""
    runs = [run for results in made.values() for run in results]
    lines = _mixed(cell, (*environment.PACKAGES, "device", "threads"), runs)
    if len({bool(run.provenance.side_by_side) for run in runs}) > 1:
        lines.append(f"{cell}: its runs mix seeds trained alone and seeds trained side by side")
    for wanted, results in made.items():
        lines += _mixed(wanted.id, ("data", "weights"), results)
        notes = dict.fromkeys(note for run in results for note in run.notes if not is_cut(note))
        left_out = ({evaluation_set: n for evaluation_set, n in run.left_out.items() if n} for run in results)
        lost = dict.fromkeys(f"left out of the data: {counts}" for counts in left_out if counts)
        sentences = [*other_data(wanted, results), *lost, *notes]
        sentences += _of_recipe(wanted) if results else []
        lines += [f"{wanted.id}: {sentence}" for sentence in sentences]
    return lines


def unlike(made: Mapping[Recipe, Sequence[RunResult]]) -> list[str]:
    """Sentences on compared recipes that were made on different data of a task, or different weights."""
    sentences = []
    for what, same in (("data", _same_data), ("weights", lambda wanted: wanted.model)):
        groups: dict[object, dict[str, dict[str, None]]] = {}
        for wanted, results in made.items():
            for print_ in dict.fromkeys(str(run.fingerprints.get(what, "unknown")) for run in results):
                groups.setdefault(same(wanted), {}).setdefault(print_, {})[wanted.id] = None
        for prints in (prints for prints in groups.values() if len(prints) > 1):
            short = _shortened(prints)
            sides = sorted(f"{_some(sorted(names))} on {short[value]}" for value, names in prints.items())
            sentences.append(f"made on unlike {what}, so their scores should not be compared: {'; '.join(sides)}")
    return [*sentences, *_unlike_lengths(made)]


def _unlike_lengths(made: Mapping[Recipe, Sequence[RunResult]]) -> list[str]:
    """A sentence for each task of which some compared recipes cut texts and others read them to another length."""
    tasks: dict[object, dict[int, tuple[dict[str, None], dict[str, None]]]] = {}
    for wanted, results in ((wanted, results) for wanted, results in made.items() if results):
        names, notes = tasks.setdefault(_same_data(wanted), {}).setdefault(wanted.max_length, ({}, {}))
        names[wanted.id] = None
        notes |= dict.fromkeys(note for run in results for note in run.notes if is_cut(note))
    sentences = []
    for lengths in tasks.values():
        if len(lengths) > 1 and any(notes for _, notes in lengths.values()):
            sides = [
                f"{_some(sorted(names))}: {', '.join(notes) or f'no text is cut at {length:,} tokens'}"
                for length, (names, notes) in sorted(lengths.items())
            ]
            sentences.append(f"read unlike lengths of text, which may be part of their difference: {'; '.join(sides)}")
    return sentences


def _same_data(wanted: Recipe) -> tuple[object, ...]:
    return wanted.task, wanted.data_source


def _shortened(prints: Iterable[str]) -> dict[str, str]:
    """The beginnings of fingerprints, long enough to tell them apart: at least a kind and eight digits."""
    values = list(prints)
    length = len("sha256:") + 8
    while len({value[:length] for value in values}) < len(values):
        length += 1
    return {value: value[:length] for value in values}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _mixed(name: str, fields: Sequence[str], results: Sequence[RunResult]) -> list[str]:
    values = {
        key: dict.fromkeys(str((run.environment | run.fingerprints).get(key)) for run in results) for key in fields
    }
    mixed = {key: " and ".join(different) for key, different in values.items() if len(different) > 1}
    return [f"{name}: its runs mix {key} {different}" for key, different in mixed.items()]


def other_data(wanted: Recipe, results: Sequence[RunResult], *, printed: bool = False) -> list[str]:
    """Why runs were not made on the published data: another number of rows than its authors count.

    >>> from progbench.recipes.reading import read
    >>> wanted = read("paper", "glue", model="bert-base", schedule="constant", task="rte")
    >>> other_data(wanted, [RunResult(wanted, 0, examples={"train": 32, "rte": 277})])
    ['not the published data: it read 32 rows of train (published: 2,490)']

    Generated data was never published. A partial training set that the recipe asks for is other data only against the
    `printed` score of a model that was trained on all of it.
    """
    if wanted.dataset == GENERATED or not results:
        return []
    task = catalog.tasks()[wanted.task]
    published = dict(task.rows)
    if wanted.train_questions:
        del published["train"]
    read: list[tuple[dict[str, int], dict[str, int]]] = []  # most runs of a recipe have read the same
    for run in results:
        if (counts := (run.examples, run.left_out)) not in read:
            read.append(counts)
    reasons = dict.fromkeys(f"it {words}" for counts in read for words in other_counts(published, *counts))
    theirs = catalog.published_fingerprint(task)
    reasons |= {} if reasons else dict.fromkeys(filter(None, (_other_content(theirs, run) for run in results)))
    return [
        *([f"not the published data: {'; '.join(reasons)}"] if reasons else []),
        *(_partial(wanted) if printed else []),
    ]


def _other_content(theirs: str, run: RunResult) -> str:
    ours = run.fingerprints.get("data", "")
    if not theirs or len(ours) != len(theirs) or ours == theirs:  # what comes from the hub has a pinned revision
        return ""
    return f"its files hold the right number of rows and other content ({ours}; published: {theirs})"


def _partial(wanted: Recipe) -> list[str]:
    questions = wanted.train_questions
    return [f"partial: trained on the first {questions:,} questions only"] if questions else []


def _of_recipe(wanted: Recipe) -> list[str]:
    reasons = _partial(wanted)
    if wanted.precision == "bf16":
        reasons.append(f"trained in {wanted.precision}, which can move a score")
    if wanted.task in spec(wanted.model).seen:
        reasons.append(f"not a clean score: the weights of {wanted.model} have seen this task's data before")
    return reasons
