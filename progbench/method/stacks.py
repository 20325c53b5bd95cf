"""Where a model keeps its blocks: the list of modules that is as long as its configuration's depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from progbench.method.order import used_before
from progbench.method.wrappers import configuration_of, depths_of, stages_of


@dataclass(frozen=True)
class Stack:
    """Blocks from low to high, and the paths of the modules that make up each of them.

    A block is several modules if a model keeps parallel lists, or has something between two stages of blocks. `lists`
    are the paths of the lists, `early` and `late` what lies in them before the first block and after the last.
    `configuration` is that of the module around; `why` says how many blocks it gives where others are there.
    """

    blocks: tuple[nn.Module, ...]
    paths: tuple[tuple[str, ...], ...]
    lists: tuple[str, ...]
    configuration: Any = None
    early: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    why: str = ""

    @property
    def path(self) -> str:
        return self.lists[0]

    @property
    def attends(self) -> bool:
        """Whether each member holds an attention: a list of attentions alone (XLM) is no list of blocks."""
        return all(map(_attends, self.blocks))

    @property
    def is_free_of_attention(self) -> bool:
        return not any("Attention" in type(inner).__name__ for block in self.blocks for inner in block.modules())

    @property
    def nested(self) -> bool:
        """Whether the members hold lists of blocks themselves."""
        return any(_alike(inner) for block in self.blocks for inner in block.modules())


def stacks_in(module: nn.Module, path: str = "", configuration: Any = None) -> Iterator[Stack]:
    """The outermost lists below a module that are as long as the configuration around them says, as registered.

    Without a depth in any configuration: the lists whose members are of one class and each hold an attention.
    """
    configuration = configuration_of(module) or configuration
    stages = stages_of(configuration)
    for name, child in module.named_children():
        below = f"{path}.{name}" if path else name
        if stages and (flattened := _flattened(module, path, name, stages, configuration)):
            yield flattened
        elif _fits(child, configuration):
            yield listed_at(below, child, configuration)
        else:
            yield from stacks_in(child, below, configuration)


def changed_in(module: nn.Module, known: Sequence[Stack], path: str = "", configuration: Any = None) -> Iterator[Stack]:
    """The outermost lists of like blocks that are as long as no configuration says: blocks were taken out, or put in.

    Each of their members holds an attention. The `known` stacks are left out.
    """
    configuration = configuration_of(module) or configuration
    depths = depths_of(configuration)
    for name, child in module.named_children():
        below = f"{path}.{name}" if path else name
        if any(below == taken for stack in known for taken in stack.lists):
            continue
        if depths and not stages_of(configuration) and _alike(child):
            here = listed_at(below, child, configuration)
            yield replace(here, why=f"{len(here.blocks)} here, {' or '.join(map(str, depths))} in the configuration")
        else:
            yield from changed_in(child, known, below, configuration)


def listed_at(path: str, module: nn.Module, configuration: Any = None) -> Stack:
    members = {f"{path}.{name}": child for name, child in module.named_children() if has_parameters(child)}
    return Stack(tuple(members.values()), tuple((member,) for member in members), (path,), configuration)


def parallel(stacks: Sequence[Stack]) -> Stack:
    """Lists that lie side by side in one module: member i of each belongs to block i (XLM, FlauBERT)."""
    blocks = tuple(nn.ModuleList(members) for members in zip(*(stack.blocks for stack in stacks), strict=True))
    paths = tuple(sum(members, ()) for members in zip(*(stack.paths for stack in stacks), strict=True))
    return Stack(blocks, paths, tuple(stack.path for stack in stacks), stacks[0].configuration)


def is_list(module: object) -> bool:
    return isinstance(module, nn.ModuleList | nn.Sequential)


def has_parameters(owner: nn.Module | nn.Parameter) -> bool:
    return isinstance(owner, nn.Parameter) or any(True for _ in owner.parameters())


def around(holder: nn.Module, path: str, inner: str) -> Iterator[tuple[str, bool]]:
    """What holds the parameters of a module beside its `inner` one, by path, and whether it is used before that."""
    if path == inner:
        return
    prefix = f"{path}." if path else ""
    name = inner.removeprefix(prefix).split(".")[0]
    beside: list[tuple[str, Any]] = [*holder.named_parameters(recurse=False), *holder.named_children()]
    for other, owner in beside:
        if other != name and has_parameters(owner):
            yield prefix + other, used_before(holder, other, {name})
    yield from around(holder.get_submodule(name), prefix + name, inner)


def _fits(module: nn.Module, configuration: Any) -> bool:
    depths = depths_of(configuration)
    if depths or stages_of(configuration):
        return is_list(module) and sum(map(has_parameters, module.children())) in depths
    return _alike(module)


def _alike(module: nn.Module) -> bool:
    members = list(module.children())
    return is_list(module) and len({type(member) for member in members}) == 1 and all(map(_attends, members))


def _attends(block: nn.Module) -> bool:
    return any("Attention" in type(inner).__name__ for inner in block.modules() if inner is not block)


def _flattened(holder: nn.Module, path: str, own: str, sizes: tuple[int, ...], configuration: Any) -> Stack | None:
    """The blocks of all stages in one row, if `own` is the list of the holder's stages.

    What lies between two stages goes with the block after it if its stage begins with it, else with the one before.
    """
    stages, prefix = holder.get_submodule(own), f"{path}." if path else ""
    beside = [name for name, other in holder.named_children() if name != own and _pairs(other, stages)]
    groups, waiting, early, filled = list[list[str]](), list[str](), list[str](), 0
    late: list[str] = []
    for name, stage in stages.named_children() if is_list(stages) else ():
        below = f"{prefix}{own}.{name}"
        inner = _blocks_of(stage, below, sizes[filled]) if filled < len(sizes) else None
        places = [(f"{prefix}{other}.{name}", used_before(holder, other, {own})) for other in beside]
        places += around(stage, below, inner) if inner else [(below, True)] * has_parameters(stage)
        waiting += [place for place, first in places if first]
        if inner:
            if groups:
                groups[-1] += late
            else:
                early, waiting = waiting, []
            blocks = [f"{inner}.{number}" for number in range(sizes[filled])]
            groups += [[*waiting, blocks[0]], *([block] for block in blocks[1:])]
            waiting, late, filled = [], [place for place, first in places if not first], filled + 1
    if filled != len(sizes):
        return None
    lists = (prefix + own, *(prefix + other for other in beside))
    modules = tuple(_joined([_at(holder, place.removeprefix(prefix)) for place in group]) for group in groups)
    return Stack(modules, tuple(map(tuple, groups)), lists, configuration, tuple(early), (*late, *waiting))


def _pairs(module: nn.Module, stages: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList) and len(module) == len(list(stages.children())) and has_parameters(module)


def _blocks_of(stage: nn.Module, path: str, size: int) -> str | None:
    for name, inner in stage.named_modules(prefix=path):
        members = list(inner.children())
        if is_list(inner) and len(members) == size and len({type(member) for member in members}) == 1:
            return name
    return None


def _at(holder: nn.Module, path: str) -> nn.Module:
    above, _, name = path.rpartition(".")
    owner = getattr(holder.get_submodule(above), name)
    return nn.ParameterList([owner]) if isinstance(owner, nn.Parameter) else owner


def _joined(modules: list[nn.Module]) -> nn.Module:
    return modules[0] if len(modules) == 1 else nn.ModuleList(modules)
