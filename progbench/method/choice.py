"""Which of a model's lists are its blocks, or why no rule can say."""

from __future__ import annotations

from torch import nn

from progbench.errors import BadInput
from progbench.method.advice import advice
from progbench.method.depth import configuration_of, depths_of, stages_of, takes_embeddings, towers_of
from progbench.method.layout import refused
from progbench.method.stacks import Stack, changed_in, has_parameters, is_list, listed_at, parallel, stacks_in
from progbench.method.wrappers import transformer_of

HALVES = ("encoder", "decoder")


def require_stacks(model: nn.Module) -> list[Stack]:
    """The one stack of a model, or encoder and decoder. Raises BadInput where there is none, or others."""
    base = transformer_of(model)
    configuration, name = configuration_of(base), type(model).__name__
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
        configuration = configuration_of(holder) or configuration
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
    configuration = configuration_of(transformer_of(model))
    if stages := stages_of(configuration):
        return f"no list of stages with {list(stages)} blocks, as its configuration says, was found; {advice(model)}"
    if depths := depths_of(configuration):
        return (
            f"no list of {' or '.join(map(str, depths))} blocks, as its configuration says, was found, nor exactly one "
            f"of like blocks with attentions; {advice(model)}. If blocks were taken out, the configuration can say so"
        )
    return f"no stack of like blocks, each with an attention inside, was found; {advice(model)}"


def _outside_towers(base: nn.Module, stacks: list[Stack]) -> list[Stack]:
    towers = towers_of(configuration_of(base)) if takes_embeddings(base) else set()
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
