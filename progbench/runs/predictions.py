"""What a run predicted for each example after each epoch: a compressed file beside its result. No torch.

The result names the file and the checksum of its uncompressed content, since compression differs between machines.
"""

import gzip
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from progbench.errors import BadInput
from progbench.files import aside, parse_json
from progbench.kinds import is_number, is_whole

OfEpoch = Mapping[str, Mapping[str, list]]  # by evaluation set: "gold" and "predicted", or "predicted", "exact", "f1"


def path_beside(result: Path) -> Path:
    return result.with_name(f"{result.stem}.predictions.json.gz")


def save(result: Path, epochs: Sequence[OfEpoch]) -> dict[str, str]:
    """File a run's predictions beside its result; gives their file and checksum, or nothing where there are none."""
    if not any(epochs):
        return {}
    content = _text(epochs).encode()
    path = path_beside(result)
    with aside(path) as written:
        with written.open("wb") as file:
            file.write(gzip.compress(content, mtime=0))
            file.flush()
            os.fsync(file.fileno())
        os.replace(written, path)
    return {"file": path.name, "checksum": _checksum(content)}


def load(result: Path, named: Mapping[str, str]) -> dict[str, dict[str, list]]:
    """A run's predictions, by evaluation set; `named` is what its result says of their file.

    Of a task of classes or values a set has `gold`, one item an example, and `epochs`, such a list an epoch. Of SQuAD
    it has `epochs` (answers), `exact` and `f1`, a list an epoch each. Raises BadInput, naming the file, where there are
    none, or others than the result was made with.
    """
    path = path_beside(result)
    if not named:
        raise BadInput(f"{result}: made before runs kept their predictions; delete it to run this seed again")
    try:
        with gzip.open(path) as file:
            content = file.read()
    except (OSError, EOFError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise BadInput(f"{path}: the predictions of {result.name} cannot be read: {why}") from None
    if _checksum(content) != named.get("checksum"):
        raise BadInput(f"{path}: its checksum is not the one in {result.name}, so it was damaged or edited")
    try:
        lists = parse_json(content.decode(), nan=False)
        sound = isinstance(lists, dict) and bool(lists) and all(map(_fits, lists.values()))
    except ValueError:
        sound = False
    if not sound:
        raise BadInput(f"{path}: its content is not the predictions of a run")
    return lists


def _text(epochs: Sequence[OfEpoch]) -> str:
    """The content of a file: what is the same in every epoch stands there once."""
    by_set: dict[str, dict[str, Any]] = {}
    for epoch in epochs:
        for name, lists in epoch.items():
            entry = by_set.setdefault(name, {"epochs": []})
            entry["epochs"].append(lists["predicted"])
            if "gold" in lists:
                entry["gold"] = lists["gold"]
            else:
                for each in ("exact", "f1"):
                    entry.setdefault(each, []).append(lists[each])
    return json.dumps(by_set, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _fits(entry: Any) -> bool:
    """Whether an evaluation set's entry has the lists that it should have, each of one length."""
    if not isinstance(entry, dict):
        return False
    epochs = entry.get("epochs")
    others = [entry["gold"]] if set(entry) == {"epochs", "gold"} else []
    if set(entry) == {"epochs", "exact", "f1"} and all(isinstance(entry[name], list) for name in ("exact", "f1")):
        others = [*entry["exact"], *entry["f1"]]
        if len(others) != 2 * len(epochs or ()):
            return False
    if not (isinstance(epochs, list) and epochs and others):
        return False
    columns = [*epochs, *others]
    return (
        all(isinstance(column, list) for column in columns)
        and len({len(column) for column in columns}) == 1
        and all(is_whole(item) or is_number(item) for column in others for item in column)
        and all(isinstance(item, str) or is_number(item) for column in epochs for item in column)
    )


def _checksum(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
