"""What the speed benchmark measured, as tables and as JSON. No torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabulate import tabulate

from progbench.files import write_atomically

SCHEMA_VERSION = 1
KINDS = ("steps", "memory", "sessions", "gpu", "hours")
Record = Mapping[str, Any]


@dataclass
class Speed:
    """Records of `benchmarks/test_speed.py`: steps against a comparator, peak memory, whole sessions, and on a GPU.

    `gpu` are steps of one seed of several, `hours` what the paper's tables would take by them.
    """

    steps: list[Record] = field(default_factory=list)
    memory: list[Record] = field(default_factory=list)
    sessions: list[Record] = field(default_factory=list)
    gpu: list[Record] = field(default_factory=list)
    hours: list[Record] = field(default_factory=list)

    def add(self, kind: str, record: Record) -> None:
        getattr(self, kind).append(record)

    def __bool__(self) -> bool:
        return any(getattr(self, kind) for kind in KINDS)

    def as_text(self) -> str:
        """Tables for a terminal: ratios of run times, the stages against the formula, memory, sessions.

        >>> print(Speed(sessions=[{"session": "-m params", "seconds": 1.25}]).as_text())
        session    seconds
        ---------  ---------
        -m params  1.2
        """
        return self._tables("simple")

    def as_markdown(self) -> str:
        """The same tables as Markdown, for docs/speed.md."""
        return self._tables("pipe")

    @classmethod
    def read(cls, *paths: Path) -> Speed:
        """The measurements in files that `write` made, one after another."""
        contents = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        return cls(*([one for content in contents for one in content.get(kind, ())] for kind in KINDS))

    def write(self, folder: Path, environment: Mapping[str, Any]) -> Path:
        content = {
            "schema_version": SCHEMA_VERSION,
            "environment": dict(environment),
            **{kind: getattr(self, kind) for kind in KINDS},
        }
        path = folder / "speed.json"
        write_atomically(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
        return path

    def _tables(self, style: str) -> str:
        tables = []
        for kind, columns in _COLUMNS.items():
            if records := getattr(self, kind):
                table = {heading: [value(one) for one in records] for heading, value in columns.items()}
                known = {heading: values for heading, values in table.items() if any(value != "" for value in values)}
                tables.append(tabulate(known, "keys", tablefmt=style, disable_numparse=True))
        return "\n\n".join(tables)


def _listed(values: Sequence[float], digits: int) -> str:
    """All of a few stages' values; of many the first and the last."""
    shown = [f"{value:.{digits}f}" for value in values]
    return " ".join(shown) if len(shown) <= 3 else f"{shown[0]} to {shown[-1]}"


# of each kind of record a column's heading, and how its value is written
_COLUMNS: dict[str, dict[str, Callable[[Record], str]]] = {
    "steps": {
        "model": lambda one: one["model"],
        "case": lambda one: one["case"],
        "task": lambda one: one["task"],
        "texts": lambda one: one["texts"],
        "ratio": lambda one: f"{one['ratio']:.2f} [{one['least']:.2f}..{one['most']:.2f}]",
        "padded/real": lambda one: f"{one['bound']:.2f}",
        "ratio/that": lambda one: f"{one['ratio'] / one['bound']:.2f}",
        "ours, ms a stage": lambda one: _listed(one["milliseconds"], 0),
        "stages": lambda one: _listed(one["stage_measured"][1:], 2),
        "by FLOPs": lambda one: _listed((one["stage_formula"] or ())[1:], 2),
        "GFLOP/s": lambda one: f"{one['gflops']:.0f}" if one["gflops"] else "",
        "of the ceiling": lambda one: f"{100 * one['gflops'] / one['ceiling']:.0f} %" if "ceiling" in one else "",
    },
    "memory": {
        "model": lambda one: one["model"],
        "frozen blocks": lambda one: one["frozen"],
        "ours, MiB": lambda one: f"{one['ours'] / 2**20:,.0f}",
        "default, MiB": lambda one: f"{one['theirs'] / 2**20:,.0f}",
        "share": lambda one: f"{one['ours'] / one['theirs']:.2f}",
    },
    "sessions": {"session": lambda one: one["session"], "seconds": lambda one: f"{one['seconds']:.1f}"},
    "gpu": {
        "model": lambda one: f"{one['model']} {one['tuning']}",
        "task": lambda one: f"{one['task']} x {one['batch']}",
        "precision": lambda one: one["precision"],
        "seeds": lambda one: one["seeds"],
        "ms a seed's step": lambda one: f"{one['milliseconds']:.2f}",
        "steps/s of a seed": lambda one: f"{1000 / one['milliseconds']:.0f}",
        "default/ours": lambda one: f"{one['default']:.2f}" if "default" in one else "",
        "tuned/ours": lambda one: f"{one['tuned']:.2f}" if "tuned" in one else "",
        "of the card": lambda one: f"{100 * one['utilisation']:.0f} %",
        "launches": lambda one: f"{one['launches']:.0f}",
        "GiB": lambda one: f"{one['memory'] / 2**30:.1f}",
    },
    "hours": {"table": lambda one: one["table"], "hours, five seeds": lambda one: f"{one['hours']:.1f}"},
}
