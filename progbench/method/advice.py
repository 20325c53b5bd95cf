"""What to do with a model that the rules do not fit: a call of `Anatomy.split` to copy, if there is a sound one."""

from __future__ import annotations

from torch import nn

from progbench.errors import BadInput
from progbench.method.depth import configuration_of, depths_of, stages_of
from progbench.method.layout import EMBEDDINGS, HEAD, listed
from progbench.method.pieces import assembled, placed
from progbench.method.stacks import Stack, around, has_parameters, is_list, listed_at, stacks_in
from progbench.method.wrappers import transformer_of


def advice(model: nn.Module) -> str:
    """What to do with a model that the rules do not fit: a call to copy if there is a sound one, else how to make one.

    >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    >>> advice(net)
    'name its components: Anatomy.split(model, embeddings=["0"], blocks=["1", "2"], head=["3"])'
    """
    if call := suggestion(model):
        return f"name its components: {call}"
    return 'choose its list of blocks, Anatomy.of(model, blocks="..."), or name all components: Anatomy.split'


def suggestion(model: nn.Module) -> str:
    """A call of `Anatomy.split` to copy; "" where none is sound.

    A sound call puts every parameter into a component, has as many blocks as the configuration says, and leaves no list
    outside them that is as long, or has an attention in each member.
    """
    stacks = list(stacks_in(model))
    if len(stacks) > 1 or (not stacks and configuration_of(transformer_of(model))):
        return ""
    if stacks:
        blocks = [path for group in stacks[0].paths for path in group]
        beside = [(path, True) for path in stacks[0].early] + [(path, False) for path in stacks[0].late]
        beside += around(model, "", stacks[0].path)
    else:
        owners = [name for name, child in model.named_children() if has_parameters(child)]
        blocks = owners[1:-1]
        beside = [(name, name == owners[0]) for name in owners if name not in blocks]
        beside += [(name, True) for name, _ in model.named_parameters(recurse=False)]
    components = {"embeddings": [path for path, early in beside if early], "blocks": blocks}
    components["head"] = [path for path, early in beside if not early]
    if not blocks or not _sound(model, components):
        return ""
    texts = (f"{name}=[{', '.join(chr(34) + path + chr(34) for path in paths)}]" for name, paths in components.items())
    return f"Anatomy.split(model, {', '.join(texts)})"


def _sound(model: nn.Module, components: dict[str, list[str]]) -> bool:
    pieces = [placed(model, EMBEDDINGS, path) for path in components["embeddings"]]
    pieces += [placed(model, f"block {number}", path) for number, path in enumerate(components["blocks"])]
    pieces += [placed(model, HEAD, path) for path in components["head"]]
    configuration = configuration_of(transformer_of(model))
    stages = stages_of(configuration)
    depths = {sum(stages)} if stages else depths_of(configuration)
    if any(_may_be_blocks(listed_at(path, inner), components["blocks"]) for path, inner in _lists(model)):
        return False
    try:
        return not assembled(model, pieces)[1] and (not depths or len(components["blocks"]) in depths)
    except BadInput:
        return False


def _lists(model: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(path, inner) for path, inner in model.named_modules() if is_list(inner) and has_parameters(inner)]


def _may_be_blocks(stack: Stack, blocks: list[str]) -> bool:
    """Whether a list that neither holds these blocks nor lies in one of them looks like blocks itself."""
    if any(block.startswith(f"{stack.path}.") or f"{stack.path}.".startswith(f"{block}.") for block in blocks):
        return False
    return stack.path != "" and (len(stack.blocks) == len(blocks) or stack.attends)


def unassigned(model: nn.Module, names: list[str]) -> BadInput:
    return BadInput(
        f"{type(model).__name__}: in no component of Eq. 1 (embeddings, blocks, head): {listed(names)}; {advice(model)}"
    )
