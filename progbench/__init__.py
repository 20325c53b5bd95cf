"""Does the paper "Progtuning" (arXiv 2506.21119) reproduce, and where does it deviate?

The public names load on first use, so that `from progbench import updated_parameters` does not import torch.
"""

from __future__ import annotations

import importlib

_HOMES = {
    "Anatomy": "anatomy",
    "ProgressiveFreezing": "callback",
    "apply_tuning": "tuning",
    "updated_parameters": "counting",
    "Schedule": "schedule",
    "Stage": "schedule",
    "constant": "schedule",
    "growing": "schedule",
    "shrinking": "schedule",
    "single_block": "schedule",
    "without_low_blocks": "schedule",
}

__all__ = [
    "Anatomy",
    "ProgressiveFreezing",
    "Schedule",
    "Stage",
    "apply_tuning",
    "constant",
    "growing",
    "shrinking",
    "single_block",
    "updated_parameters",
    "without_low_blocks",
]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'progbench' has no attribute {name!r}")
    return getattr(importlib.import_module(f"progbench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
