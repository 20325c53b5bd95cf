"""What a folder with a model must hold before it is trained, and what was read from it. No torch.

Its configuration and tokenizer are compared with models.toml when they are loaded (`loading`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import operator
from pathlib import Path

from progbench.errors import BadInput

VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # transformers takes the first that is there
POINTER = b"version https://git-lfs"


def is_whole(folder: Path) -> bool:
    """Whether configuration, weights and a vocabulary are there: an interrupted download may lack any of them."""
    there = (folder / "config.json").is_file() and weights(folder)
    return bool(there) and any((folder / name).is_file() for name in VOCABULARIES)


def weights(folder: Path) -> list[Path]:
    """The files that transformers loads weights from: one, or all that an index names; [] where there is none."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            named = _json(index).get("weight_map")
            if not isinstance(named, dict) or not named:
                raise BadInput(f"{index}: names no files of weights; fetch the model again")
            return [index, *(folder / name for name in sorted({str(name) for name in named.values()}))]
    return []


def require_whole(folder: Path) -> None:
    """Raise BadInput, naming the file, for a folder that cannot be loaded: a file absent, cut off, or not fetched."""
    _json(folder / "config.json")
    if not any((folder / name).is_file() for name in VOCABULARIES):  # without one, every word would be unknown
        raise BadInput(f"{folder}: holds no tokenizer: none of {', '.join(VOCABULARIES)}")
    _require_vocabulary(folder)
    files = weights(folder)
    if not files:
        raise BadInput(f"{folder}: holds no weights: none of {', '.join(WEIGHTS)}")
    for path in files:
        if not path.is_file() or not path.stat().st_size:
            raise BadInput(f"{path}: is not there, or empty; fetch the model again")
        if path.suffix == ".safetensors":
            _require_tensors(path)
        else:
            _refuse_pointer(path)


def fingerprint(folder: Path) -> str:
    """The sha256 of the weights that are loaded: of the one file, or of the files' checksums in their order."""
    sums = [_sha256(path) for path in weights(folder)]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def _require_vocabulary(folder: Path) -> None:
    if (folder / "tokenizer.json").is_file():
        model = _json(folder / "tokenizer.json").get("model")
        if not isinstance(model, dict) or not model.get("vocab"):
            raise BadInput(f"{folder / 'tokenizer.json'}: holds no vocabulary; fetch the model again")
        return
    if (folder / "vocab.txt").is_file():
        _require_lines(folder / "vocab.txt")
        return
    if not _json(folder / "vocab.json"):
        raise BadInput(f"{folder / 'vocab.json'}: holds no vocabulary; fetch the model again")
    _require_lines(folder / "merges.txt")


def _require_lines(path: Path) -> None:
    text = ""
    if path.is_file():
        _refuse_pointer(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as problem:
            raise BadInput(f"{path}: cannot be read: {problem}") from None
    if not any(line.strip() and not line.startswith("#version") for line in text.splitlines()):
        raise BadInput(f"{path}: is not there, or holds nothing, so that words could not be told apart")


def _json(path: Path) -> dict:
    _refuse_pointer(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise BadInput(f"{path}: cannot be read as JSON ({problem}); fetch the model again") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path}: holds {type(content).__name__} where an object is wanted; fetch the model again")
    return content


def _refuse_pointer(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(len(POINTER))
    except OSError as problem:
        raise BadInput(f"{path}: cannot be read: {problem.strerror}") from None
    if start == POINTER:
        raise BadInput(f"{path}: is a pointer of Git LFS and not the file itself; fetch it with `git lfs pull`")


def _require_tensors(path: Path) -> None:
    """A safetensors file is a header that says where each tensor ends, and then exactly so many bytes."""
    _refuse_pointer(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if length < size else b""
    try:
        tensors = json.loads(header)
        end = max(operator.index(entry["data_offsets"][1]) for name, entry in tensors.items() if name != "__metadata__")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise BadInput(f"{path}: its header is not one of safetensors; fetch it again") from None
    if size != 8 + length + end:
        raise BadInput(f"{path}: has {size:,} bytes, and its header says {8 + length + end:,}; fetch it again")


def _sha256(path: Path) -> str:
    about = path.stat()
    return _hashed(path, about.st_size, about.st_mtime_ns)


@functools.cache
def _hashed(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
