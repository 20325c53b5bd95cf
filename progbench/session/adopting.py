"""Results made elsewhere become our own references: checked, shown as a change, and copied as they are.

The copies in expected/<suite>/runs are a folder of results. reference.json follows from them alone.
"""

import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from progbench.errors import BadInput
from progbench.files import aside
from progbench.judging.caveats import unlike
from progbench.judging.expected import Cell
from progbench.recipes.recipe import Recipe, split_id
from progbench.report.cells import plain
from progbench.runs import predictions, results
from progbench.session import reference, vouching
from progbench.session.suite import Suite

_WHOLE, _REDUCED = "constant", "shrinking"  # fine-tuning and Progtuning, which wait for each other
Filed = dict[int, tuple[Path, results.RunResult]]  # one recipe's results with their files, by seed


@dataclass
class Adoption:
    """What adopting a folder's results changes; `write` does it.

    `kept` has the results behind the new references by recipe: copies on file, and files to copy. `refused` says, by
    file, what nobody can vouch for; `left_out` what is not whole yet.
    """

    answers: Path
    suite: str
    kept: dict[str, Filed] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return reference.copies(self.answers, self.suite)

    @property
    def taken(self) -> list[Path]:
        """The results to copy."""
        return [path for files in self.kept.values() for path, _ in files.values() if not self._is_copy(path)]

    @property
    def failed(self) -> list[str]:
        """The runs that failed, among all that the references follow from."""
        return [
            f"{name}, seed {seed}: {run.error}"
            for name, files in sorted(self.kept.items())
            for seed, (_, run) in sorted(files.items())
            if run.error
        ]

    def write(self) -> Path:
        """Copy what is taken, remove what it replaces, and write reference.json and its checksum anew."""
        for path in self.taken:
            _copy(path, self.folder.joinpath(*path.parts[-4:]))
        for name, files in self.kept.items():
            stays = {self.folder.joinpath(*path.parts[-4:]) for path, _ in files.values()}
            for path in {*(self.folder / self.suite / name).glob("*/seed*.json")} - stays:  # those of old digests, too
                for file in (path, predictions.path_beside(path)):
                    file.unlink(missing_ok=True)
        return reference.derive(self.answers, self.suite)

    def _is_copy(self, path: Path) -> bool:
        return path.is_relative_to(self.folder)


def updated(suite: Suite, cells: Iterable[Cell], root: Path) -> list[str]:
    """Record the runs behind these cells as the suite's reference; gives lines on the change, and the file.

    Raises BadInput, and then writes nothing, if nobody could vouch for one of the runs.
    """
    if reference.recorded_alone(suite.answers, suite.name):
        return reference.updated(suite, cells)
    wanted = suite.needed(*cells, variants=True)
    names = reference.on_file(suite.answers, suite.name)
    wanted |= {name: recipe for name, recipe in suite.every_recipe().items() if name in names}
    adoption = plan(root, suite.answers, suite.name, wanted, suite.folder)
    if adoption.refused:
        raise BadInput("; ".join(adoption.refused))
    return [*lines(adoption), f"reference: {adoption.write()}"]


def plan(root: Path, answers: Path, suite: str, known: Mapping[str, Recipe], runs: Path) -> Adoption:
    """What adopting the results in `runs` changes; `known` has the suite's recipes by id, `root` is the checkout.

    If one of a recipe's results is refused, all are: to leave a seed out would be a choice. If a seed's schedules were
    made on different kinds of machine, all recipes of that model and task are. Raises BadInput if the
    reference on file was recorded without its results, copies are damaged, or data or weights differ between the
    results.
    """
    adoption = Adoption(answers, suite)
    if alone := reference.recorded_alone(answers, suite):
        raise BadInput(
            f"{answers / suite / 'reference.json'}: {alone} was recorded without its results, and would be lost; this "
            "suite's reference is made with --update-reference"
        )
    copied = _read(adoption.folder / suite, known, damaged := [], adoption.left_out)
    if damaged:
        raise BadInput(damaged[0])
    new = _read(runs / suite, known, adoption.refused, adoption.left_out)
    adoption.kept = dict(copied)
    for name, files in new.items():
        why = vouching.doubts(root, dict(files.values()))
        merged, lost = _merged(copied.get(name, {}), files)
        if why := why or lost or vouching.mixed(dict(merged.values())):
            adoption.refused += why
        else:
            adoption.kept[name] = merged
    for whole, family in _families(adoption.kept).items():
        if why := [why for name in family for why in vouching.apart(adoption.kept[name], adoption.kept[whole])]:
            adoption.refused += why
            for name in family:
                del adoption.kept[name]
            adoption.kept |= {name: copied[name] for name in family if name in copied}
    for name, count in counts({name: {*files} for name, files in adoption.kept.items()}).items():
        files = adoption.kept[name]
        whole = {seed: files[seed] for seed in files if seed < count.seeds or adoption._is_copy(files[seed][0])}
        if count.why and len(whole) < len(files):
            adoption.left_out.append(f"{name}: {count.why}")
        adoption.kept[name] = whole
    adoption.kept = {name: files for name, files in adoption.kept.items() if files}
    made = {known[name]: [run for run in _runs(files) if not run.error] for name, files in adoption.kept.items()}
    if why := unlike(made):
        raise BadInput(f"{runs}: {why[0]}")
    return adoption


