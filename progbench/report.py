"""One report, several views: terminal, Markdown and JSON. Imports no torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tabulate import tabulate

from progbench.runs import write_atomically
from progbench.verdict import OUTCOMES, Verdict

SCHEMA_VERSION = 1
HEADERS = ("cell", "expected", "ours", "diff", "margin", "outcome")


@dataclass(frozen=True)
class Report:
    """Every verdict of a session, those that were not reached included, and where it was made."""

    suite: str
    verdicts: Sequence[Verdict]
    environment: dict[str, str | int]
    warnings: Sequence[str] = ()

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
            "claims": [],
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
        lines = [self.headline]
        for table, verdicts in self._tables():
            if shown := [_row(verdict) for verdict in verdicts if verdict.observed is not None]:
                lines += ["", table, tabulate(shown, HEADERS, disable_numparse=True, colalign=_ALIGN)]
        notable = [verdict for verdict in self.verdicts if verdict.judged and verdict.outcome != "reproduced"]
        if notable:
            lines += ["", *(f"{verdict.outcome}  {verdict.cell}: {verdict.sentence}" for verdict in notable)]
        if groups := self.not_judged():
            lines += ["", "Not judged:", *(f"  {reason}\n    {_cells(cells)}" for reason, cells in groups)]
        lines += ["", *(f"warning: {warning}" for warning in self.warnings), _where(self.environment)]
        return "\n".join(lines)

    def as_markdown(self) -> str:
        lines = [f"# progbench: suite {_escape(self.suite)}", "", f"**{_escape(self.headline)}**"]
        for table, verdicts in self._tables():
            rows = [[*map(_escape, _row(verdict)), _escape(verdict.sentence)] for verdict in verdicts]
            body = tabulate(
                rows, (*HEADERS, "in words"), tablefmt="pipe", disable_numparse=True, colalign=(*_ALIGN, "left")
            )
            lines += ["", f"## {_escape(table)}", "", body]
        if groups := self.not_judged():
            lines += ["", "## Not judged", ""]
            lines += [f"- {_escape(reason)} ({len(cells)}: {_escape(', '.join(cells))})" for reason, cells in groups]
        lines += ["", "## Environment", "", *(f"- {_escape(warning)}" for warning in self.warnings)]
        lines += [f"- {_escape(str(key))}: {_escape(str(value))}" for key, value in self.environment.items()]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> list[Path]:
        """Write report.md and report.json."""
        written = {
            "report.md": self.as_markdown(),
            "report.json": json.dumps(self.as_json(), indent=1, allow_nan=False) + "\n",
        }
        for name, text in written.items():
            write_atomically(folder / name, text)
        return [folder / name for name in written]

    def _tables(self) -> Iterable[tuple[str, list[Verdict]]]:
        names = dict.fromkeys(verdict.table for verdict in self.verdicts)
        return [(name, [verdict for verdict in self.verdicts if verdict.table == name]) for name in names]


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
