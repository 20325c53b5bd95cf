"""How much of a mixture of experts one token meets: a router sends it to a few of them."""

from __future__ import annotations

from typing import Any

from torch import nn

from progbench.method.depth import configuration_of
from progbench.method.wrappers import transformer_of

# what configurations call the number of experts, and the number of them that a token is sent to
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
CHOSEN = (
    "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "moe_top_k", "top_k_experts",
    "num_selected_experts",
)  # fmt: skip
CAPACITY, SECOND = "expert_capacity", "second_expert_policy"  # Switch: a token meets one expert; NLLB: two


class Mixture:
    """A model's experts: `total` in a layer, of which a token meets `chosen`."""

    def __init__(self, model: nn.Module) -> None:
        configuration = configuration_of(transformer_of(model))
        inside = [getattr(configuration, name, None) for name in ("text_config", "ffn_config")]
        places = [place for place in (*inside, configuration) if place is not None]
        self.total = _first(places, EXPERTS)
        self.chosen = _first(places, CHOSEN) or hasattr(configuration, CAPACITY) + hasattr(configuration, SECOND)

    def __bool__(self) -> bool:
        return 0 < self.chosen < self.total

    def met(self, name: str, weight: nn.Parameter) -> int:
        """How many elements of a weight one token meets, by the weight's name in the model.

        Experts lie in a module of that name, or in one weight with an expert in each of its first rows.
        """
        stacked = weight.dim() == 3 and len(weight) == self.total
        if not self or not (stacked or "experts" in name.split(".")):
            return weight.numel()
        total = len(weight) if weight.dim() == 3 else self.total
        return weight.numel() * self.chosen // total


def _first(places: list[Any], names: tuple[str, ...]) -> int:
    values = (getattr(place, name, None) for place in places for name in names)
    return next((value for value in values if isinstance(value, int)), 0)
