"""A model taken apart by the rules of `layout`: which module goes to which part of Eq. 1, and which rule said so."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import nn

from progbench.errors import BadInput
from progbench.method.layout import (
    AFTER,
    BEFORE,
    EMBEDDINGS,
    HEAD,
    HELD_BY_THE_FIRST_BLOCK,
    OUTSIDE,
    REFUSED,
    listed,
    rule_for,
)
from progbench.method.pieces import Piece
from progbench.method.wrappers import transformer_of


@dataclass(frozen=True)
class Stack:
    """A list of like blocks."""

    path: str
    blocks: tuple[nn.Module, ...]


def pieces_of(model: nn.Module) -> list[Piece]:
    """Every module of an opened model with one stack of like blocks, assigned to a part.

    In an encoder-decoder the blocks of the encoder come first, then those of the decoder: the order of the data.
    Raises BadInput for a model with no stack, with several, or with one block for all layers, with a `split` to copy.
    """
    stacks = require_stacks(model)
    base = transformer_of(model)
    path_of = {id(module): path for path, module in model.named_modules()}
    walk = _Walk(model, stacks)
    walk.inside(base, path_of[id(base)])
    walk.outside(path_of[id(base)])
    return walk.pieces


def require_stacks(model: nn.Module) -> list[Stack]:
    """The one stack of a model, or encoder and decoder. Raises BadInput where there is none, or others."""
    base = transformer_of(model)
    configuration = getattr(base, "config", None)
    kind = getattr(configuration, "model_type", None)
    if kind in REFUSED:
        raise BadInput(f"{type(model).__name__}: {REFUSED[kind]}")
    path_of = {id(module): path for path, module in model.named_modules()}
    found = list(_stacks(base, path_of[id(base)]))
    if not found:
        raise BadInput(
            f"{type(model).__name__} ({kind or 'no transformers model'}): no stack of like blocks, each with an "
            f"attention inside, was found; name its parts: {suggestion(model)}"
        )
    if nested := [stack.path for stack in found for block in stack.blocks if any(_stacks(block, ""))]:
        raise BadInput(
            f"{type(model).__name__}: the members of {nested[0]} hold stacks themselves, and which of the two are the "
            f"blocks is not for a rule to say; name its parts: {suggestion(model)}"
        )
    if len(found) == 1:
        return found
    by_name = [[stack for stack in found if part in stack.path.split(".")] for part in ("encoder", "decoder")]
    if len(found) == 2 and getattr(configuration, "is_encoder_decoder", False) and all(len(x) == 1 for x in by_name):
        return [stacks[0] for stacks in by_name]
    raise BadInput(
        f"{type(model).__name__} has {len(found)} stacks of blocks ({', '.join(stack.path for stack in found)}), and "
        f"not as encoder and decoder, so their order is not known; name its parts: {suggestion(model)}"
    )


def suggestion(model: nn.Module) -> str:
    """A call of `Anatomy.split` to copy and correct: it puts every parameter of the model into a part.

    >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    >>> suggestion(net)
    'Anatomy.split(model, embeddings=["0"], blocks=["1", "2"], head=["3"])'
    """
    blocks = max(_stacks(model, ""), key=_size, default=None)
    if blocks:
        paths = [f"{blocks.path}.{number}" for number in range(len(blocks.blocks))]
        around = list(_around(model, blocks.path, ""))
    else:
        owners = [name for name, child in model.named_children() if any(True for _ in child.parameters())]
        paths, around = owners[1:-1] or owners[:1], [(name, name == owners[0]) for name in owners]
        around = [(name, before) for name, before in around if name not in paths]
        around += [(name, True) for name, _ in model.named_parameters(recurse=False)]
    before, after = ([path for path, early in around if early is wanted] for wanted in (True, False))
    said = {"embeddings": before, "blocks": paths, "head": after}
    texts = (f"{name}=[{', '.join(chr(34) + path + chr(34) for path in found)}]" for name, found in said.items())
    return f"Anatomy.split(model, {', '.join(texts)})"


def _stacks(module: nn.Module, path: str) -> Iterator[Stack]:
    """The outermost stacks below a module, in the order in which they are registered."""
    for name, child in module.named_children():
        below = f"{path}.{name}" if path else name
        if _is_stack(child):
            yield Stack(below, tuple(child.children()))
        else:
            yield from _stacks(child, below)


def _is_stack(module: nn.Module) -> bool:
    members = list(module.children())
    alike = isinstance(module, nn.ModuleList | nn.Sequential) and len({type(member) for member in members}) == 1
    return alike and all(_attends(member) for member in members)


def _attends(block: nn.Module) -> bool:
    """An attention that is a part of the block: a list of attentions alone (XLM) is no stack."""
    return any("Attention" in type(part).__name__ for part in block.modules() if part is not block)


def _size(stack: Stack) -> int:
    return sum(parameter.numel() for block in stack.blocks for parameter in block.parameters())


def _around(module: nn.Module, stack: str, path: str) -> Iterator[tuple[str, bool]]:
    """What holds the parameters outside a stack, and whether it comes before it."""
    before = True
    for name, _ in module.named_parameters(recurse=False):
        yield f"{path}{name}", True
    for name, child in module.named_children():
        below = f"{path}{name}"
        if below == stack:
            before = False
        elif stack.startswith(f"{below}."):
            yield from _around(child, stack, f"{below}.")
            before = False
        elif any(True for _ in child.parameters()):
            yield below, before


class _Walk:
    """From the model down to its stacks, collecting a piece for each module that is met."""

    def __init__(self, model: nn.Module, stacks: list[Stack]) -> None:
        self.model = model
        self.stacks = {stack.path: stack for stack in stacks}
        self.pieces: list[Piece] = []
        self._numbers = itertools.count()

    def inside(self, holder: nn.Module, path: str) -> None:
        """The base model, or a module of it that holds a stack."""
        kind, passed = type(holder).__name__, False
        prefix = f"{path}." if path else ""
        for name, parameter in holder.named_parameters(recurse=False):
            if rule := rule_for(name, kind):  # one that no rule knows is in no part, which the anatomy refuses
                self._add(rule.part, prefix + name, rule.why, [parameter])
        for name, child in holder.named_children():
            below = prefix + name
            if below in self.stacks:
                self._blocks(self.stacks[below])
                passed = True
            elif any(stack.startswith(f"{below}.") for stack in self.stacks):
                self.inside(child, below)
                passed = True
            else:
                self._require_no_list_beside(child, below)
                rule = rule_for(name, kind)
                part, why = (rule.part, rule.why) if rule else (HEAD, AFTER) if passed else (EMBEDDINGS, BEFORE)
                self._add(part, below, why, child.parameters())

    def outside(self, base_path: str) -> None:
        """What the model has around its base model."""
        holder, path = self.model, ""
        for name in filter(None, base_path.split(".")):
            for bare, parameter in holder.named_parameters(recurse=False):
                self._add(HEAD, path + bare, OUTSIDE, [parameter])
            for other, child in holder.named_children():
                if other != name:
                    self._add(HEAD, path + other, OUTSIDE, child.parameters())
            holder, path = holder.get_submodule(name), f"{path}{name}."

    def _blocks(self, stack: Stack) -> None:
        first, *others = stack.blocks
        elsewhere: set[int] = set()
        for path, module in first.named_modules():
            holder, _, name = path.rpartition(".")
            rule = rule_for(name, type(first.get_submodule(holder)).__name__)
            if name in HELD_BY_THE_FIRST_BLOCK and rule and not any(_has(other, path) for other in others):
                self._add(rule.part, f"{stack.path}.0.{path}", rule.why, module.parameters())
                elsewhere |= {id(parameter) for parameter in module.parameters()}
        for number, block in enumerate(stack.blocks):
            own = [parameter for parameter in block.parameters() if id(parameter) not in elsewhere]
            self._add(f"block {next(self._numbers)}", f"{stack.path}.{number}", "", own)

    def _add(self, part: str, path: str, why: str, parameters: Iterable[nn.Parameter]) -> None:
        if found := tuple(parameters):
            self.pieces.append(Piece(part, path, why, found))

    def _require_no_list_beside(self, child: nn.Module, path: str) -> None:
        lengths = {len(stack.blocks) for stack in self.stacks.values()} - {1}
        if isinstance(child, nn.ModuleList) and len(child) in lengths and any(True for _ in child.parameters()):
            raise BadInput(
                f"{type(self.model).__name__}: {path} is a list as long as the stack of blocks, so its members may "
                f"belong to the blocks; name its parts: {suggestion(self.model)}"
            )


def _has(block: nn.Module, path: str) -> bool:
    return any(name == path for name, _ in block.named_modules())


def unassigned(model: nn.Module, names: list[str]) -> BadInput:
    """The error for parameters in no part."""
    return BadInput(
        f"{type(model).__name__}: in no part of Eq. 1 (embeddings, blocks, head): {listed(names)}; name all parts: "
        f"{suggestion(model)}"
    )
