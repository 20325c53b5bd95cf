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
    "anatomy": {"Anatomy"},
    "callback": {"ProgressiveFreezing"},
    "counting": {"updated_parameters"},
    "saving": {"load_tuning", "save_tuning"},
    "schedule": {"Schedule", "Stage", "constant", "growing", "shrinking", "single_block", "without_low_blocks"},
    "tuning": {"apply_tuning"},
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
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"progbench.method.{home}"), name)
    raise AttributeError(f"module 'progbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
