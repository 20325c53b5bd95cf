"""Does the paper "Progtuning" (arXiv 2506.21119) reproduce, and where does it deviate?

The public names load on first use, so that `from progbench import updated_parameters` does not import torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors; at run time `__getattr__` loads a name when it is asked for
    from progbench.method.anatomy import Anatomy
    from progbench.method.callback import ProgressiveFreezing
    from progbench.method.counting import updated_parameters
    from progbench.method.saving import load_tuning, save_tuning
    from progbench.method.schedule import (
        Schedule,
        Stage,
        constant,
        growing,
        shrinking,
        single_block,
        without_low_blocks,
    )
    from progbench.method.tuning import apply_tuning

_HOMES = {
    "Anatomy": "method.anatomy",
    "ProgressiveFreezing": "method.callback",
    "apply_tuning": "method.tuning",
    "load_tuning": "method.saving",
    "save_tuning": "method.saving",
    "updated_parameters": "method.counting",
    "Schedule": "method.schedule",
    "Stage": "method.schedule",
    "constant": "method.schedule",
    "growing": "method.schedule",
    "shrinking": "method.schedule",
    "single_block": "method.schedule",
    "without_low_blocks": "method.schedule",
}

__all__ = [
    "Anatomy",
    "ProgressiveFreezing",
    "Schedule",
    "Stage",
    "apply_tuning",
    "constant",
    "growing",
    "load_tuning",
    "save_tuning",
    "shrinking",
    "single_block",
    "updated_parameters",
    "without_low_blocks",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("progbench")
    if name not in _HOMES:
        raise AttributeError(f"module 'progbench' has no attribute {name!r}")
    return getattr(importlib.import_module(f"progbench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
