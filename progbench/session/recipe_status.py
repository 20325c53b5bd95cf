"""One recipe's runs: looked at, trained where they are missing, and told seed by seed.

Whoever spreads runs over machines starts `progbench run` for a recipe, also twice, or again after it was killed. What
is on file is not trained again, and what another process is training is waited for.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from progbench.errors import BadInput
from progbench.method.schedule import in_our_words
from progbench.recipes.recipe import Recipe
from progbench.runs import results
from progbench.session.suite import Suite

STATES = ("there", "trained", "made by another process", "error", "not kept", "inconclusive", "missing")


@dataclass(frozen=True)
class Seed:
    """What there is of one seed: its state, one of STATES, and details."""

    recipe: str
    seed: int
    state: str
    words: str

    def __str__(self) -> str:
        return f"{self.recipe}, seed {self.seed}: {self.state}: {self.words}"

    @property
    def good(self) -> bool:
        """Whether its result is on file, and no error."""
        return self.state in STATES[:3]


def recipe(suite: Suite, name: str) -> Recipe:
    """The recipe of this id, in which a schedule may have the paper's name.

    Raises BadInput where the suite has none, with the nearest ids that it has.
    """
    known = suite.every_recipe()
    if wanted := known.get(name) or known.get(in_our_words(name)):
        return wanted
    unreadable = dict.fromkeys(broken(suite))  # it may be there, and not be readable
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"the nearest are {', '.join(near)}" if near else f"it has {len(known)}, such as {next(iter(known), 'none')}"
    raise BadInput("; ".join([f"no recipe {name!r} in the suite {suite.name}: {hint}", *unreadable]))


def broken(suite: Suite) -> Iterator[str]:
    """What is wrong with the suite's tables and recipes."""
    for name in suite.tables():
        table = suite.table(name)
        yield from [table.problem] if table.problem else []
        for cell in table.cells:
            try:
                if not cell.problem:
                    suite.recipes(cell)
            except BadInput as problem:
                yield str(problem)


def there(suite: Suite, wanted: Recipe) -> frozenset[int]:
    """The seeds whose results are on file, and no errors."""
    return frozenset(seed for seed, result in suite.runs(wanted).results.items() if not result.error)


def look(suite: Suite, wanted: Recipe, before: frozenset[int] = frozenset(), why: str = "") -> list[Seed]:
    """The state of each seed now; those `before` are not this session's work, and `why` is why any are missing."""
    runs = suite.runs(wanted)
    wrong = [seed for seed, result in runs.results.items() if result.error and not result.epochs]
    not_run = f"not run, for what is wrong with seed {wrong[0]} is wrong with all" if wrong else runs.missing
    told = []
    for seed in suite.filing.seeds or sorted(runs.results):
        if result := runs.results.get(seed):
            state, words = _told(suite, result, before)
            if changed := runs.changed.get(seed):
                path = results.path_of(suite.folder, wanted, seed)
                state, words = "inconclusive", f"{words}; {changed}; delete {path} to train this seed on the data here"
            told.append(Seed(wanted.id, seed, state, words))
        else:
            told.append(Seed(wanted.id, seed, "missing", why or not_run))
    return told


def _told(suite: Suite, result: results.RunResult, before: frozenset[int]) -> tuple[str, str]:
    if result.error:
        return "error", result.error
    last = result.epochs[-1].scores.items()
    words = ", ".join(f"{name} {metric} {100 * score:.2f}" for name, of in last for metric, score in of.items())
    path = results.path_of(suite.folder, result.recipe, result.seed)
    if not path.exists():
        return "not kept", "; ".join([words, *result.notes])
    if result.seed in before:
        return "there", words
    if result.session == suite.filing.session:
        return "trained", f"{words}; {result.seconds:.1f} s; {path}"
    return "made by another process", words