def _families(names: Iterable[str]) -> dict[str, list[str]]:
    """The recipes of one model and task, by fine-tuning's, where that is among them.

    A variant (with ~) is compared with the print, and not seed by seed.
    """
    families: dict[str, list[str]] = {}
    for name in sorted(name for name in names if "~" not in name):
        body, _, task = split_id(name)
        families.setdefault(f"{body}-{_WHOLE}-{task}", []).append(name)
    return {whole: family for whole, family in families.items() if whole in family}


def _read(folder: Path, known: Mapping[str, Recipe], refused: list[str], left_out: list[str]) -> dict[str, Filed]:
    """The results of the suite's recipes as they are now; a recipe with an unreadable result has none."""
    files: dict[str, Filed] = {}
    for place in sorted({path.parent for path in folder.glob("*/*/seed*.json")}):
        name = place.parent.name
        if name not in known or known[name].digest != place.name:
            what = "no recipe of this suite" if name not in known else f"that recipe is now {known[name].digest}"
            left_out.append(f"{name}/{place.name}: {what}")
            continue
        try:
            read = {path: results.read(path) for path in sorted(place.glob("seed*.json"))}
        except BadInput as problem:
            refused.append(str(problem))
            continue
        if other := [path for path, run in read.items() if run.recipe != known[name]]:
            refused += [f"{path}: the recipe inside is another than this suite's {name}" for path in other]
            continue
        files[name] = {run.seed: (path, run) for path, run in read.items()}
    return files


def _merged(old: Filed, new: Filed) -> tuple[Filed, list[str]]:
    """A recipe's results after adoption, and why there are none.

    A copy on file stays if the new result says the same. A run that did not fail may follow a failed one. Other scores
    replace all seeds on file, or none.
    """
    failed = {seed for seed, (_, run) in old.items() if run.error and seed in new}
    other = [seed for seed in old.keys() & new.keys() - failed if not _same(old[seed][1], new[seed][1])]
    if not other:
        return new | {seed: filed for seed, filed in old.items() if seed not in failed}, []
    if lost := sorted(old.keys() - new.keys()):
        words = f"other scores than its copy on file, and seeds {lost} on file are not there to be replaced"
        return old, [f"{new[other[0]][0]}: {words}"]
    return new, []


def _same(run: results.RunResult, other: results.RunResult) -> bool:
    return [epoch.scores for epoch in run.epochs] == [epoch.scores for epoch in other.epochs]


def _runs(files: Filed) -> list[results.RunResult]:
    return [run for _, (_, run) in sorted(files.items())]


def _copy(path: Path, place: Path) -> None:
    """Copy a result after its predictions, each file whole or not at all."""
    for source, target in ((predictions.path_beside(path), predictions.path_beside(place)), (path, place)):
        if source.is_file():  # a failed run has no predictions
            with aside(target) as written:
                written.write_bytes(source.read_bytes())
                os.replace(written, target)


def lines(adoption: Adoption) -> Iterable[str]:
    """An adoption's changes, in lines for a person."""
    names = sorted({path.parents[1].name for path in adoption.taken})
    if changed := {name: reference.entry(_runs(adoption.kept[name])) for name in names}:
        yield f"{len(adoption.taken)} results of {len(changed)} recipes are new to the reference of {adoption.suite}"
        yield reference.changes(reference.on_file(adoption.answers, adoption.suite), changed)
    else:
        yield f"nothing is new to the reference of {adoption.suite}"
    yield from (f"failed run, on file as such: {plain(why)}" for why in adoption.failed)
    yield from (f"left out: {plain(why)}" for why in adoption.left_out)
    yield from (f"refused: {plain(why)}" for why in adoption.refused)


@dataclass(frozen=True)
class Count:
    """The seeds from 0 to `seeds` - 1 count; `why` says what is left out, "" for nothing."""

    seeds: int
    why: str = ""


def counts(seeds_of: Mapping[str, Set[int]]) -> dict[str, Count]:
    """How many of each recipe's seeds count.

    >>> found = counts({"m-constant-rte": {0, 1, 2}, "m-shrinking-rte": {0, 1}, "m-growing-rte": {0, 2}})
    >>> found["m-constant-rte"]
    Count(seeds=2, why='seed 2 is left out: m-shrinking-rte has 2 seeds without a gap')
    >>> found["m-growing-rte"]
    Count(seeds=1, why='seed 2 is left out: there is no seed 1')

    Seeds are 0, 1, 2 and so on: a seed that is chosen after its score was seen proves nothing. Fine-tuning and
    Progtuning of one model and task have the same seeds. Other schedules have no seed that Progtuning lacks.
    """
    # how many there are from 0 on
    ordered = {name: next(n for n in range(len(seeds) + 1) if n not in seeds) for name, seeds in seeds_of.items()}
    return {name: _count(name, seeds_of[name], ordered) for name in seeds_of}


def _count(name: str, seeds: Set[int], ordered: Mapping[str, int]) -> Count:
    body, schedule, task = split_id(name.partition("~")[0])
    partner = f"{body}-{_REDUCED if schedule != _REDUCED else _WHOLE}-{task}"
    most = min(ordered[name], ordered.get(partner, ordered[name]))
    out = sorted(seed for seed in seeds if seed >= most)
    if not out:
        return Count(most)
    words = f"seeds {', '.join(map(str, out))} are" if len(out) > 1 else f"seed {out[0]} is"
    if most == ordered[name]:
        return Count(most, f"{words} left out: there is no seed {most}")
    return Count(most, f"{words} left out: {partner} has {most} seed{'s' * (most != 1)} without a gap")
