"""One report, several views: terminal, Markdown and JSON. Imports no torch."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tabulate import tabulate

from progbench.claims import ClaimVerdict
from progbench.runs import write_atomically
from progbench.verdict import OUTCOMES, Variant, Verdict

SCHEMA_VERSION = 1
HEADERS = ("cell", "expected", "ours", "diff", "margin", "outcome")


@dataclass(frozen=True)
class Report:
    """Every verdict of a session, those that were not reached included, and where it was made."""

    suite: str
    verdicts: Sequence[Verdict]
    environment: dict[str, str | int]
    warnings: Sequence[str] = ()
    claims: Sequence[ClaimVerdict] = ()
    variants: Sequence[Variant] = ()

    @property
    def headline(self) -> str:
        """The answer first: how many were judged, and how they came out.

        >>> Report("smoke", [], {}).headline
        '0 of 0 judged: nothing'
        """
        judged = [verdict for verdict in self.verdicts if verdict.judged]
        counts = Counter(verdict.outcome for verdict in self.verdicts)
        of_judged = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES[:4] if counts[outcome])
        rest = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES[4:] if counts[outcome])
        line = f"{len(judged)} of {len(self.verdicts)} judged: {of_judged or 'nothing'}"
        return f"{line}; {rest}" if rest else line

    @property
    def answer(self) -> str:
        """The first line of every view: the cells' headline, the claims', or both."""
        heads = [self.headline] if self.verdicts or not self.claims else []
        return "\n".join([*heads, self.claims_headline] if self.claims else heads)

    @property
    def claims_headline(self) -> str:
        """How the claims came out: on the print, and on our runs."""
        sides = [("on the print", [claim.on_print for claim in self.claims])]
        sides.append(("on our runs", [claim.on_ours for claim in self.claims]))
        counted = [
            f"{side} " + ", ".join(f"{answers.count(one)} {words}" for one, words in _ANSWERS.items() if one in answers)
            for side, answers in sides
        ]
        return f"{len(self.claims)} claims: {'; '.join(counted)}"

    def not_judged(self) -> list[tuple[str, list[str]]]:
        """The cells without a judgement, grouped by the sentence that says why."""
        reasons: dict[str, list[str]] = {}
        for verdict in self.verdicts:
            if not verdict.judged:
                reasons.setdefault(f"{verdict.outcome}: {verdict.sentence}", []).append(verdict.cell)
        return list(reasons.items())

    def as_json(self) -> dict:
        counts = Counter(verdict.outcome for verdict in self.verdicts)
        return {
            "schema_version": SCHEMA_VERSION,
            "suite": self.suite,
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
            "claims": [asdict(claim) for claim in self.claims],
            "variants": [asdict(variant) for variant in self.variants],
            "summary": {
                "headline": self.headline,
                "total": len(self.verdicts),
                "judged": sum(verdict.judged for verdict in self.verdicts),
                "outcomes": {outcome: counts[outcome] for outcome in OUTCOMES},
                "warnings": list(self.warnings),
            },
            "environment": self.environment,
        }

    def as_text(self) -> str:
        """For a terminal: the headline, a table a table of the paper, every sentence that needs reading."""
        lines = [self.answer]
        for table, verdicts in self._tables():
            if shown := [_row(verdict) for verdict in verdicts if verdict.observed is not None]:
                lines += ["", table, tabulate(shown, HEADERS, disable_numparse=True, colalign=_ALIGN)]
        notable = [verdict for verdict in self.verdicts if verdict.judged and verdict.outcome != "reproduced"]
        if notable:
            lines += ["", *_notable(notable)]
        if self.variants:
            shown = [_variant_row(variant) for variant in self.variants]
            lines += [
                "",
                f"Variants ({self.closest()})",
                tabulate(shown, VARIANT_HEADERS, disable_numparse=True, colalign=_VARIANT_ALIGN),
            ]
        if self.claims:
            answers = [[claim.claim, claim.on_print, claim.on_ours, claim.outcome] for claim in self.claims]
            lines += ["", "Claims", tabulate(answers, ("claim", "on the print", "on our runs", "outcome"))]
            lines += ["", *(line for claim in self.claims for line in _claim_lines(claim))]
        if groups := self.not_judged():
            lines += ["", "Not judged:", *(f"  {reason}\n    {_cells(cells)}" for reason, cells in groups)]
        lines += ["", *(f"warning: {warning}" for warning in self.warnings), _where(self.environment)]
        return "\n".join(lines)

    def as_markdown(self) -> str:
        lines = [f"# progbench: suite {_escape(self.suite)}", "", f"**{_escape(self.answer)}**"]
        for table, verdicts in self._tables():
            rows = [[*map(_escape, _row(verdict)), _escape(verdict.sentence)] for verdict in verdicts]
            body = tabulate(
                rows, (*HEADERS, "in words"), tablefmt="pipe", disable_numparse=True, colalign=(*_ALIGN, "left")
            )
            lines += ["", f"## {_escape(table)}", "", body]
        lines += [line for name, alt in self.figures() for line in ("", f"![{_escape(alt)}]({name})")]
        if self.variants:
            rows = [[_escape(text) for text in _variant_row(variant)] for variant in self.variants]
            body = tabulate(rows, VARIANT_HEADERS, tablefmt="pipe", disable_numparse=True, colalign=_VARIANT_ALIGN)
            lines += ["", "## Variants", "", _escape(self.closest()), "", body]
        if self.claims:
            rows = [[_escape(text) for text in _claim_row(claim)] for claim in self.claims]
            body = tabulate(rows, CLAIM_HEADERS, tablefmt="pipe", disable_numparse=True)
            lines += ["", "## Claims", "", body]
        if groups := self.not_judged():
            lines += ["", "## Not judged", ""]
            lines += [f"- {_escape(reason)} ({len(cells)}: {_escape(', '.join(cells))})" for reason, cells in groups]
        lines += ["", "## Environment", "", *(f"- {_escape(warning)}" for warning in self.warnings)]
        lines += [f"- {_escape(str(key))}: {_escape(str(value))}" for key, value in self.environment.items()]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> list[Path]:
        """Write report.md and report.json, and the figures as SVG."""
        written = {
            "report.md": self.as_markdown(),
            "report.json": json.dumps(self.as_json(), indent=1, allow_nan=False) + "\n",
        }
        if names := self.figures():
            from progbench import figures

            written |= {name: figures.draw(name, self.verdicts) for name, _ in names}
        for name, text in written.items():
            write_atomically(folder / name, text)
        return [folder / name for name in written]

    def figures(self) -> list[tuple[str, str]]:
        """The figures of the paper for which this session has values: file name and what it shows."""
        have = {verdict.table for verdict in self.verdicts if verdict.observed is not None}
        drawn = [(table, what) for table, what in _DRAWN.items() if table in have]
        return [(f"{table.lower().replace(' ', '')}.svg", f"{table}: {what}") for table, what in drawn]

    def closest(self) -> str:
        """Which recipe comes nearest to the print, and in how many cells."""
        nearest = Counter(variant.variant or "primary" for variant in self.variants if variant.closest)
        return "closest: " + (", ".join(f"{name} in {count}" for name, count in nearest.most_common()) or "unknown")

    def _tables(self) -> Iterable[tuple[str, list[Verdict]]]:
        names = sorted({verdict.table for verdict in self.verdicts}, key=lambda name: ("Table" not in name, name))
        return [(name, [verdict for verdict in self.verdicts if verdict.table == name]) for name in names]


_DRAWN = {
    "Figure 1": "score with one block trained at a time, over the block",
    "Figure 4": "updated parameters by model and schedule",
}
_ANSWERS = {"holds": "hold", "does not hold": "do not hold", "undecided": "undecided"}
VARIANT_HEADERS = ("cell", "recipe", "expected", "value", "diff", "")
_VARIANT_ALIGN = ("left", "left", "right", "right", "right", "left")
CLAIM_HEADERS = ("claim", "sentence", "on the print", "", "on our runs", "", "outcome", "disputed because")
_ALIGN = ("left", "right", "right", "right", "right", "left")


def _row(verdict: Verdict) -> list[str]:
    """A verdict as strings in the order of HEADERS; counts are whole numbers, or millions where the paper has them."""
    digits = ",.0f" if verdict.unit == "parameters" else ".3f" if verdict.kind == "counted" else ".2f"
    expected = verdict.printed or _number(verdict.expected, digits)
    ours = _number(verdict.observed, digits)
    if verdict.observed is not None and verdict.kind != "counted":
        ours += (f" ± {verdict.sd:.2f}" if verdict.sd is not None else "") + f" ({verdict.n})"
    direction = f" ({verdict.direction})" if verdict.direction else ""
    return [
        verdict.cell,
        expected,
        ours,
        _number(verdict.difference, "+" + digits),
        _number(verdict.tolerance, "g" if verdict.kind == "counted" else ".2f"),
        verdict.outcome + direction,
    ]


def _notable(verdicts: Sequence[Verdict]) -> list[str]:
    """Each verdict that needs reading, in lines of a terminal; an argument shared by several stands once."""
    groups: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        own, _, shared = verdict.sentence.partition("; ")
        groups.setdefault((verdict.outcome, shared), []).append(f"{verdict.cell}: {own}")
    lines = []
    for (outcome, shared), sentences in groups.items():
        lines += [f"{outcome}  {sentence}" for sentence in sentences] + ([f"    {shared}"] if shared else [])
    return [part for line in lines for part in textwrap.wrap(line, 100, subsequent_indent="    ")]


def _variant_row(variant: Variant) -> list[str]:
    counts = variant.unit == "parameters"
    digits = ",.0f" if counts else ".3f" if variant.unit.startswith("M ") else ".2f"
    value = variant.error or variant.missing if variant.observed is None else format(variant.observed, digits)
    if variant.observed is not None and variant.unit == "points":
        value += (f" ± {variant.sd:.2f}" if variant.sd is not None else "") + f" ({variant.n})"
    return [
        "" if variant.variant else variant.cell,
        variant.variant or "primary",
        "" if variant.variant or variant.expected is None else f"{round(variant.expected, 2):,}",
        value,
        _number(variant.difference, "+" + digits),
        "closest" if variant.closest else "",
    ]


def _claim_row(claim: ClaimVerdict) -> list[str]:
    sentence = f"{claim.sentence} ({claim.source})"
    ours = [claim.on_print, claim.print_words, claim.on_ours, claim.our_words]
    return [claim.claim, sentence, *ours, claim.outcome, claim.disputed]


def _claim_lines(claim: ClaimVerdict) -> list[str]:
    """What the terminal says of a claim: its sentence and the numbers behind both answers."""
    lines = [f"{claim.claim}: “{claim.sentence}” ({claim.source})"]
    lines += [f"  print: {claim.print_words}", f"  ours: {claim.our_words}"]
    lines += [f"  disputed: {claim.disputed}"] if claim.disputed else []
    return [part for line in lines for part in textwrap.wrap(line, 100, subsequent_indent="    ")]


def _number(value: float | None, digits: str) -> str:
    return "" if value is None else format(value, digits)


def _cells(cells: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(cells[:most])
    return shown if len(cells) <= most else f"{shown} and {len(cells) - most} more"


def _where(environment: dict) -> str:
    names = ("commit", "python", "torch", "transformers")
    named = [f"{name} {environment[name]}" for name in names if name in environment]
    return ", ".join([*named, f"{environment.get('cpu')} ({environment.get('cores')} cores)"])


def _escape(text: str) -> str:
    """Text that Markdown shows as it is, in a table cell, too."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
