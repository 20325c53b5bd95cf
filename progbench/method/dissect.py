"""A model taken apart by the rules of `layout`: which module goes to which component of Eq. 1, and by which rule."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from progbench.errors import BadInput
from progbench.method.choice import advice, chosen_stacks, path_of
from progbench.method.layout import AFTER, BEFORE, EMBEDDINGS, HEAD, HELD_BY_THE_FIRST_BLOCK, OUTSIDE, TOWER, rule_for
from progbench.method.order import order_of_use, runs_through, used_before
from progbench.method.pieces import Piece, placed
from progbench.method.stacks import Stack, changed_in, has_parameters, listed_at, stacks_in
from progbench.method.wrappers import configuration_of, towers_of, transformer_of


def pieces_of(model: nn.Module, blocks: str | None = None) -> list[Piece]:
    """Every module of an opened model, assigned to a component; blocks from low to high.

    The blocks of an encoder come before those of its decoder. `blocks` is the path of the list to take, if there are
    several. Raises BadInput for a model with no stack of blocks, with several, or with blocks that run more than once.
    """
    base = transformer_of(model)
    walk = _Walk(model, base, chosen_stacks(model, blocks), strict=blocks is None)
    walk.inside(base, path_of(model, base))
    walk.outside(path_of(model, base))
    return walk.pieces


class _Walk:
    def __init__(self, model: nn.Module, base: nn.Module, stacks: list[Stack], strict: bool) -> None:
        self.model, self.base, self.strict = model, base, strict
        self.towers = towers_of(configuration_of(base))
        self.stacks = {stack.path: stack for stack in stacks}
        self.lists = {path for stack in stacks for path in stack.lists}
        self.pieces: list[Piece] = []
        depths = [len(stack.blocks) for stack in stacks]
        self.first = {stack.path: sum(depths[:number]) for number, stack in enumerate(stacks)}

    def inside(self, holder: nn.Module, path: str) -> None:
        """Place what the base model, or a module of it that holds a stack, has beside the stack."""
        prefix = f"{path}." if path else ""
        children = dict(holder.named_children())
        holding = {name for name in children if any(f"{path}.".startswith(f"{prefix}{name}.") for path in self.lists)}
        for name, parameter in holder.named_parameters(recurse=False):
            known = rule_for(name, type(holder).__name__) or name in order_of_use(holder)
            if known or holder is self.base:  # else it is in no component, which the anatomy refuses
                self._place(holder, name, prefix, holding, BEFORE, [parameter])
        for name, child in children.items():
            if prefix + name in self.stacks:
                self._blocks(self.stacks[prefix + name])
            elif name not in holding:
                early = used_before(holder, name, holding)
                tower = early and self._is_tower(child)
                if self.strict and not tower:
                    self._require_no_blocks_in(child, prefix + name, early)
                self._place(holder, name, prefix, holding, TOWER if tower else BEFORE, child.parameters())
            elif prefix + name not in self.lists:
                self.inside(child, prefix + name)

    def outside(self, base_path: str) -> None:
        """Place what the model has around its base model."""
        holder, path = self.model, ""
        for name in filter(None, base_path.split(".")):
            for bare, parameter in holder.named_parameters(recurse=False):
                self._add(HEAD, path + bare, OUTSIDE, [parameter])
            for other, child in holder.named_children():
                if other != name:
                    self._add(HEAD, path + other, OUTSIDE, child.parameters())
            holder, path = holder.get_submodule(name), f"{path}{name}."

    def _place(
        self, holder: nn.Module, name: str, prefix: str, holding: set[str], why: str, parameters: Iterable[nn.Parameter]
    ) -> None:
        """Place what lies beside a stack, by a rule, or by the order in which its holder uses it."""
        if rule := rule_for(name, type(holder).__name__):
            self._add(rule.component, prefix + name, rule.why, parameters)
        elif used_before(holder, name, holding):
            self._add(EMBEDDINGS, prefix + name, why, parameters)
        else:
            self._add(HEAD, prefix + name, AFTER, parameters)

    def _blocks(self, stack: Stack) -> None:
        first, *others = stack.blocks
        elsewhere: set[int] = set()
        for path, module in first.named_modules():
            holder, _, name = path.rpartition(".")
            rule = rule_for(name, type(first.get_submodule(holder)).__name__)
            if name in HELD_BY_THE_FIRST_BLOCK and rule and not any(_has(other, path) for other in others):
                self._add(rule.component, f"{stack.paths[0][0]}.{path}", rule.why, module.parameters())
                elsewhere |= {id(parameter) for parameter in module.parameters()}
        start = self.first[stack.path]
        blocks = [(f"block {start + number}", paths, stack.why) for number, paths in enumerate(stack.paths)]
        for component, paths, why in ((EMBEDDINGS, stack.early, BEFORE), *blocks, (HEAD, stack.late, AFTER)):
            for path in paths:
                parameters = placed(self.model, component, path).parameters
                self._add(component, path, why, [p for p in parameters if id(p) not in elsewhere])

    def _add(self, component: str, path: str, why: str, parameters: Iterable[nn.Parameter]) -> None:
        if held := tuple(parameters):
            self.pieces.append(Piece(component, path, why, held))

    def _is_tower(self, child: nn.Module) -> bool:
        stacks = list(stacks_in(child))
        return any(type(stack.configuration) in self.towers for stack in [*stacks, *changed_in(child, stacks)])

    def _require_no_blocks_in(self, child: nn.Module, path: str, early: bool) -> None:
        """Raise BadInput if a module beside the stack holds a list that may be blocks; one more layer is none."""
        lengths = {len(stack.blocks) for stack in self.stacks.values()} - {1}
        lists = {name: inner for name, inner in child.named_modules(prefix=path) if isinstance(inner, nn.ModuleList)}
        why = {name: "as long as the blocks" for name, members in lists.items() if len(members) in lengths}
        if any(stack.why for stack in self.stacks.values()):  # the configuration did not tell the blocks
            several = [listed_at(name, members) for name, members in lists.items() if len(members) > 1]
            why |= {stack.path: "with attentions" for stack in several if not stack.is_free_of_attention}
        others = list(stacks_in(child, path, configuration_of(self.base)))
        others += changed_in(child, others, path, configuration_of(self.base))
        others = [stack for stack in others if len(stack.blocks) > 1 or not (early or self._adds_a_layer(stack))]
        why |= {stack.path: "of blocks too, and in no tower before them" for stack in others}
        here = [name for name in why if has_parameters(self.model.get_submodule(name))]
        if named := [name for name in here if not self._is_apart(name)]:
            raise BadInput(
                f"{type(self.model).__name__}: {named[0]} is a list {why[named[0]]}, so its members may belong to the "
                f"blocks; {advice(self.model)}"
            )

    def _adds_a_layer(self, stack: Stack) -> bool:
        kind = type(stack.configuration)
        return all(mine.attends and type(mine.configuration) is kind for mine in self.stacks.values())

    def _is_apart(self, path: str) -> bool:
        """Whether a list is sure not to belong to the blocks: it has no attention, they all do, and it runs as one."""
        free = listed_at(path, self.model.get_submodule(path)).is_free_of_attention
        above, _, name = path.rpartition(".")
        attend = all(stack.attends for stack in self.stacks.values())
        return free and attend and runs_through(self.model.get_submodule(above), name)


def _has(block: nn.Module, path: str) -> bool:
    return any(name == path for name, _ in block.named_modules())
