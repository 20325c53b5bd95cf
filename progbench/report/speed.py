"""What the speed benchmark measured, as tables and as JSON. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
        return "\n\n".join(tabulate(rows, headers, disable_numparse=True) for headers, rows in self._tables() if rows)

    def as_markdown(self) -> str:
        """The same tables as Markdown, for docs/speed.md."""
        tables = [
            tabulate(rows, headers, tablefmt="pipe", disable_numparse=True) for headers, rows in self._tables() if rows
        ]
        return "\n\n".join(tables)

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

    def _tables(self) -> list[tuple[Sequence[str], list[list]]]:
        steps = [
            [
                one["model"],
                one["case"],
                one["task"],
                one["texts"],
                f"{one['ratio']:.2f} [{one['least']:.2f}..{one['most']:.2f}]",
                f"{one['bound']:.2f}",
                f"{one['ratio'] / one['bound']:.2f}",
                _listed(one["milliseconds"], 0),
                _listed(one["stage_measured"][1:], 2),
                _listed((one["stage_formula"] or ())[1:], 2),
                f"{one['gflops']:.0f}" if one["gflops"] else "",
            ]
            for one in self.steps
        ]
        memory = [
            [
                one["model"],
                one["frozen"],
                f"{one['ours'] / 2**20:,.0f}",
                f"{one['theirs'] / 2**20:,.0f}",
                f"{one['ours'] / one['theirs']:.2f}",
            ]
            for one in self.memory
        ]
        sessions = [[one["session"], f"{one['seconds']:.1f}"] for one in self.sessions]
        gpu = [
            [
                f"{one['model']} {one['tuning']}",
                f"{one['task']} x {one['batch']}",
                one["precision"],
                one["seeds"],
                f"{one['milliseconds']:.2f}",
                f"{1000 / one['milliseconds']:.0f}",
                *(f"{one[name]:.2f}" if name in one else "" for name in ("default", "tuned")),
                f"{100 * one['utilisation']:.0f} %",
                f"{one['launches']:.0f}",
                f"{one['memory'] / 2**30:.1f}",
            ]
            for one in self.gpu
        ]
        hours = [[one["table"], f"{one['hours']:.1f}"] for one in self.hours]
        return [(STEPS, steps), (MEMORY, memory), (SESSIONS, sessions), (GPU, gpu), (HOURS, hours)]


def _listed(values: Sequence[float], digits: int) -> str:
    """All of a few stages' values; of many the first and the last."""
    shown = [f"{value:.{digits}f}" for value in values]
    return " ".join(shown) if len(shown) <= 3 else f"{shown[0]} to {shown[-1]}"


STEPS = (
    "model", "case", "task", "texts", "ratio", "padded/real", "ratio/that", "ours, ms a stage", "stages", "by FLOPs",
    "GFLOP/s",
)  # fmt: skip
MEMORY = ("model", "frozen blocks", "ours, MiB", "default, MiB", "share")
SESSIONS = ("session", "seconds")
GPU = (
    "model", "task", "precision", "seeds", "ms a seed's step", "steps/s of a seed", "default/ours", "tuned/ours",
    "of the card", "launches", "GiB",
)  # fmt: skip
HOURS = ("table", "hours, five seeds")
