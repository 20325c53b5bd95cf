"""Anyone's model: a known name, or a folder with its files, and its entry of a models.toml."""

import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from progbench import hub
from progbench.errors import BadInput
from progbench.method.layout import LAYOUTS
from progbench.models import agreement, loading
from progbench.models.folder import fingerprint, is_whole, require_whole
from progbench.models.spec import ModelSpec, spec, specs


@dataclass(frozen=True)
class Guest:
    """A model's name in a suite, its entry of models.toml (empty for a known one), and how many tokens it reads."""

    name: str
    entry: dict[str, Any]
    readable: int


def describe(wanted: str) -> Guest:
    """Look at a model: a known name, a folder with transformers' files, or a repository of the hub.

    >>> describe("minilm")
    Guest(name='minilm', entry={}, readable=512)

    Raises BadInput for none of these, and for a model that cannot be taken apart; Missing if the hub does not give it.
    """
    folder = Path(wanted)
    if not folder.is_dir():
        with contextlib.suppress(BadInput):
            known = spec(wanted)
            return Guest(known.name, {}, known.readable)
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", wanted):
            there = f"wanted is one of {', '.join(specs())}, a folder, or a name on the hub"
            raise BadInput(f"{wanted}: no folder, and no known model; {there}")
        folder = hub.fetch(hub.Files(wanted, hub.newest(wanted), "model", loading.HUB_FILES, "MODEL", is_whole))
    require_whole(folder)
    # it can stand in a path, and is no known model's
    taken = {name for known in specs().values() for name in known.answers_to}
    plain = re.sub(r"[^a-z0-9.]+", "-", Path(wanted).resolve().name.lower()).strip("-.") or "model"
    return _of_folder(folder, f"{plain}-own" if plain in taken else plain)


def _of_folder(folder: Path, name: str) -> Guest:
    import transformers

    configuration = transformers.AutoConfig.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    entry = {
        "architecture": configuration.model_type,
        "path": str(folder.resolve()),
        "revision": _revision(folder),
        "source": "its folder",
    }
    if sized := _sized(name, entry, configuration, tokenizer, folder):
        return Guest(name, sized, ModelSpec(name=name, **sized).readable)
    from progbench.method.anatomy import Anatomy

    limits = [getattr(configuration, limit, None) for limit in ("max_position_embeddings", "n_positions")]
    limits = [limit for limit in (*limits, tokenizer.model_max_length) if isinstance(limit, int) and 0 < limit < 10**6]
    entry |= {"blocks": Anatomy.of(loading.outline(str(folder), 2)).L, "positions": min(limits, default=10**6)}
    return Guest(name, entry, entry["positions"])


def _sized(name: str, entry: dict[str, Any], configuration, tokenizer, folder: Path) -> dict[str, Any]:
    """The entry with the sizes for closed forms, if these describe the whole model; else nothing."""
    if configuration.model_type not in LAYOUTS:
        return {}
    sizes = {
        ours: value
        for theirs, ours in agreement.CALLED.items()
        if (value := getattr(configuration, theirs, None)) is not None
    }
    sized = entry | sizes
    try:
        agreement.require_agreement(ModelSpec(name=name, **sized), configuration, tokenizer, folder)
    except (BadInput, TypeError):
        return {}
    return sized


def _revision(folder: Path) -> str:
    """The start of a checksum over all that decides what the model and its tokenizer do."""
    digest = hashlib.sha256(fingerprint(folder).encode())
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".txt", ".model") and path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]
