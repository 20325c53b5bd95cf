"""Which of a model's lists are its blocks, or why no rule can say; then, a call of `Anatomy.split` to copy."""

from __future__ import annotations

from torch import nn

from progbench.errors import BadInput
from progbench.method import wrappers
from progbench.method.layout import EMBEDDINGS, HEAD, listed, refused
from progbench.method.pieces import assembled, placed
from progbench.method.stacks import Stack, around, changed_in, has_parameters, is_list, listed_at, parallel, stacks_in

HALVES = ("encoder", "decoder")


def require_stacks(model: nn.Module) -> list[Stack]:
    """The one stack of a model, or encoder and decoder. Raises BadInput where there is none, or others."""
    base = wrappers.transformer_of(model)
    configuration, name = wrappers.configuration_of(base), type(model).__name__
    if why := refused(configuration):
        raise BadInput(f"{name}: {why}")
    every = list(stacks_in(base, path_of(model, base)))
    changed = list(changed_in(base, every, path_of(model, base)))
    stacks = _halves([*every, *changed]) if getattr(configuration, "is_encoder_decoder", False) else []
    if not stacks:
        # not one layer before the blocks, or after them
        several, changed = ([stack for stack in lists if len(stack.blocks) > 1] for lists in (every, changed))
        outside, changed = (_outside_towers(base, lists) for lists in (several or every, changed))
        stacks = _untied(outside) or (changed if len(changed) == 1 else []) or several or every
    if not stacks:
        raise BadInput(f"{name} ({getattr(configuration, 'model_type', 'no transformers model')}): {_none(model)}")
    if inside := [stack.path for stack in stacks if stack.nested]:
        raise BadInput(
            f"{name}: the members of {inside[0]} hold stacks themselves, and which of the two are the blocks is not "
            f"for a rule to say; {advice(model)}"
        )
    if halves := _halves(stacks):
        return halves
    if len(stacks) > 1:
        raise BadInput(
            f"{name} has {len(stacks)} stacks of blocks ({', '.join(stack.path for stack in stacks)}), and not as "
            f"encoder and decoder, so their order is not known; {advice(model)}"
        )
    return stacks


def chosen_stacks(model: nn.Module, path: str | None) -> list[Stack]:
    """The list at a path, each of its members a block; without a path, what the rules choose.

    Raises BadInput if there is no list at the path, or where the rules do not fit.
    """
    if path is None:
        return require_stacks(model)
    module, configuration = dict(model.named_modules()).get(str(path)), None
    if module is None or not is_list(module) or not has_parameters(module):
        raise BadInput(f"{type(model).__name__} has no list of modules {path!r}: blocks is the path of a ModuleList")
    names = path.split(".")[:-1]
    for holder in (model.get_submodule(".".join(names[:end])) for end in range(len(names) + 1)):
        configuration = wrappers.configuration_of(holder) or configuration
    return [listed_at(path, module, configuration)]


def require_divided(model: nn.Module, blocks: int) -> None:
    """Raise BadInput if a model of several blocks was taken as a single one: its schedule would freeze nothing."""
    deepest = max(stacks_in(model), key=lambda stack: len(stack.blocks), default=None)
    if blocks == 1 and deepest is not None and len(deepest.blocks) > 1:
        raise BadInput(
            f"{type(model).__name__} as a single block: every stage of a schedule would train all of it. "
            f"{deepest.path} holds {len(deepest.blocks)} blocks; name each of them"
        )


def _none(model: nn.Module) -> str:
    configuration = wrappers.configuration_of(wrappers.transformer_of(model))
    if stages := wrappers.stages_of(configuration):
        return f"no list of stages with {list(stages)} blocks, as its configuration says, was found; {advice(model)}"
    if depths := wrappers.depths_of(configuration):
        return (
            f"no list of {' or '.join(map(str, depths))} blocks, as its configuration says, was found, nor exactly one "
            f"of like blocks with attentions; {advice(model)}. If blocks were taken out, the configuration can say so"
        )
    return f"no stack of like blocks, each with an attention inside, was found; {advice(model)}"


def _outside_towers(base: nn.Module, stacks: list[Stack]) -> list[Stack]:
    towers = wrappers.towers_of(wrappers.configuration_of(base)) if wrappers.takes_embeddings(base) else set()
    return [stack for stack in stacks if type(stack.configuration) not in towers]


def _untied(stacks: list[Stack]) -> list[Stack]:
    """Of lists as long as one configuration says: the one with attentions (Wav2Vec2 has as many convolutions), or all
    as one.
    """
    if len(stacks) < 2 or any(stack.configuration is not stacks[0].configuration for stack in stacks):
        return stacks
    attending = [stack for stack in stacks if stack.attends]
    beside = len({stack.path.rpartition(".")[0] for stack in stacks}) == 1
    if len(attending) == 1 and (
        beside or all(stack.is_free_of_attention for stack in stacks if stack not in attending)
    ):
        return attending
    together = [parallel(stacks)] if beside and not attending else []
    return together if together and together[0].attends else stacks


def _halves(stacks: list[Stack]) -> list[Stack]:
    """An encoder's stack and a decoder's, in this order, if these are the two."""
    by_name = {_half(stack.path): stack for stack in stacks}
    return [by_name["encoder"], by_name["decoder"]] if len(stacks) == 2 and by_name.keys() == {*HALVES} else []


def _half(path: str) -> str:
    names = (name.rpartition("_")[2] for name in path.split("."))
    return next((name for name in names if name in HALVES), "")


def path_of(model: nn.Module, module: nn.Module) -> str:
    return next(path for path, inner in model.named_modules() if inner is module)


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
    if len(stacks) > 1 or (not stacks and wrappers.configuration_of(wrappers.transformer_of(model))):
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
    configuration = wrappers.configuration_of(wrappers.transformer_of(model))
    stages = wrappers.stages_of(configuration)
    depths = {sum(stages)} if stages else wrappers.depths_of(configuration)
    lists = [(path, inner) for path, inner in model.named_modules() if is_list(inner) and has_parameters(inner)]
    if any(_may_be_blocks(listed_at(path, inner), components["blocks"]) for path, inner in lists):
        return False
    try:
        return not assembled(model, pieces)[1] and (not depths or len(components["blocks"]) in depths)
    except BadInput:
        return False


def _may_be_blocks(stack: Stack, blocks: list[str]) -> bool:
    """Whether a list that neither holds these blocks nor lies in one of them looks like blocks itself."""
    if any(block.startswith(f"{stack.path}.") or f"{stack.path}.".startswith(f"{block}.") for block in blocks):
        return False
    return stack.path != "" and (len(stack.blocks) == len(blocks) or stack.attends)


def unassigned(model: nn.Module, names: list[str]) -> BadInput:
    return BadInput(
        f"{type(model).__name__}: in no component of Eq. 1 (embeddings, blocks, head): {listed(names)}; {advice(model)}"
    )
