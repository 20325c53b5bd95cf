"""Whether the files of expected/<suite>/ are those checked in, what of them is disputed, and what counts rest on.

A count that follows from the paper's own words is a prediction that could have failed. One whose epochs or model were
chosen to give the printed total could not: its agreement is shown apart.
"""

import hashlib
import os
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from progbench import kinds, places
from progbench.errors import BadInput
from progbench.files import read_text, read_toml
from progbench.recipes import reading

SUMS = "SHA256SUMS"
STATED, FITTED, PREDICTED = BASES = ("stated", "fitted", "predicted")  # of a printed count; "" for everything else
NO_TABLES = {"tolerance", "disputed", "basis", "difference"}  # what tables and claims are read with


def absent_or_strange(root: Path, suite: str, listed: Sequence[str]) -> dict[str, str]:
    """The problems of a suite's files, by the file's name without its ending.

    A file that the suite or SHA256SUMS lists, and that is gone, would take its cells out of the report. One that is not
    listed would never be judged.
    """
    folder = root / suite
    there = {path.stem for path in folder.glob("*.toml")} - NO_TABLES
    try:
        summed = {name.removesuffix(".toml") for name in _sums(folder) if name.endswith(".toml")} - NO_TABLES
    except BadInput:  # which every table that is read says
        summed = set()
    problems = {}
    for name in sorted({*listed, *summed} - there):
        where = "suite.toml" if name in listed else SUMS
        problems[name] = f"{folder / name}.toml is gone, and {where} lists it: nobody knows which cells it had"
    for name in sorted(there - {*listed}):
        where = f"{folder / name}.toml"
        problems[name] = f"{where} is not listed in the suite's suite.toml: add it to `tables`, or delete it"
    return problems


def edited(folder: Path, names: Sequence[str], printed: bool) -> str:
    """Why these files may not be the ones that were checked in, else "". Our printed values must have checksums.

    So must the files of a suite whose suite.toml says so; a person's own need not. Raises BadInput for lines that are
    no checksums.
    """
    sums = folder / SUMS
    if not os.path.lexists(sums):
        asked = folder.name in reading.suites() and reading.settings(folder.name).checksums
        must = asked or (printed and not places.is_own(folder))
        return f"{sums} is missing, so nobody knows whether {names[0]} was edited" if must else ""
    listed = _sums(folder)
    for name in names:
        path = folder / name
        if name in listed and not path.is_file():
            return f"{path} is gone, and {SUMS} lists it, so this cell is not judged"
        if path.is_file() and name not in listed:
            return f"{path} is not listed in {SUMS}: add it there (sha256sum {name} >> {SUMS})"
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        except OSError as problem:
            return f"{path}: cannot be read: {_words(problem)}"
        if listed.get(name) != digest:
            return f"{path} was edited: its sha256 is not the one in {SUMS}, so this cell is not judged"
    return ""


def _words(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or str(problem)


def renewed(folder: Path, name: str) -> str:
    """A suite's SHA256SUMS with the checksum of a file that was just written; "" for a suite without sums."""
    listed = _sums(folder)
    if not listed:
        return ""
    listed[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return "".join(f"{digest}  {file}\n" for file, digest in sorted(listed.items()))


def _sums(folder: Path) -> dict[str, str]:
    """The checksums by file; empty without a file of them."""
    path = folder / SUMS
    if not os.path.lexists(path):
        return {}
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise BadInput(f"{path}: cannot be read: {_words(problem)}") from None
    sums = {}
    for number, line in enumerate(lines, start=1):
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](\S+)", line)
        if line and not match:
            raise BadInput(f"{path}:{number}: {kinds.shown(line)} is no checksum and file, as sha256sum writes them")
        if match:
            sums[match[2]] = match[1]
    return sums


_OF_CELLS = {"table": kinds.TEXT, "row": kinds.TEXT, "columns": kinds.TEXTS, "argument": kinds.TEXT}
_OF_CLAIM = {"claim": kinds.TEXT, "argument": kinds.TEXT}
_OF_ROW = dict.fromkeys(("table", "row", "setting", "argument"), kinds.TEXT) | {
    "basis": kinds.choice(FITTED, PREDICTED)
}
_NOT_PRINTED = dict.fromkeys(("table", "argument"), kinds.TEXT)


def entries(path: Path, shapes: Mapping[str, Mapping[str, kinds.Kind]]) -> dict[str, list[dict]]:
    """The tables of a file by the name of their list, each with its fields; none without the file.

    Raises BadInput, naming file, list and entry, for an entry of another shape.
    """
    content = read_toml(path) if os.path.lexists(path) else {}
    kinds.fields(content, str(path), {}, dict.fromkeys(shapes, kinds.TABLES))
    for name, shape in shapes.items():
        for number, entry in enumerate(content.get(name, ()), start=1):
            kinds.fields(entry, f"{path}: {name}, entry {number}", shape)
    return {name: content.get(name, []) for name in shapes}


def disputed(root: Path, suite: str) -> dict[str, dict]:
    """The arguments of disputed.toml: under "cells" by (table's file, cell id), under "claims" by the claim's id."""
    found = entries(root / suite / "disputed.toml", {"cells": _OF_CELLS, "claims": _OF_CLAIM})
    cells = {
        (entry["table"], f"{entry['row']}-{column}"): entry["argument"]
        for entry in found["cells"]
        for column in entry["columns"]
    }
    return {"cells": cells, "claims": {entry["claim"]: entry["argument"] for entry in found["claims"]}}


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


def bases(root: Path, suite: str) -> Bases:
    """The content of expected/<suite>/basis.toml; empty if a suite has no such file.

    Raises BadInput, naming file and entry, for an entry of another shape.
    """
    found = entries(root / suite / "basis.toml", {"rows": _OF_ROW, "not_printed": _NOT_PRINTED})
    rows = {
        (entry["table"], entry["row"]): (entry["basis"], f"{entry['basis']} ({entry['setting']}): {entry['argument']}")
        for entry in found["rows"]
    }
    return Bases(rows, {entry["table"]: entry["argument"] for entry in found["not_printed"]})


def require_known(where: str, disputes: set[str], known: set[str]) -> None:
    """Raise BadInput for a dispute over a cell or claim that does not exist."""
    if unknown := sorted(disputes - known):
        raise BadInput(f"{where}: disputed.toml disputes {unknown[0]}, which is not in it")
