"""Which tables belong to which of pytest's marks, and the cells and claims that a mark asks for."""

from __future__ import annotations

from progbench.errors import BadInput
from progbench.judging.claims import Claim
from progbench.judging.expected import Cell
from progbench.session.suite import Suite

# The marks of the files in benchmarks/, which a test holds to this. `params` is all counts, which no run is behind.
MARKS = {
    "glue": ("table1",),
    "squad": ("table2",),
    "params": (),
    "peft": ("table4",),
    "ablation": ("table5",),
    "figures": ("figure1", "figure4"),
    "claims": ("claims",),
}


def asked(suite: Suite, mark: str = "") -> list[Cell | Claim]:
    """The cells and claims of a suite that have runs behind them: those of one mark, or with none all there are.

    Raises BadInput for a table that cannot be read: nobody could say what it needs.
    """
    found: list[Cell | Claim] = []
    for name in MARKS[mark] if mark else [*suite.tables(), "claims"]:
        if name == "claims":
            claims = suite.claims()
            if isinstance(claims, BadInput):
                raise claims
            found += claims
        elif suite.has(name):
            if problem := suite.table(name).problem:
                raise BadInput(problem)
            found += [cell for cell in suite.table(name).cells if cell.kind != "counted"]
    return found
