"""What a report is: the verdicts of a session, and what every view says of them in the same words."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from progbench.judging import claims as claiming
from progbench.judging.claims import ClaimVerdict
from progbench.judging.compared import Compared, Contrast, PrintAlone
from progbench.judging.verdict import AGREES, JUDGED, OUTCOMES, Attribution, Variant, Verdict, attribute
from progbench.report import answer as answering
from progbench.report import comparisons, provenance
from progbench.runs.ledger import Cost, Entry, costs, mean_costs

if TYPE_CHECKING:
    from progbench.report.grids import Grid
    from progbench.report.tables import PrintedTable

SCHEMA_VERSION = 3
NAMED = 3  # as many deviating cells as the first line can name
_PLURALS = {"holds": "hold", "does not hold": "do not hold"}
_FITTED = "counts by a setting that the paper's totals determined"
_TIERS = {
    "paper": "scores, by the paper's means of five",
    "reference, exact": "scores, by our reference of a machine like this one, bit for bit",
    "reference, statistical": "scores, by our reference, within what another run may score",
    "count": "counts, by arithmetic",
}
_PRECISIONS = {
    "fp32": "fp32",
    "tf32": "tf32 (a GPU multiplies float32 numbers with 10 of their 23 bits)",
    "bf16": "bf16",
}


@dataclass(frozen=True)
class Notable:
    """Verdicts of one outcome, each with its words; those that are disputed share the argument."""

    outcome: str
    argument: str
    sentences: Sequence[tuple[Verdict, str]]


def _so_many(count: int, outcome: str) -> str:
    return f"{count} {outcome if count == 1 else _PLURALS.get(outcome, outcome)}"


@dataclass(frozen=True)
class Report:
    """Every verdict of a session, those that were not reached included, the runs behind them, and where it was made.

    `differences` are those between schedules, and `alone` what the print says of its own. `ledger` are the runs, `runs`
    the folder they are in. `contrasts` are what the answer is made of, `purpose` what the suite is for, and `included`
    the folder of a person's own that it is from, "" for a suite of the project. `asked` answers what was asked of it,
    in lines, where somebody asked (`progbench compare`).
    """

    suite: str
    verdicts: Sequence[Verdict]
    environment: dict[str, str | int]
    warnings: Sequence[str] = ()
    claims: Sequence[ClaimVerdict] = ()
    variants: Sequence[Variant] = ()
    ledger: Sequence[Entry] = ()
    runs: Path | None = None
    differences: Sequence[Compared] = ()
    alone: Sequence[PrintAlone] = ()
    contrasts: Sequence[Contrast] = ()
    purpose: str = ""
    included: str = ""
    asked: Sequence[str] = ()

    @property
    def headline(self) -> str:
        """The answer first: how many were judged, how they came out, and which deviate where they are few.

        >>> Report("smoke", [], {}).headline
        '0 of 0 judged: nothing'
        """
        counts = self.tally()
        deviating = [verdict for verdict in self.verdicts if verdict.outcome == "deviates"]
        names = ", ".join(f"{one.cell} {one.direction or ''}".strip() for one in deviating)
        named = {"deviates": f" ({names})"} if len(deviating) <= NAMED else {}
        if fitted := answering.fitted(self.verdicts):
            named["reproduced"] = f" ({fitted} of them {_FITTED})"
        words = {
            outcome: f"{counts[outcome]} {outcome}{named.get(outcome, '')}" for outcome in OUTCOMES if counts[outcome]
        }
        of_judged = ", ".join(words[outcome] for outcome in JUDGED if outcome in words)
        rest = ", ".join(words[outcome] for outcome in OUTCOMES if outcome in words and outcome not in JUDGED)
        judged = sum(verdict.judged for verdict in self.verdicts)
        line = f"{judged} of {len(self.verdicts)} judged: {of_judged or 'nothing'}"
        return f"{line}; {rest}" if rest else line

    @property
    def answer(self) -> str:
        """What was judged, in every view: how cells and claims came out, and the averages of the differences."""
        heads = [self.headline, self.judged_by, answering.counted(self.verdicts), self.precision]
        heads = heads if self.verdicts or not self.claims else []
        claimed = [self.claims_headline] if self.claims else []
        return "\n".join(filter(None, [*heads, *claimed, *comparisons.answers(self.differences)]))

    @property
    def print_has_claims(self) -> bool:
        """Whether the print says anything of these claims; where it does not, no view has a column for it."""
        return any(claim.printed for claim in self.claims)

    @property
    def claims_headline(self) -> str:
        """How the claims came out: on the print, by counting alone, and on our runs; those without runs are counted."""
        by_counts = [claim.outcome for claim in self.claims if claim.by_counts]
        on_runs = [claim.outcome for claim in self.claims if claim.on_runs]
        rest = [claim for claim in self.claims if not claim.by_counts and not claim.on_runs]
        errors = sum(claim.outcome == "error" for claim in rest)
        on_print = [claim.on_print for claim in self.claims] if self.print_has_claims else []
        sides = {"on the print": on_print, "by counting": by_counts}
        sides |= {"on our runs": on_runs, "without an answer of ours": ["error"] * errors}
        phrases = [
            f"{side} " + ", ".join(_so_many(found.count(one), one) for one in claiming.OUTCOMES if one in found)
            for side, found in sides.items()
            if found
        ]
        waiting = len(rest) - errors
        return f"{len(self.claims)} claims: {'; '.join([*phrases, *([f'{waiting} without runs'] if waiting else [])])}"

    @property
    def judged_by(self) -> str:
        """How scores and counts came out, apart, and by what each was judged; "" where none was."""
        found = []
        for tier, words in _TIERS.items():
            counts = Counter(verdict.outcome for verdict in self.verdicts if verdict.judged and verdict.tier == tier)
            others = [f"{counts[outcome]} {outcome}" for outcome in JUDGED if counts[outcome] and outcome not in AGREES]
            if counts:
                word = "consistent" if counts["consistent"] or tier.startswith("reference") else "reproduced"
                agree = f"{sum(counts[one] for one in AGREES)} of {counts.total()} {word}"
                found.append(f"{words}: {', '.join([agree, *others])}")
        rest = sum(not verdict.judged for verdict in self.verdicts)
        return "; ".join([*found, *([f"{rest} not judged"] if rest else [])]) if found else ""

    @property
    def precision(self) -> str:
        """In which precision the runs multiplied, where that was not float32 for all of them; else ""."""
        counts = Counter(entry.precision for entry in self.ledger if entry.runs)
        if not set(counts) - {"fp32"}:
            return ""
        words = [f"{_PRECISIONS[name]}: {count} recipes" for name, count in counts.most_common()]
        return f"trained in {', '.join(words)}"

    @property
    def commits(self) -> str:
        """The commits of the code that made the runs; "" for no runs."""
        return provenance.commits(self.ledger)

    @property
    def caveats(self) -> list[str]:
        """The warnings, and what speaks against the runs behind the report, and against the code that made it."""
        return [*self.warnings, *provenance.doubts(self.environment, self.ledger)]

    @property
    def failed(self) -> bool:
        """Whether anything deviates, does not hold, or went wrong."""
        outcomes = {one.outcome for one in (*self.verdicts, *self.claims)}
        return bool(outcomes & {"deviates", "error", "does not hold"})

    @property
    def yardstick(self) -> str:
        """What this suite is compared with: the paper, or our own reference."""
        return "paper" if any(verdict.printed for verdict in self.verdicts) else "reference"

    @property
    def cost_words(self) -> str:
        """What a reader should know before comparing parameters with cost."""
        return (
            "Updated parameters are not work. A frozen block still computes forward; and where something below it "
            "trains, as the embeddings do in every epoch of full tuning and of BitFit, backward crosses it, too. Each "
            "share is of what constant, which trains every block in every epoch, takes with the same model, tuning and "
            "task: FLOPs by formula, attention and the head included, time and a GPU's peak memory as one machine "
            "measured both."
        )

    def tally(self) -> dict[str, int]:
        """How many cells came out in each way."""
        counts = Counter(verdict.outcome for verdict in self.verdicts)
        return {outcome: counts[outcome] for outcome in OUTCOMES}

    def notable(self) -> list[Notable]:
        """What was judged and did not reproduce: what deviates first; what is disputed by its argument."""
        groups: dict[tuple[str, str], list[tuple[Verdict, str]]] = {}
        for outcome in ("deviates", "disputed", "inconclusive"):
            for verdict in (one for _, found in self.by_table() for one in found if one.outcome == outcome):
                own, _, argument = verdict.sentence.partition("; ")
                key, words = ((outcome, argument), own) if outcome == "disputed" else ((outcome, ""), verdict.sentence)
                groups.setdefault(key, []).append((verdict, words))
        return [Notable(outcome, argument, found) for (outcome, argument), found in groups.items()]

    def not_judged(self) -> list[tuple[str, list[str]]]:
        """The cells without a judgement, grouped by the sentence that says why."""
        reasons: dict[str, list[str]] = {}
        for verdict in self.verdicts:
            if not verdict.judged:
                reasons.setdefault(f"{verdict.outcome}: {verdict.sentence}", []).append(verdict.cell)
        return list(reasons.items())

    def by_table(self) -> list[tuple[str, list[Verdict]]]:
        """The verdicts by the name of their table, tables before figures."""
        names = sorted({verdict.table for verdict in self.verdicts}, key=lambda name: ("Table" not in name, name))
        return [(name, [verdict for verdict in self.verdicts if verdict.table == name]) for name in names]

    def tables(self) -> list[PrintedTable]:
        """The tables as the paper prints them."""
        from progbench.report import tables  # for pages alone

        return tables.printed_tables(self.suite, self.verdicts, self.included)

    def answer_tables(self, *, every: bool = False) -> list[Grid]:
        """The contrasts as tables, with what runs measured; averages alone where there are any, unless `every`."""
        return answering.tables(self.contrasts, self.mean_costs, every=every)

    @functools.cached_property  # of thousands of runs it takes a while, and every view asks
    def costs(self) -> list[Cost]:
        """What each schedule takes on each task, beside `constant`."""
        return costs(self.ledger)

    @functools.cached_property
    def mean_costs(self) -> list[Cost]:
        """The same over tasks."""
        return mean_costs(self.costs)

    def attribution(self) -> list[Attribution]:
        """Which variants close the gaps of the cells that do not agree."""
        return attribute(self.verdicts, self.variants)

    def closest(self) -> str:
        """Which recipe comes nearest to the print, and in how many cells."""
        nearest = Counter(variant.variant or "primary" for variant in self.variants if variant.closest)
        return "closest: " + (", ".join(f"{name} in {count}" for name, count in nearest.most_common()) or "unknown")

    def as_json(self) -> dict:
        """For a program; docs/report.md says what each key holds."""
        return {
            "schema_version": SCHEMA_VERSION,
            "suite": self.suite,
            "purpose": self.purpose,
            "asked": [*self.asked],
            "contrasts": [asdict(one) | {"on_print": one.on_print} for one in self.contrasts],
            "verdicts": [asdict(one) for one in self.verdicts],
            "claims": [asdict(one) for one in self.claims],
            "variants": [asdict(one) for one in self.variants],
            "differences": [asdict(one) | {"sentence": one.sentence} for one in self.differences],
            "print_alone": [asdict(one) | {"word": one.word} for one in self.alone],
            "attribution": [asdict(one) for one in self.attribution()],
            "runs": [asdict(one) for one in self.ledger],
            "costs": [asdict(one) for one in self.costs],
            "summary": {
                "headline": self.headline,
                "counts": answering.counted(self.verdicts),
                "total": len(self.verdicts),
                "judged": sum(verdict.judged for verdict in self.verdicts),
                "outcomes": self.tally(),
                "warnings": self.caveats,
            },
            "environment": self.environment,
        }

    def for_others(self) -> Report:
        """The same for who reads it elsewhere: the folder of results has its name, but not where it lies here."""

        def named(text: str) -> str:
            return text.replace(str(self.runs), self.runs.name) if self.runs and self.runs.name else text

        said = {
            "verdicts": ("sentence",),
            "claims": ("print_words", "our_words"),
            "variants": ("missing", "error"),
            "contrasts": ("missing",),
        }
        lists = {
            name: [replace(one, **{text: named(getattr(one, text)) for text in texts}) for one in getattr(self, name)]
            for name, texts in said.items()
        }
        differences = [replace(one, notes=tuple(map(named, one.notes))) for one in self.differences]
        return replace(self, **lists, warnings=[*map(named, self.warnings)], differences=differences)
