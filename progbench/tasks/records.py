"""A table of texts and labels in other files than GLUE's: CSV, JSON lines, or what `datasets` saved. No torch."""

from __future__ import annotations

import csv
import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from progbench import kinds
from progbench.errors import BadInput
from progbench.files import parse_json, refuse_halves
from progbench.tasks.remarks import blank

Record = dict[str, Any]
ENDINGS = (".tsv", ".csv", ".jsonl", ".json")
MOST_LETTERS = 2**31 - 1  # of a field; the standard library's own limit is that of a short article
_BETWEEN = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a bar"}  # what stands between fields


def content_of(path: Path) -> bytes:
    """The bytes of a file, or of all files of a folder in the order of their names."""
    if path.is_dir():
        return b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())
    return path.read_bytes()


def read(path: Path) -> Iterator[tuple[str, Record]]:
    """The rows of a file by its ending, each with its place. Raises BadInput for another ending, and for a row that is
    unfit.
    """
    if path.is_dir():
        yield from _saved(path)
        return
    readers = {".tsv": _tabs, ".csv": _commas, ".jsonl": _lines, ".json": _lines}
    if (ending := path.suffix.lower()) not in readers:
        raise BadInput(f"{path}: wanted is {', '.join(ENDINGS)}, or a folder that datasets' save_to_disk has written")
    try:
        yield from readers[ending](path)
    except UnicodeDecodeError as problem:
        raise BadInput(f"{path}: not UTF-8: {problem.reason} at byte {problem.start}") from None


def columns(path: Path, text: Sequence[str], label: str) -> tuple[tuple[list[str], ...], list[tuple[str, str]]]:
    """The texts of a file by their columns, and each row's place and label.

    Raises BadInput for a row without them: an absent label would else be a class of its own, called "None".
    """
    texts: tuple[list[str], ...] = tuple([] for _ in text)
    labels = []
    for where, row in read(path):
        if absent := [name for name in (*text, label) if name not in row]:
            raise BadInput(f"{where}: no column {', '.join(map(kinds.shown, absent))}; there are {listed(row)}")
        for column, name in zip(texts, text, strict=True):
            if not isinstance(row[name], str) or blank(row[name]):
                raise BadInput(f"{where}: {name} = {kinds.shown(row[name])}: wanted is a text that is not empty")
            column.append(row[name])
        if not _is_label(row[label]):
            raise BadInput(f"{where}: {listed([label])} = {kinds.shown(row[label])}: wanted is a text or a number")
        labels.append((where, str(row[label])))
    return texts, labels


def listed(columns: Iterable[str]) -> str:
    """Names of columns as a message shows them: cut short, where a file has thousands.

    >>> listed(["text", "label"])
    'text, label'
    """
    return textwrap.shorten(", ".join(map(str, columns)), 200, placeholder=" ...")


def _is_label(value: object) -> bool:
    return not blank(value) if isinstance(value, str) else isinstance(value, bool) or kinds.is_number(value)


def _tabs(path: Path) -> Iterator[tuple[str, Record]]:
    """As GLUE writes them: no quoting, and only a line feed ends a line."""
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        rows = ((number, line.rstrip("\r\n").split("\t")) for number, line in enumerate(file, start=1))
        yield from _under_header(path, rows, "\t")


def _commas(path: Path) -> Iterator[tuple[str, Record]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        csv.field_size_limit(MOST_LETTERS)
        reader = csv.reader(file, strict=True)
        try:
            yield from _under_header(path, ((reader.line_num, row) for row in reader if row), ",")
        except csv.Error as problem:
            raise BadInput(f"{path}:{reader.line_num}: {problem}") from None


def _under_header(path: Path, rows: Iterator[tuple[int, list[str]]], between: str) -> Iterator[tuple[str, Record]]:
    header = next(rows, (1, [""]))[1]
    if any("\r" in name for name in header):
        raise BadInput(f"{path}:1: a carriage return alone ends its lines, as on an old Mac: wanted is a line feed")
    if len(header) == 1 and (other := next((mark for mark in _BETWEEN if mark in header[0]), "")):
        divided = f"{_BETWEEN[other]} stands between its columns"
        raise BadInput(f"{path}:1: {divided}: wanted is {_BETWEEN[between]} in a file that ends in {path.suffix}")
    if twice := [name for name in header if header.count(name) > 1]:
        raise BadInput(f"{path}:1: two columns are called {kinds.shown(twice[0])}")
    for number, fields in rows:
        if len(fields) != len(header):
            columns = f"{len(fields)} column{'s' * (len(fields) != 1)}"
            raise BadInput(f"{path}:{number}: {columns}, expected {len(header)}: {listed(header)}")
        yield f"{path}:{number}", dict(zip(header, fields, strict=True))


def _lines(path: Path) -> Iterator[tuple[str, Record]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = parse_json(line, nan=False)
                if not isinstance(row, dict):
                    raise BadInput(f"{path}:{number}: {kinds.shown(row)} is no object; wanted is one object a line")
                refuse_halves(row)
            except json.JSONDecodeError as problem:
                raise BadInput(f"{path}:{number}: not JSON: {problem}; wanted is one object a line") from None
            except BadInput:
                raise
            except ValueError as problem:
                raise BadInput(f"{path}:{number}: {problem}") from None
            yield f"{path}:{number}", row


def _saved(path: Path) -> Iterator[tuple[str, Record]]:
    import datasets

    try:
        split = datasets.load_from_disk(str(path))
    except Exception as problem:  # of datasets or pyarrow: whatever is wrong, the folder is named
        raise BadInput(f"{path}: no folder that datasets' save_to_disk has written ({problem})") from None
    if not isinstance(split, datasets.Dataset):
        raise BadInput(
            f"{path}: holds several splits ({', '.join(split)}); name the folder of one, such as {path}/train"
        )
    columns = split.features.items()
    classes = {
        name: dict(enumerate(column.names)) for name, column in columns if isinstance(column, datasets.ClassLabel)
    }
    for number, row in enumerate(split):
        named = {name: names.get(row[name]) for name, names in classes.items()}  # -1 is none
        yield f"{path}: row {number}", row | named
