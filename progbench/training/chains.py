"""Chains of elementwise operations, which torch.compile makes one kernel on a GPU."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import torch

FORMS = 128  # of arguments: blocks of four sizes, stages, and the models of one process
Chain = Callable[..., Any]
refused: set[Chain] = set()  # what torch could not compile


def chain(function: Chain) -> Chain:
    """Let a GPU compute a function of tensors in one kernel; a CPU runs it as it is.

    >>> chain(lambda left, right: (left + right) * 2)(torch.ones(2), torch.ones(2))
    tensor([4., 4.])

    The first argument is a tensor, and no gradient flows through a chain. The second dimension of tensors may differ
    from call to call, and nothing is compiled anew; for other sizes it is, up to `FORMS` times. Where torch cannot
    compile, for want of a C compiler, say, the function runs as it is, with a warning: it must not depend on being one
    kernel.
    """

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        if arguments[0].device.type == "cpu" or function in refused:
            return function(*arguments)
        try:
            return compiled(function)(*map(_marked, arguments))
        except (torch._dynamo.exc.TorchDynamoException, torch._dynamo.exc.FailOnRecompileLimitHit) as problem:
            refused.add(function)
            warnings.warn(f"{function.__name__} runs as it is: {str(problem).partition(chr(10))[0]}", stacklevel=2)
            return function(*arguments)

    return call


def _marked(argument: Any) -> Any:
    """A tensor whose second dimension alone may change without compiling anew; whether it trains makes no difference.

    Where a size has changed once, torch.compile would else compile for any, and sums over blocks of any size are a
    second kernel.
    """
    if not isinstance(argument, torch.Tensor):
        return argument
    tensor = argument.detach()
    for place in range(tensor.ndim if tensor.ndim > 1 else 0):
        (torch._dynamo.maybe_mark_dynamic if place == 1 else torch._dynamo.mark_static)(tensor, place)
    return tensor


@functools.cache
def compiled(function: Chain) -> Chain:
    """The function as torch.compile makes it.

    Kernels are not chosen by timing them: another choice sums in another order, and no run would repeat. The limit of
    forms is given here, since torch's settings are those of a thread, and backward passes have their own.
    """
    import torch._inductor.config  # seconds, which a process that compiles nothing is spared

    known = inspect.signature(torch.compile).parameters  # older versions of torch compile for eight forms
    limit = {"recompile_limit": FORMS} if "recompile_limit" in known else {}
    options = {"deterministic": True} if hasattr(torch._inductor.config, "deterministic") else {}
    return torch.compile(function, fullgraph=True, options=options, **limit)


def compilations() -> int:
    """How many functions torch has compiled in this process."""
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]
