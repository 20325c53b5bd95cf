"""The paper's sentences, read from expected/<suite>/claims.toml. No torch, no judging."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from progbench import kinds
from progbench.errors import BadInput
from progbench.files import read_toml
from progbench.judging import guards
from progbench.judging.claims import QUANTITIES, WANTED, Claim, Comparison
from progbench.judging.words import NOT_WORSE

_NUMBER = kinds.number("", lambda x: True)
_ROWS: kinds.Kind = ("a row, or a list of rows", lambda value: kinds.TEXT[1](value) or kinds.TEXTS[1](value))
_METRICS: kinds.Kind = (
    "a table of metrics by column",
    lambda value: isinstance(value, dict) and all(map(kinds.TEXT[1], value.values())),
)
_WANTED = dict.fromkeys(("id", "sentence", "source"), kinds.TEXT) | {
    "quantity": kinds.choice(*QUANTITIES),
    "left": _ROWS,
    "columns": kinds.TEXTS,
}
_OPTIONAL = {
    "right": _ROWS,
    "above": _NUMBER,
    "at_least": _NUMBER,
    "at_most": _NUMBER,
    "wanted": kinds.choice(*WANTED),
    "margin": kinds.number("from 0 to 100", lambda x: 0 <= x <= 100),
    "reason": kinds.TEXT,
    "metric": _METRICS,
    "variant": kinds.TEXT,
}


def read(root: Path, suite: str) -> list[Claim] | BadInput:
    """The claims in expected/<suite>/claims.toml; for an unreadable file its problem is returned."""
    path = root / suite / "claims.toml"
    try:
        arguments = guards.disputed(root, suite)["claims"]
        content = read_toml(path)
        if set(content) != {"claims"} or not kinds.TABLES[1](content["claims"]):
            raise BadInput(f"{path}: one [[claims]] for each sentence, and nothing else; it has {sorted(content)}")
        problem = guards.edited(root / suite, ["claims.toml", "disputed.toml"], printed=bool(arguments))
        claims = [
            _claim(entry, arguments, problem, f"{path}: claim {kinds.shown(entry.get('id', number))}")
            for number, entry in enumerate(content["claims"], start=1)
        ]
        names = [claim.id for claim in claims]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise BadInput(f"{path}: two claims are called {twice[0]!r}")
        guards.require_known(str(path), set(arguments), set(names))
        return claims
    except BadInput as problem:
        return problem


def _claim(entry: dict[str, Any], arguments: Mapping[str, str], problem: str, where: str) -> Claim:
    kinds.fields(entry, where, _WANTED, _OPTIONAL)
    second = "variant" if entry["quantity"] == "fits" else "right"
    if second not in entry:
        raise BadInput(f"{where}: no {second}")
    bounds = [key for key in ("above", "at_least", "wanted") if key in entry]
    if entry["quantity"] != "fits" and len(bounds) != 1:
        raise BadInput(f"{where}: one of above, at_least and wanted must say when it holds")
    if (entry.get("wanted") == NOT_WORSE) != ("margin" in entry):
        raise BadInput(f"{where}: margin belongs to wanted = {NOT_WORSE!r}, and to nothing else")
    if "wanted" in entry and (entry["quantity"] != "difference" or "at_most" in entry):
        raise BadInput(f"{where}: wanted is for a difference, and has no at_most")
    worst = 0.0 - entry.get("margin", 0.0)
    lowest = entry.get("above", entry.get("at_least", worst if "wanted" in entry else -math.inf))
    if lowest > entry.get("at_most", math.inf):
        raise BadInput(f"{where}: at_most = {entry['at_most']:g} is below {lowest:g}")
    if strange := sorted(set(entry.get("metric", {})) - set(entry["columns"])):
        raise BadInput(f"{where}: metric names {strange[0]}, which is not listed in columns")

    def cells(side: str, column: str) -> tuple[str, ...]:
        rows = entry.get(side, ())
        return tuple(f"{row}-{column}" for row in ([rows] if isinstance(rows, str) else rows))

    copied = ("id", "sentence", "source", "quantity", "wanted", "margin", "reason", "metric", "variant")
    return Claim(
        **{name: entry[name] for name in copied if name in entry},
        comparisons=tuple(Comparison(name, cells("left", name), cells("right", name)) for name in entry["columns"]),
        lowest=lowest,
        highest=entry.get("at_most", math.inf),
        strict="above" in entry or "wanted" in entry,
        disputed=arguments.get(entry["id"], ""),
        problem=problem,
    )
