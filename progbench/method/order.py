"""In which order a module uses its members: read from the source of `forward`, since there is no input to run it."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Iterator

from torch import nn

SAYS_NOTHING = ("config", "dtype", "device")  # to ask a member for these is not to use it


def order_of_use(module: nn.Module) -> list[str]:
    """The names of the module's members in the order in which `forward` uses them; empty without a source.

    >>> order_of_use(nn.Bilinear(2, 2, 1))
    ['weight', 'bias']

    Methods that `forward` calls are read where they are called. All branches are read.
    """
    return list(_names(type(module), "forward", ()))


def used_before(holder: nn.Module, name: str, others: set[str]) -> bool:
    """Whether `forward` uses a member before it is done with any of `others`; else, whether it was registered first."""
    for order in (order_of_use(holder), [child for child, _ in holder.named_children()]):
        if name in order and others & {*order}:
            done = {other: number for number, other in enumerate(order)}  # a list's length may be asked before its turn
            return order.index(name) < min(done[other] for other in others & done.keys())
    return True


def runs_through(module: nn.Module, name: str) -> bool:
    """Whether the module's own `forward` loops over its member of this name, and over no other beside it.

    Then all that the member lists runs in one call, as a feature extractor's layers do.
    """
    kind: type = type(module)
    source = _method(kind, "forward")
    loops = [node.iter for node in ast.walk(source[1]) if isinstance(node, ast.For)] if source else []
    return any({*_used(loop)} == {name} for loop in loops)


@functools.cache
def _method(kind: type, name: str) -> tuple[type, ast.AST] | None:
    owner = next((base for base in kind.__mro__ if name in vars(base)), None)
    if owner in (None, nn.Module, object):
        return None
    try:
        return owner, ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(getattr(owner, name)))))
    except (OSError, TypeError, SyntaxError):  # typed into a shell, built in, or cut out of something larger
        return None


def _names(kind: type, method: str, above: tuple[str, ...]) -> Iterator[str]:
    source = None if method in above else _method(kind, method)
    if source is not None:
        for name in _used(source[1]):
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
    fields = [value for _, value in ast.iter_fields(node)]
    if isinstance(node, ast.Call | ast.Assign | ast.ListComp | ast.GeneratorExp):
        fields.reverse()  # what goes in before what it goes into
    for value in fields:
        for below in value if isinstance(value, list) else [value]:
            if isinstance(below, ast.AST):
                yield from _used(below)
