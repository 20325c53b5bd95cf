"""The tunings by name, and the options each leaves open. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from progbench.errors import BadInput

# Each tuning and the options it leaves open, at the values the paper's totals fit (Table 3).
TUNINGS: dict[str, dict[str, Any]] = {
    "full": {},
    "adapter": {"reduction": 16},
    "bitfit": {},
    "lora": {"rank": 8, "alpha": 8.0, "targets": ("query", "value")},
}

_ALLOWED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "reduction": ("a whole number of at least 1", lambda x: type(x) is int and x >= 1),
    "rank": ("a whole number of at least 1", lambda x: type(x) is int and x >= 1),
    "alpha": ("a number above 0", lambda x: type(x) in (int, float) and 0 < x < float("inf")),
    "targets": ("one or more names of projections, each once", lambda x: _names(x) and 0 < len(x) == len(set(x))),
}


def _names(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)


def require_tuning(tuning: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a tuning, with its defaults.

    Raises BadInput for an unknown tuning or option, or a value that is not allowed.
    """
    if tuning not in TUNINGS:
        raise BadInput(f"unknown tuning {tuning!r}: known are {', '.join(TUNINGS)}")
    if unknown := [name for name in options if name not in TUNINGS[tuning]]:
        known = ", ".join(TUNINGS[tuning]) or "none"
        raise BadInput(f"the tuning {tuning} has no option {unknown[0]!r}; it has {known}")
    for name, value in options.items():
        allowed, fits = _ALLOWED[name]
        if not fits(value):
            raise BadInput(f"{tuning}: {name} = {value!r}: allowed is {allowed}")
    return TUNINGS[tuning] | dict(options)


def bottleneck_of(hidden: int, reduction: int) -> int:
    """The width of an adapter's bottleneck. Raises BadInput where the reduction leaves none."""
    if reduction > hidden:
        raise BadInput(f"adapter: reduction = {reduction} leaves nothing of the hidden size {hidden}")
    return hidden // reduction
