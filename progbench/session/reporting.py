"""A suite's report, without pytest: the runs behind its cells, and all that is on file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from progbench import environment, files, places
from progbench.errors import BadInput
from progbench.judging import claims, expected
from progbench.judging.compared import Compared, PrintAlone
from progbench.judging.verdict import Variant, Verdict, unreadable
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.report.report import Report
from progbench.runs import ledger
from progbench.runs.ledger import Entry
from progbench.session import comparing, reference
from progbench.session.contrasts import contrasts
from progbench.session.suite import Suite


def behind(suite: Suite, cells: Iterable[expected.Cell]) -> list[Entry]:
    """The runs of these cells, as a report lists them; nothing is trained."""
    recipes = suite.needed(*cells).values()
    entries = [ledger.entry(wanted, suite.runs(wanted).results.values()) for wanted in recipes]
    return [entry for entry in entries if entry.runs]


def report(suite: Suite) -> Report:
    """What is on file for a suite, judged: cells, claims, and the variants of what deviates. Nothing is trained."""
    verdicts: list[Verdict] = []
    variants: list[Variant] = []
    warnings: dict[str, None] = {}
    every: list[expected.Cell] = []
    for name in suite.tables():
        table = suite.table(name)
        if table.problem:
            verdicts.append(unreadable(name, table.problem))
            continue
        of_table = suite.verdicts(name)
        for cell in table.cells:
            verdict = of_table[cell.id]
            if verdict.outcome in ("deviates", "disputed"):
                tried = suite.variants(cell, verdict)
                variants += tried if any(one.variant and one.observed is not None for one in tried) else []
            if verdict.observed is not None:
                warnings |= dict.fromkeys(suite.warnings(cell))
        verdicts += of_table.values()
        every += table.cells
    shut = files.closed(suite.folder / suite.name, 2)
    verdicts += [unreadable(path.relative_to(suite.folder).as_posix(), why) for path, why in shut.items()]
    known = suite.claims()
    on_claims = [claims.unreadable(str(known))] if isinstance(known, BadInput) else map(suite.claim, known)
    found = assembled(suite, every, verdicts, warnings, variants, [*on_claims])
    return replace(found, warnings=[*found.warnings, *_stale(suite, every)])


def assembled(
    suite: Suite,
    cells: Sequence[expected.Cell],
    verdicts: Sequence[Verdict],
    warnings: Iterable[str],
    variants: Sequence[Variant],
    on_claims: Sequence[claims.ClaimVerdict],
) -> Report:
    """The report with these verdicts, and the differences and runs behind these cells."""
    differences, alone, left_out = compared(suite, cells)
    return Report(
        suite.name,
        verdicts,
        environment.describe(),
        [*warnings, *left_out],
        claims=on_claims,
        variants=variants,
        differences=differences,
        alone=alone,
        ledger=behind(suite, cells),
        runs=suite.folder,
        contrasts=contrasts(suite, cells, differences),
        purpose=suite.purpose,
        included=places.shown(reading.home(suite.name, Path())),
    )


def compared(suite: Suite, cells: Iterable[expected.Cell]) -> tuple[list[Compared], list[PrintAlone], list[str]]:
    """The verdicts on schedules in these cells' tables: our runs' and the print's, and why seeds or tasks have none."""
    differences: list[Compared] = []
    alone: list[PrintAlone] = []
    left_out: list[str] = []
    for name in dict.fromkeys(cell.file for cell in cells if cell.kind != "counted"):
        try:
            alone += comparing.of_print(suite.table(name), suite.terms())
            lines, why = suite.compared(name)
        except BadInput as problem:
            lines, why = [], [f"differences are not judged: {problem}"]
        differences += lines
        left_out += why
    return differences, alone, list(dict.fromkeys(left_out))


def _stale(suite: Suite, cells: Iterable[expected.Cell]) -> list[str]:
    """A sentence on results from before an edit of the suite's recipes: they are on file, and do not count."""
    names = {name: wanted.digest for name, wanted in suite.needed(*cells).items()}
    folders = (path for path in (suite.folder / suite.name).glob("*/*") if path.is_dir())
    old = sorted({path.parent.name for path in folders if names.get(path.parent.name, path.name) != path.name})
    more = f" and {len(old) - 3} more" if len(old) > 3 else ""
    words = "there are results of other digests (the recipe was edited, or SCORES_VERSION raised), which do not count"
    return [f"{', '.join(old[:3])}{more}: {words}"] if old else []


@dataclass(frozen=True)
class Standing:
    """A report on a paper's print, and one for each suite of our own whose reference runs are recorded."""

    printed: Report
    recorded: tuple[Report, ...]


def standing(answers: Path, suite: str = "paper") -> Standing:
    """How a suite with printed values stands, and all others that have references. Nothing is trained.

    A suite of random models is left out: it asks nothing of the paper.
    """
    with files.temporary_folder() as folder:  # without a result in it
        printed = report(Suite(suite, answers, Path(folder) / "runs", seeds=None, train=False))
    others = [_recorded(reference.on_copies(answers, name)) for name in reading.suites() if name != suite]
    return Standing(printed, tuple(report for report in others if report.contrasts))


def _recorded(suite: Suite) -> Report:
    """The answers of a suite's recorded runs; a report without contrasts if they answer nothing."""
    tables = [suite.table(name) for name in suite.tables()]
    cells = [cell for table in tables for cell in table.cells if not spec(cell.model).random]
    differences, *_ = compared(suite, cells)
    ledger = behind(suite, cells)
    answered = [contrast for contrast in contrasts(suite, cells, differences) if contrast.mean is not None]
    return Report(suite.name, [], {}, ledger=ledger, contrasts=answered, purpose=suite.purpose)
