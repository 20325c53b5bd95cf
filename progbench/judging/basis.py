"""What a printed count rests on, read from expected/<suite>/basis.toml, and what the paper draws without a number.

A count that follows from the paper's own words is a prediction that could have failed. One whose epochs or model were
chosen to give the printed total could not: its agreement is shown apart.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from progbench import kinds
from progbench.errors import BadInput
from progbench.judging import guards

STATED, FITTED, PREDICTED = "stated", "fitted", "predicted"
BASES = (STATED, FITTED, PREDICTED)  # of a count that is printed; "" for everything else

_ROW = dict.fromkeys(("table", "row", "setting", "argument"), kinds.TEXT) | {"basis": kinds.choice(FITTED, PREDICTED)}
_NOT_PRINTED = dict.fromkeys(("table", "argument"), kinds.TEXT)


@dataclass(frozen=True)
class Bases:
    """A suite's basis.toml: by (table's file, row) a basis with its argument, and by table why no number is printed."""

    rows: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    not_printed: Mapping[str, str] = field(default_factory=dict)

    def of(self, table: str, row: str) -> tuple[str, str]:
        """The basis of a row's printed counts, and its argument."""
        return self.rows.get((table, row), (STATED, ""))

    def require_known(self, where: str, table: str, rows: Container[str]) -> None:
        """Raise BadInput for an entry on a row that the table does not have."""
        if unknown := [row for file, row in self.rows if file == table and row not in rows]:
            raise BadInput(f"{where}: basis.toml speaks of {unknown[0]}, which is no row of it")


def read(root: Path, suite: str) -> Bases:
    """The content of expected/<suite>/basis.toml; empty if a suite has no such file.

    Raises BadInput, naming file and entry, for an entry of another shape.
    """
    found = guards.entries(root / suite / "basis.toml", {"rows": _ROW, "not_printed": _NOT_PRINTED})
    rows = {
        (entry["table"], entry["row"]): (entry["basis"], f"{entry['basis']} ({entry['setting']}): {entry['argument']}")
        for entry in found["rows"]
    }
    return Bases(rows, {entry["table"]: entry["argument"] for entry in found["not_printed"]})
