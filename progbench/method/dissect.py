"""A model taken apart by the rules of `layout`: which module goes to which part of Eq. 1, and which rule said so."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from torch import nn

from progbench.errors import BadInput
from progbench.method.depth import configuration_of, depths_of, stages_of, takes_embeddings, towers_of
from progbench.method.layout import (
    AFTER,
    BEFORE,
    EMBEDDINGS,
    HEAD,
    HELD_BY_THE_FIRST_BLOCK,
    OUTSIDE,
    TOWER,
    listed,
    refused,
    rule_for,
)
from progbench.method.order import order_of_use, used_before
from progbench.method.pieces import Piece, assembled, placed
from progbench.method.stacks import Stack, around, has_parameters, is_list, listed_at, parallel, stacks_in
from progbench.method.wrappers import transformer_of


def pieces_of(model: nn.Module, blocks: str | None = None) -> list[Piece]:
    """Every module of an opened model, assigned to a part.

    In an encoder-decoder the blocks of the encoder come first, then those of the decoder: the order of the data.
    `blocks` is the path of the list to take, where the model has several. Raises BadInput for a model with no stack of
    blocks, with several, or with blocks that run more than once.
    """
    chosen = [_chosen(model, blocks)] if blocks is not None else require_stacks(model)
    base = transformer_of(model)
    path = _path_of(model, base)
    walk = _Walk(model, chosen, strict=blocks is None)
    walk.inside(base, path)
    walk.outside(path)
    return walk.pieces


def require_stacks(model: nn.Module) -> list[Stack]:
    """The one stack of a model, or encoder and decoder. Raises BadInput where there is none, or others."""
    base = transformer_of(model)
    configuration, name = configuration_of(base), type(model).__name__
    if why := refused(configuration):
        raise BadInput(f"{name}: {why}")
    every = list(stacks_in(base, _path_of(model, base)))
    found = _without_towers(base, every)
    found = [stack for stack in found if len(stack.blocks) > 1] or found  # one layer before the blocks, or after them
    found = _untied(found)
    if not found:
        raise BadInput(f"{name} ({getattr(configuration, 'model_type', 'no transformers model')}): {_none(model)}")
    if inside := [stack.path for stack in found if stack.nested]:
        raise BadInput(
            f"{name}: the members of {inside[0]} hold stacks themselves, and which of the two are the blocks is not "
            f"for a rule to say; {advice(model)}"
        )
    halves = [[stack for stack in found if _half(stack.path) == half] for half in ("encoder", "decoder")]
    if len(found) == 2 and all(len(half) == 1 for half in halves):
        return [half[0] for half in halves]
    if len(found) > 1:
        raise BadInput(
            f"{name} has {len(found)} stacks of blocks ({', '.join(stack.path for stack in found)}), and not as "
            f"encoder and decoder, so their order is not known; {advice(model)}"
        )
    return found


def advice(model: nn.Module) -> str:
    """What to do where the rules do not fit: a call to copy, if there is one that is sound, else how to make one.

    >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    >>> advice(net)
    'name its parts: Anatomy.split(model, embeddings=["0"], blocks=["1", "2"], head=["3"])'

    A call is sound if it puts every parameter into a part, has as many blocks as the configuration says, and leaves no
    list as long as that outside them.
    """
    if call := suggestion(model):
        return f"name its parts: {call}"
    return 'choose its list of blocks, Anatomy.of(model, blocks="..."), or name all parts: Anatomy.split'


def suggestion(model: nn.Module) -> str:
    """A call of `Anatomy.split` to copy; nothing where none is sound."""
    stacks = list(stacks_in(model))
    if len(stacks) > 1 or (not stacks and configuration_of(transformer_of(model))):
        return ""
    if stacks:
        blocks = [path for group in stacks[0].paths for path in group]
        beside = [(path, True) for path in stacks[0].early] + [(path, False) for path in stacks[0].late]
        beside += around(model, "", stacks[0].path)
    else:
        owners = [name for name, child in model.named_children() if has_parameters(child)]
        blocks = owners[1:-1] or owners[:1]
        beside = [(name, name == owners[0]) for name in owners if name not in blocks]
        beside += [(name, True) for name, _ in model.named_parameters(recurse=False)]
    parts = {"embeddings": [path for path, early in beside if early], "blocks": blocks}
    parts["head"] = [path for path, early in beside if not early]
    if not _sound(model, parts):
        return ""
    texts = (f"{name}=[{', '.join(chr(34) + path + chr(34) for path in paths)}]" for name, paths in parts.items())
    return f"Anatomy.split(model, {', '.join(texts)})"


def _sound(model: nn.Module, parts: dict[str, list[str]]) -> bool:
    pieces = [placed(model, EMBEDDINGS, path) for path in parts["embeddings"]]
    pieces += [placed(model, f"block {number}", path) for number, path in enumerate(parts["blocks"])]
    pieces += [placed(model, HEAD, path) for path in parts["head"]]
    configuration = configuration_of(transformer_of(model))
    stages = stages_of(configuration)
    depths = {sum(stages)} if stages else depths_of(configuration)
    try:
        return not assembled(model, pieces)[1] and (not depths or len(parts["blocks"]) in depths)
    except BadInput:
        return False


def _none(model: nn.Module) -> str:
    configuration = configuration_of(transformer_of(model))
    if stages := stages_of(configuration):
        return f"no list of stages with {list(stages)} blocks, as its configuration says, was found; {advice(model)}"
    if depths := depths_of(configuration):
        return f"no list of {' or '.join(map(str, depths))} blocks, as its configuration says, was found; {advice(model)}"
    return f"no stack of like blocks, each with an attention inside, was found; {advice(model)}"


def _chosen(model: nn.Module, path: str) -> Stack:
    module = dict(model.named_modules()).get(path)
    if not is_list(module) or not has_parameters(module):
        raise BadInput(f"{type(model).__name__} has no list of modules {path!r}: blocks is the path of a ModuleList")
    return listed_at(path, module)


def _without_towers(base: nn.Module, stacks: list[Stack]) -> list[Stack]:
    towers = towers_of(configuration_of(base)) if takes_embeddings(base) else set()
    return [stack for stack in stacks if type(stack.configuration) not in towers] or stacks


def _untied(stacks: list[Stack]) -> list[Stack]:
    """Lists side by side in one module: the one with attentions, or where none has them, all of them together."""
    if len(stacks) < 2 or len({stack.path.rpartition(".")[0] for stack in stacks}) > 1:
        return stacks
    attending = [stack for stack in stacks if stack.attends]
    return attending if len(attending) == 1 else stacks if attending else [parallel(stacks)]


def _half(path: str) -> str:
    """Encoder or decoder: by the outermost module that is called so."""
    names = (name.rpartition("_")[2] for name in path.split("."))
    return next((name for name in names if name in ("encoder", "decoder")), "")


def _path_of(model: nn.Module, module: nn.Module) -> str:
    return next(path for path, one in model.named_modules() if one is module)


class _Walk:
    """From the model down to its stacks, collecting a piece for each module that is met."""

    def __init__(self, model: nn.Module, stacks: list[Stack], strict: bool) -> None:
        self.model, self.strict = model, strict
        self.base = transformer_of(model)
        self.towers = towers_of(configuration_of(self.base))
        self.stacks = {stack.path: stack for stack in stacks}
        self.taken = {path for stack in stacks for path in stack.lists}
        self.pieces: list[Piece] = []
        self._numbers = itertools.count()

    def inside(self, holder: nn.Module, path: str) -> None:
        """The base model, or a module of it that holds a stack."""
        prefix, kind = f"{path}." if path else "", type(holder).__name__
        holding = {
            name
            for name, _ in holder.named_children()
            if any(one == prefix + name or one.startswith(f"{prefix}{name}.") for one in self.taken)
        }
        for name, parameter in holder.named_parameters(recurse=False):
            rule = rule_for(name, kind)
            if rule or holder is self.base or name in order_of_use(holder):  # else in no part, which is refused
                self._beside(holder, prefix, name, [parameter], holding)
        for name, child in holder.named_children():
            if prefix + name in self.stacks:
                self._blocks(self.stacks[prefix + name])
            elif prefix + name not in self.taken and name in holding:
                self.inside(child, prefix + name)
            elif prefix + name not in self.taken:
                self._beside(holder, prefix, name, child.parameters(), holding)

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

    def _beside(
        self, holder: nn.Module, prefix: str, name: str, parameters: Iterable[nn.Parameter], holding: set[str]
    ) -> None:
        child = getattr(holder, name)
        early = used_before(holder, name, holding)
        tower = isinstance(child, nn.Module) and early and self._holds_a_tower(child)
        if self.strict and isinstance(child, nn.Module) and not tower:
            self._require_no_list_in(child, prefix + name)
        rule = rule_for(name, type(holder).__name__)
        part, why = (rule.part, rule.why) if rule else (EMBEDDINGS, BEFORE) if early else (HEAD, AFTER)
        self._add(part, prefix + name, TOWER if tower else why, parameters)

    def _holds_a_tower(self, child: nn.Module) -> bool:
        inherited = configuration_of(child)
        return any(type(stack.configuration) in self.towers for stack in stacks_in(child, "", inherited))

    def _blocks(self, stack: Stack) -> None:
        first, *others = stack.blocks
        elsewhere: set[int] = set()
        for path, module in first.named_modules():
            holder, _, name = path.rpartition(".")
            rule = rule_for(name, type(first.get_submodule(holder)).__name__)
            if name in HELD_BY_THE_FIRST_BLOCK and rule and not any(_has(other, path) for other in others):
                self._add(rule.part, f"{stack.paths[0][0]}.{path}", rule.why, module.parameters())
                elsewhere |= {id(parameter) for parameter in module.parameters()}
        for part, paths, why in ((EMBEDDINGS, stack.early, BEFORE), (HEAD, stack.late, AFTER)):
            for path in paths:
                self._add(part, path, why, placed(self.model, part, path).parameters)
        for paths in stack.paths:
            part = f"block {next(self._numbers)}"
            for path in paths:
                own = placed(self.model, part, path).parameters
                self._add(part, path, "", [parameter for parameter in own if id(parameter) not in elsewhere])

    def _add(self, part: str, path: str, why: str, parameters: Iterable[nn.Parameter]) -> None:
        if found := tuple(parameters):
            self.pieces.append(Piece(part, path, why, found))

    def _require_no_list_in(self, child: nn.Module, path: str) -> None:
        lengths = {len(stack.blocks) for stack in self.stacks.values()} - {1}
        for name, part in child.named_modules(prefix=path):
            if isinstance(part, nn.ModuleList) and len(part) in lengths and has_parameters(part):
                raise BadInput(
                    f"{type(self.model).__name__}: {name} is a list as long as the stack of blocks, so its members "
                    f"may belong to the blocks; {advice(self.model)}"
                )


def _has(block: nn.Module, path: str) -> bool:
    return any(name == path for name, _ in block.named_modules())


def unassigned(model: nn.Module, names: list[str]) -> BadInput:
    """The error for parameters in no part."""
    return BadInput(
        f"{type(model).__name__}: in no part of Eq. 1 (embeddings, blocks, head): {listed(names)}; {advice(model)}"
    )
