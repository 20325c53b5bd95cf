"""Algorithm 1, lines 1 to 3: add or select the parameters that may train, in the place of whole blocks.

| tuning  | embeddings E   | each block                          | head H                     |
| full    | all            | all                                 | all                        |
| adapter | none           | two bottlenecks (Houlsby 2019)      | classifier                 |
| bitfit  | LayerNorm bias | every bias (Ben Zaken 2021)         | pooler bias and classifier |
| lora    | none           | low-rank pairs (Hu 2021)            | classifier                 |

The classifier is everything outside the base model: BERT's output layer, RoBERTa's dense and output layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from progbench.errors import BadInput
from progbench.method.layout import Layout, base_of, blocks_of, layout_of
from progbench.method.options import bottleneck_of, require_tuning

_MARK = "progbench_tuning"  # on the base model: which tuning was applied; BitFit leaves no other trace


class Adapter(nn.Module):
    """Houlsby's bottleneck: project down, swish, project up, and add what came in.

    >>> adapter = Adapter(hidden=4, bottleneck=2)
    >>> _ = nn.init.zeros_(adapter.up.weight)
    >>> bool((adapter(torch.ones(1, 4)) == 1).all())  # with a zero up-projection it changes nothing
    True

    Shapes: (..., hidden) to (..., hidden). Weights start as BERT's do, normal with deviation 0.02, biases at zero: near
    the identity, as Houlsby et al. (section 2.1) ask. Swish and the reduction by 16 are AdapterHub's "houlsby"
    configuration, whose size Table 3 fits; adapters 1.3, which has it, does not work with transformers 5.
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


def apply_tuning(model: nn.Module, tuning: str, **options: Any) -> None:
    """Add what a tuning trains to a model, in place, and freeze the rest; then `Anatomy.of(model, tuning)` holds it.

    >>> from progbench.models.loading import build
    >>> from progbench.models.spec import spec
    >>> model = build(spec("tiny-bert"), num_labels=2)
    >>> apply_tuning(model, "lora")
    >>> sum(p.numel() for p in model.parameters() if p.requires_grad)  # 4 blocks * 2 * 8 * (64 + 64), classifier 130
    8322

    Options are those of the tuning (`options.TUNINGS` has their defaults): `reduction` for adapter; `rank`, `alpha`
    and `targets` for lora. New weights are drawn from torch's global generator: seed it first. Raises BadInput for an
    unknown tuning, option or architecture, a target that is not there, and a model with adapters or LoRA matrices.
    """
    options = require_tuning(tuning, options)
    layout = layout_of(model)
    if any(isinstance(module, Adapter) or _is_lora(module) for module in model.modules()):
        raise BadInput(f"{type(model).__name__} has adapters or LoRA matrices already: start from a fresh model")
    blocks = blocks_of(model, layout)
    if tuning == "adapter":
        config: Any = base_of(model).config
        _add_adapters(config.hidden_size, blocks, layout, **options)
    if tuning == "lora":
        _add_lora(model, blocks, layout, **options)
    live = {id(parameter) for parameter in tuned(model, tuning)}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in live)
    if tuning != "full":
        setattr(base_of(model), _MARK, tuning)


def require_tuned(model: nn.Module, tuning: str) -> None:
    """Raise BadInput if `apply_tuning` gave the model another tuning than this: the whole model would train."""
    given = next((getattr(module, _MARK) for module in model.modules() if hasattr(module, _MARK)), tuning)
    if given != tuning:
        raise BadInput(
            f"{type(model).__name__} was given {given} parameters by apply_tuning, so its tuning is not {tuning!r}: "
            f"say Anatomy.of(model, {given!r}), or ProgressiveFreezing(schedule, tuning={given!r})"
        )


def tuned(model: nn.Module, tuning: str) -> list[nn.Parameter]:
    """The parameters a tuning lets train, in E, the blocks and H: the table above.

    Raises BadInput if the model has not what the tuning trains: `apply_tuning` adds it.
    """
    require_tuning(tuning, {})
    if tuning == "full":
        return list(model.parameters())
    for other, has in (("adapter", lambda module: isinstance(module, Adapter)), ("lora", _is_lora)):
        if tuning != other and any(map(has, model.modules())):
            raise BadInput(f"{type(model).__name__} was given {other} parameters, so its tuning is not {tuning!r}")
    layout = layout_of(model)
    base = base_of(model)
    chosen = [parameter for block in blocks_of(model, layout) for parameter in _chosen(block, tuning)]
    if tuning == "bitfit":
        chosen = [*_biases(base.get_submodule(layout.embeddings)), *chosen]
        if pooler := getattr(base, layout.pooler, None):
            chosen += _biases(pooler)
    inside = {id(parameter) for parameter in base.parameters()}  # a decoder's weights may be the embeddings'
    return [*chosen, *(parameter for parameter in model.parameters() if id(parameter) not in inside)]


def _chosen(block: nn.Module, tuning: str) -> list[nn.Parameter]:
    if tuning == "bitfit":
        return list(_biases(block))
    if tuning == "adapter":
        holders: list[Any] = [module for module in block.modules() if isinstance(module, Adapter)]
    else:
        holders = [part for module in block.modules() if _is_lora(module) for part in (module.lora_A, module.lora_B)]
    if not holders:
        raise BadInput(f"a block has no {tuning} parameters: apply_tuning(model, {tuning!r}) adds them")
    return [parameter for holder in holders for parameter in holder.parameters()]


def _biases(module: nn.Module) -> Iterator[nn.Parameter]:
    biases = (getattr(part, "bias", None) for part in module.modules())
    return (bias for bias in biases if isinstance(bias, nn.Parameter))


def _add_adapters(hidden: int, blocks: Sequence[nn.Module], layout: Layout, reduction: int) -> None:
    for block in blocks:
        for path in layout.sublayer_ends:
            end = block.get_submodule(path)
            adapter = Adapter(hidden, bottleneck_of(hidden, reduction)).to(next(block.parameters()))
            block.set_submodule(path, nn.Sequential(end, adapter))


def _add_lora(
    model: nn.Module, blocks: Sequence[nn.Module], layout: Layout, rank: int, alpha: float, targets: tuple[str, ...]
) -> None:
    """Through peft, without its wrapper for classifiers: that would keep a second copy of the head and break counts."""
    import peft

    for block in blocks:
        there = [name for name in layout.projections if hasattr(block.get_submodule(layout.attention), name)]
        if absent := [target for target in targets if target not in there]:
            raise BadInput(f"LoRA target {absent[0]!r} matches nothing in the attention, which has {', '.join(there)}")
    paths = {id(module): name for name, module in model.named_modules()}
    names = [paths[id(block.get_submodule(f"{layout.attention}.{target}"))] for block in blocks for target in targets]
    scale: Any = alpha  # peft calls it an int and takes any number
    configuration = peft.LoraConfig(r=rank, lora_alpha=scale, target_modules=names, lora_dropout=0.0, bias="none")
    peft.inject_adapter_in_model(configuration, model)


def _is_lora(module: nn.Module) -> bool:
    """Whether peft put low-rank matrices here; without importing peft, which takes seconds, where there are none."""
    return hasattr(module, "lora_A") and hasattr(module, "lora_B")
