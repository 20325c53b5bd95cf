"""A plan before training: what each stage trains, and what it costs beside `constant`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from progbench.method.anatomy import Anatomy
from progbench.method.schedule import Schedule, Stage, constant, require_depth
from progbench.method.wrappers import configuration_of, transformer_of

MOMENTS = 2 * 4  # AdamW keeps two numbers of four bytes for an element, from its first step on


@dataclass(frozen=True)
class Row:
    """One stage: elements that train in it, those updated so far, operations a token, and bytes of moments held."""

    stage: Stage
    trainable: int
    updated: int
    flops: int
    moments: int


def rows(anatomy: Anatomy, schedule: Schedule) -> list[Row]:
    """A row for each stage. Raises BadInput for a schedule that is cut for another depth.

    Operations are those of the blocks' weight matrices for one token: two for each weight forward, two for the input's
    gradient if something below trains, and two for the weight's if it trains.
    """
    require_depth(schedule, anatomy.L, anatomy.name)
    whole = [list[nn.Parameter]() for _ in range(anatomy.L)]
    for piece in anatomy.pieces:
        if piece.block >= 0:
            whole[piece.block] += piece.parameters
    updated, moments, seen, table = 0, 0, set[int](), []
    for stage in schedule:
        trains = anatomy.trainable(stage)
        updated += sum(parameter.numel() for parameter in trains)
        moments += MOMENTS * sum(parameter.numel() for parameter in trains if id(parameter) not in seen)
        seen |= {id(parameter) for parameter in trains}
        table.append(Row(stage, anatomy.count(stage), updated, _flops(anatomy, whole, stage), moments))
    return table


def _flops(anatomy: Anatomy, whole: list[list[nn.Parameter]], stage: Stage) -> int:
    mixture, names = Mixture(anatomy.model), anatomy.names()

    def weights(parameters: Iterable[nn.Parameter]) -> int:
        return sum(mixture.met(names[id(p)], p) for p in parameters if p.dim() > 1)

    total, alive = 0, bool(anatomy.embeddings)
    for number, block in enumerate(whole):
        trains = anatomy.blocks[number] if number in stage.blocks else ()
        alive = alive or bool(trains)
        total += 2 * (1 + alive) * weights(block) + 2 * weights(trains)
    return total


def plan(anatomy: Anatomy, schedule: Schedule) -> str:
    """The plan as a table, each stage beside the same stage of `constant`.

    >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    >>> from progbench.method.schedule import shrinking
    >>> anatomy = Anatomy.split(net, embeddings=["0"], blocks=["1", "2"], head=["3"])
    >>> print(plan(anatomy, shrinking(L=2, T=2)).partition("It cannot")[0].rstrip())
    Sequential: shrinking, 2 stages of 2 blocks, beside constant
    stage  blocks  trainable  updated so far  FLOPs a token  AdamW's moments
    1      B1-B2   86 100%    86 100%         192  100%      688 B 100%
    2      B2      66  77%    152  88%        160   83%      688 B 100%
    updated parameters: 152, which is 11.6% less than 172 with constant
    FLOPs of all stages: 8.3% less (those of the blocks' weight matrices)
    """
    ours = rows(anatomy, schedule)
    theirs = rows(anatomy, constant(schedule.L, schedule.T))
    table = [("stage", "blocks", "trainable", "updated so far", "FLOPs a token", "AdamW's moments")]
    for number, (row, full) in enumerate(zip(ours, theirs, strict=True), start=1):
        table.append((
            str(number), blocks_of(row.stage), _beside(f"{row.trainable:,}", row.trainable, full.trainable),
            _beside(f"{row.updated:,}", row.updated, full.updated), _beside(short(row.flops), row.flops, full.flops),
            _beside(f"{short(row.moments)}B", row.moments, full.moments),
        ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    updated, all_updated = ours[-1].updated, theirs[-1].updated
    mixture = Mixture(anatomy.model)
    flops, all_flops = (sum(row.flops for row in table) for table in (ours, theirs))
    return "\n".join([
        f"{anatomy.name}: {schedule.name}, {schedule.T} stages of {anatomy.L} blocks, beside constant",
        *lines,
        f"updated parameters: {updated:,}, which is {_less(updated, all_updated)} than {all_updated:,} with constant",
        f"FLOPs of all stages: {_less(flops, all_flops)} (those of the blocks' weight matrices{_of(mixture)})",
        f"It cannot save the forward pass, {_backward(anatomy)}.",
        "AdamW keeps the moments of what has trained.",
    ])  # fmt: skip


def blocks_of(stage: Stage) -> str:
    if not stage.blocks:
        return "none"
    first, last = stage.blocks[0] + 1, stage.blocks[-1] + 1
    return f"B{first}" if first == last else f"B{first}-B{last}"


def short(number: int) -> str:
    for letter, unit in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= unit:
            return f"{number / unit:.3g} {letter}"
    return f"{number} "


def _backward(anatomy: Anatomy) -> str:
    if anatomy.embeddings:
        return "nor the way back: E trains in every stage, so a gradient passes through the frozen blocks too"
    return "but the way back ends at the lowest block that trains, since nothing in E does"


def _of(mixture: Mixture) -> str:
    return f", with {mixture.chosen} of {mixture.total} experts a token" if mixture else ""


def _beside(text: str, value: int, full: int) -> str:
    return f"{text} {100 * value / full:3.0f}%" if full else text


def _less(value: int, full: int) -> str:
    return f"{100 * (1 - value / full):.1f}% less"


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
