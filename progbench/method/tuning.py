"""Algorithm 1, lines 1 to 3: add or select the parameters that may train, in the place of whole blocks.

| tuning  | embeddings E   | each block                          | head H                     |
| full    | all            | all                                 | all                        |
| adapter | none           | two bottlenecks (Houlsby 2019)      | classifier                 |
| bitfit  | LayerNorm bias | every bias (Ben Zaken 2021)         | pooler bias and classifier |
| lora    | none           | low-rank pairs (Hu 2021)            | classifier                 |

The classifier is everything outside the base model: BERT's output layer, RoBERTa's dense and output layers. In other
architectures BitFit trains every bias of the base model (`is_bias`), and `layout.PROJECTIONS` names LoRA's targets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from progbench.errors import BadInput
from progbench.method.choice import chosen_stacks
from progbench.method.layout import FUSED, LAYOUTS, PROJECTIONS, SUBLAYER_ENDS, listed
from progbench.method.options import bottleneck_of, require_tuning
from progbench.method.stacks import Stack
from progbench.method.wrappers import opened, transformer_of

_MARK = "progbench_tuning"  # on the base model: which tuning was applied; BitFit leaves no other trace
_BIAS = re.compile(r"(.*_)?bias(_[uv]|_[ih]h_l\d+(_reverse)?)?")
_BY_POSITION = ("relative_attention_bias", "position_bias")


class Adapter(nn.Module):
    """Houlsby's bottleneck: project down, swish, project up, and add what came in; shapes (..., hidden) to (...,
    hidden).

    >>> adapter = Adapter(hidden=4, bottleneck=2)
    >>> _ = nn.init.zeros_(adapter.up.weight)
    >>> bool((adapter(torch.ones(1, 4)) == 1).all())  # with a zero up-projection it changes nothing
    True

    Weights start near the identity (Houlsby et al., section 2.1). Swish and the reduction by 16 are AdapterHub's
    "houlsby" configuration, whose size Table 3 fits; its library, adapters 1.3, does not work with transformers 5.
    """

    def __init__(self, hidden: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(hidden, bottleneck)
        self.up = nn.Linear(bottleneck, hidden)
        for layer in (self.down, self.up):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.up(nn.functional.silu(self.down(x)))


def apply_tuning(model: nn.Module, tuning: str, *, blocks: str | None = None, **options: Any) -> None:
    """Add what a tuning trains to a model, in place, and freeze the rest; then `Anatomy.of(model, tuning)` holds it.

    >>> from progbench.models.loading import build
    >>> from progbench.models.spec import spec
    >>> model = build(spec("tiny-bert"), num_labels=2)
    >>> apply_tuning(model, "lora")
    >>> sum(p.numel() for p in model.parameters() if p.requires_grad)  # 4 blocks * 2 * 8 * (64 + 64), classifier 130
    8322

    `options.TUNINGS` has the options and their defaults. New weights are drawn from torch's global generator: seed it
    first. `blocks` is the path of the list to tune where a model has several stacks. Raises BadInput for an unknown
    tuning, option or architecture, a target or list that is not there, and a model with adapters or LoRA matrices.
    """
    options = require_tuning(tuning, options)
    model = opened(model)
    if any(isinstance(module, Adapter) or is_lora(module) for module in model.modules()):
        raise BadInput(f"{type(model).__name__} has adapters or LoRA matrices already: start from a fresh model")
    stacks = chosen_stacks(model, blocks)
    for stack in stacks if tuning == "adapter" else ():
        _add_adapters(model, stack, **options)
    if tuning == "lora":
        _add_lora(model, [block for stack in stacks for block in stack.blocks], **options)
    live = {id(parameter) for parameter in tuned(model, tuning, blocks)}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in live)
    if tuning != "full":
        mark = {"tuning": tuning, "options": options} | ({} if blocks is None else {"blocks": blocks})
        setattr(transformer_of(model), _MARK, mark)


def given(model: nn.Module) -> dict[str, Any] | None:
    """The tuning that `apply_tuning` gave the model, and its options."""
    return next((getattr(module, _MARK) for module in model.modules() if hasattr(module, _MARK)), None)


def forget(model: nn.Module) -> None:
    """Take the mark away: the model is a plain one again."""
    for module in model.modules():
        module.__dict__.pop(_MARK, None)


def require_tuned(model: nn.Module, tuning: str, blocks: str | None) -> str | None:
    """The path of the blocks that `apply_tuning` was told, if it was; else the one that is asked for.

    Raises BadInput if it gave the model another tuning than this, or other blocks.
    """
    mark = given(model)
    if mark and mark["tuning"] != tuning:
        own = mark["tuning"]
        raise BadInput(
            f"{type(model).__name__} was given {own} parameters by apply_tuning, so its tuning is not {tuning!r}: "
            f"say Anatomy.of(model, {own!r}), or ProgressiveFreezing(schedule, tuning={own!r})"
        )
    if mark and blocks is not None:
        paths = [stack.path for stack in chosen_stacks(model, mark.get("blocks"))]
        if paths != [blocks]:
            raise BadInput(
                f"{type(model).__name__} was given its {tuning} parameters in {listed(paths)}, not in {blocks}"
            )
    return mark.get("blocks", blocks) if mark else blocks


def tuned(model: nn.Module, tuning: str, blocks: str | None = None) -> list[nn.Parameter]:
    """The parameters that a tuning trains: the table above. Raises BadInput if `apply_tuning` has not added them."""
    require_tuning(tuning, {})
    if tuning == "full":
        return list(model.parameters())
    for other, has in (("adapter", lambda module: isinstance(module, Adapter)), ("lora", is_lora)):
        if tuning != other and any(map(has, model.modules())):
            raise BadInput(f"{type(model).__name__} was given {other} parameters, so its tuning is not {tuning!r}")
    base = transformer_of(model)
    stacks = chosen_stacks(model, (given(model) or {}).get("blocks", blocks))
    chosen = [parameter for stack in stacks for block in stack.blocks for parameter in _chosen(block, tuning)]
    if not chosen:
        raise BadInput(f"{type(model).__name__} has no bias in its blocks, so BitFit would train nothing there")
    if tuning == "bitfit":
        chosen = list(_biases(base))
    inside = {id(parameter) for parameter in base.parameters()}  # a decoder's weights may be the embeddings'
    return [*chosen, *(parameter for parameter in model.parameters() if id(parameter) not in inside)]


def _chosen(block: nn.Module, tuning: str) -> list[nn.Parameter]:
    if tuning == "bitfit":
        return list(_biases(block))
    if tuning == "adapter":
        holders: list[Any] = [module for module in block.modules() if isinstance(module, Adapter)]
    else:
        holders = [pair for module in block.modules() if is_lora(module) for pair in (module.lora_A, module.lora_B)]
    if not holders:
        raise BadInput(f"a block has no {tuning} parameters: apply_tuning(model, {tuning!r}) adds them")
    return [parameter for holder in holders for parameter in holder.parameters()]


def is_bias(holder: nn.Module, name: str) -> bool:
    """Whether a module's own parameter is a bias: also DeBERTa's q_bias, XLNet's r_w_bias, an LSTM's bias_ih_l0.

    Not so the two rows that torch's attention may add to keys and values, and a bias by relative position.
    """
    if isinstance(holder, nn.MultiheadAttention) and name in ("bias_k", "bias_v"):
        return False
    return _BIAS.fullmatch(name) is not None and name not in _BY_POSITION


def _biases(module: nn.Module) -> Iterator[nn.Parameter]:
    for inner in module.modules():
        yield from (own for name, own in inner.named_parameters(recurse=False) if is_bias(inner, name))


def _add_adapters(model: nn.Module, stack: Stack, reduction: int) -> None:
    configuration = stack.configuration
    kind = getattr(configuration, "model_type", None)
    if kind not in SUBLAYER_ENDS:
        what = f"where {kind!r} closes" if kind else "it has no configuration of transformers, so where it closes"
        raise BadInput(
            f"{type(model).__name__}: {what} its sublayers, behind which adapters go, is not known (known: "
            f"{', '.join(SUBLAYER_ENDS)}); LoRA and BitFit need no such place"
        )
    bottleneck = bottleneck_of(configuration.hidden_size, reduction)
    for block in stack.blocks:
        there = dict(block.named_modules())
        for path in SUBLAYER_ENDS[configuration.model_type]:
            if path in there:
                adapter = Adapter(configuration.hidden_size, bottleneck).to(next(block.parameters()))
                block.set_submodule(path, nn.Sequential(there[path], adapter))


def _add_lora(model: nn.Module, blocks: Sequence[nn.Module], rank: int, alpha: float, targets: tuple[str, ...]) -> None:
    """By peft, without its wrapper for classifiers, whose second copy of the head would break counts."""
    import peft

    kind = getattr(getattr(transformer_of(model), "config", None), "model_type", None)
    chosen = [module for block in blocks for module in _targeted(block, targets, kind)]
    peft.inject_adapter_in_model(_for_peft(model, chosen, rank, alpha), model)


def lora_configuration(model: nn.Module, **options: Any) -> Any:
    mark = given(model)
    assert mark is not None
    chosen = [module for module in model.modules() if is_lora(module)]
    return _for_peft(model, chosen, mark["options"]["rank"], mark["options"]["alpha"], **options)


def _for_peft(model: nn.Module, chosen: Sequence[nn.Module], rank: int, alpha: float, **options: Any) -> Any:
    import peft

    paths = {id(module): name for name, module in model.named_modules()}
    bases = [getattr(module, "base_layer", module) for module in chosen]
    scale: Any = alpha  # peft calls it an int and takes any number
    return peft.LoraConfig(
        r=rank, lora_alpha=scale, target_modules=[paths[id(module)] for module in chosen], lora_dropout=0.0,
        bias="none", fan_in_fan_out=any(type(module).__name__ == "Conv1D" for module in bases), **options,
    )  # fmt: skip


def _targeted(block: nn.Module, targets: tuple[str, ...], kind: str | None) -> list[nn.Module]:
    layout = LAYOUTS.get(kind or "")
    there: dict[str, list[nn.Module]] = {}
    for path, module in block.named_modules():
        holder, _, name = path.rpartition(".")
        known = layout is not None and (holder != layout.attention or name not in layout.projections)
        if not known and type(module).__name__ in ("Linear", "Conv1D") and _in_attention(block, holder):
            there.setdefault(name, []).append(module)
    chosen: dict[int, nn.Module] = {}
    for target in targets:
        names = [name for name in (target, *PROJECTIONS.get(target, ())) if name in there]
        names = names or [name for name in FUSED if name in there and target in PROJECTIONS]
        if not names:
            has = f"which has {', '.join(there)}" if there else "in which no linear layer was found"
            raise BadInput(f"LoRA target {target!r} matches nothing in the attention, {has}")
        chosen |= {id(module): module for name in names for module in there[name]}
    return list(chosen.values())


def _in_attention(block: nn.Module, path: str) -> bool:
    names = path.split(".") if path else []
    holders = (block.get_submodule(".".join(names[:end])) for end in range(1, len(names) + 1))
    return any("Attention" in type(holder).__name__ for holder in holders)


def is_lora(module: nn.Module) -> bool:
    """Whether peft put low-rank matrices here; asked without importing peft, which takes seconds."""
    return hasattr(module, "lora_A") and hasattr(module, "lora_B")
