"""Chains of elementwise operations, which torch.compile makes one kernel on a GPU."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch

Chain = Callable[..., Any]
_refused: set[Chain] = set()


def chain(function: Chain) -> Chain:
    """Let a GPU compute a function of tensors in one kernel; a CPU runs it as it is.

    >>> chain(lambda left, right: (left + right) * 2)(torch.ones(2), torch.ones(2))
    tensor([4., 4.])

    The first argument is a tensor. The second dimension of matrices and of what has three dimensions may differ from
    call to call, and nothing is compiled anew. Where torch cannot compile, for want of a C compiler, say, the function
    runs as it is, with a warning: it must not depend on being one kernel.
    """

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        if arguments[0].device.type == "cpu" or function in _refused:
            return function(*arguments)
        for tensor in arguments:
            if isinstance(tensor, torch.Tensor) and tensor.ndim > 1:
                torch._dynamo.maybe_mark_dynamic(tensor, 1)
        try:
            return compiled(function)(*arguments)
        except torch._dynamo.exc.TorchDynamoException as problem:
            _refused.add(function)
            warnings.warn(f"{function.__name__} runs as it is: {str(problem).partition(chr(10))[0]}", stacklevel=2)
            return function(*arguments)

    return call


@functools.cache
def compiled(function: Chain) -> Chain:
    """The function as torch.compile makes it."""
    return torch.compile(function, fullgraph=True)
