"""In which order a module uses its parts: read from the source of `forward`, since no input is at hand to run it."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Iterator

from torch import nn

SAYS_NOTHING = ("config", "dtype", "device")  # to ask a part for these is not to use it


def order_of_use(module: nn.Module) -> list[str]:
    """What `forward` uses of the module itself, by name, in the order of use; nothing where there is no source.

    >>> order_of_use(nn.Bilinear(2, 2, 1))
    ['weight', 'bias']

    Methods of the module that `forward` calls are read where they are called. Branches are read as if all were taken.
    """
    return list(_names(type(module), "forward", ()))


def used_before(holder: nn.Module, name: str, others: set[str]) -> bool:
    """Whether a module uses a part of itself before it is done with any of some others, as its `forward` says.

    Where that does not say: whether it was registered before them.
    """
    for order in (order_of_use(holder), [one for one, _ in holder.named_children()]):
        if name in order and others & {*order}:
            done = {other: number for number, other in enumerate(order)}  # a list's length may be asked before its turn
            return order.index(name) < min(done[other] for other in others & done.keys())
    return True


def runs_through(module: nn.Module, name: str) -> bool:
    """Whether the module's own `forward` has a loop over its part of this name."""
    found = _method(type(module), "forward")
    loops = [one.iter for one in ast.walk(found[1]) if isinstance(one, ast.For)] if found else []
    return any(name in _used(loop) for loop in loops)


@functools.cache
def _method(kind: type, name: str) -> tuple[type, ast.AST] | None:
    """A method as it stands in the source, with the class that defines it."""
    owner = next((one for one in kind.__mro__ if name in vars(one)), None)
    if owner in (None, nn.Module, object):
        return None
    try:
        return owner, ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(getattr(owner, name)))))
    except (OSError, TypeError, SyntaxError):  # typed into a shell, built in, or cut out of something larger
        return None


def _names(kind: type, method: str, above: tuple[str, ...]) -> Iterator[str]:
    found = None if method in above else _method(kind, method)
    if found is not None:
        for name in _used(found[1]):
            if inspect.isfunction(inspect.getattr_static(kind, name, None)):
                yield from _names(kind, name, (*above, method))
            else:
                yield name


def _used(node: ast.AST) -> Iterator[str]:
    """Attributes of `self` below a node, in the order in which they are evaluated."""
    if isinstance(node, ast.Attribute) and node.attr in SAYS_NOTHING:
        return
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        yield node.attr
        return
    parts = [part for _, part in ast.iter_fields(node)]
    if isinstance(node, ast.Call | ast.Assign | ast.ListComp | ast.GeneratorExp):
        parts.reverse()  # what goes in before what it goes into
    for part in parts:
        for one in part if isinstance(part, list) else [part]:
            if isinstance(one, ast.AST):
                yield from _used(one)
