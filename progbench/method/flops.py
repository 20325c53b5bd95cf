"""What a training step costs: its multiplications and additions in closed form, module by module. No torch.

A frozen block still computes forward, and backward while something below it trains: in full fine-tuning, the
embeddings.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from progbench.method.layout import LAYOUTS
from progbench.method.options import bottleneck_of, require_tuning
from progbench.method.schedule import Schedule
from progbench.models.spec import ModelSpec, spec

_TRAIN_EMBEDDINGS = ("full", "bitfit")  # all of them, or their LayerNorm's bias


class _Pass:
    """Adds up matrix products along the model; `alive` says whether a gradient passes this point."""

    def __init__(self, alive: bool) -> None:
        self.flops = 0
        self.alive = alive

    def linear(self, tokens: int, inputs: int, outputs: int, weight: bool = False, bias: bool = False) -> None:
        """One layer: forward, the input's gradient if it is wanted, and the weight's if it trains."""
        self.flops += 2 * tokens * inputs * outputs * (1 + self.alive + weight)
        self.alive = self.alive or weight or bias


def step_flops(
    model: str | ModelSpec,
    blocks: Sequence[int],
    tuning: str = "full",
    head: str = "classification",
    *,
    lengths: Sequence[int],
    num_labels: int = 2,
    **options: Any,
) -> int:
    """Floating-point operations of one step, forward and backward, on packed sequences of these lengths in tokens.

    >>> whole = step_flops("bert-base", range(12), lengths=[25] * 32)
    >>> round(1 - step_flops("bert-base", range(8, 12), lengths=[25] * 32) / whole, 3)  # eight of twelve blocks frozen
    0.235

    `blocks` are those that train in this stage. The optimizer, normalisation and activations, a few percent, do not
    count. Raises BadInput for an unknown model or tuning.
    """
    known = spec(model) if isinstance(model, str) else model
    options = require_tuning(tuning, options)
    h = known.hidden
    tokens, square, texts = sum(lengths), sum(length * length for length in lengths), len(lengths)
    step = _Pass(alive=tuning in _TRAIN_EMBEDDINGS)
    for number in range(known.blocks):
        top = number == known.blocks - 1 and head == "classification"
        _block(step, known, tuning, number in blocks, options, tokens, square, texts if top else tokens)
    whole = tuning == "full"
    if head == "question_answering":
        step.linear(tokens, h, num_labels, True, True)
        return step.flops
    first = whole or not LAYOUTS[known.architecture].has_pooler  # a classifier trains with every tuning
    step.linear(texts, h, h, first, first or tuning == "bitfit")
    step.linear(texts, h, num_labels, True, True)
    return step.flops


@functools.cache
def share_of_constant(schedule: Schedule, tuning: str = "full") -> float:
    """The FLOPs of the blocks' own weight matrices over all stages, as a share of what training every block takes.

    >>> from progbench.method.schedule import shrinking
    >>> round(1 - share_of_constant(shrinking(L=12, T=3)), 3)  # while updated parameters fall by a quarter
    0.111
    """
    everything = _of_weights(schedule.L, range(schedule.L), tuning) * schedule.T
    return sum(_of_weights(schedule.L, stage.blocks, tuning) for stage in schedule) / everything


def _of_weights(L: int, blocks: range, tuning: str) -> int:
    alive, total = tuning in _TRAIN_EMBEDDINGS, 0
    for number in range(L):
        live = number in blocks
        alive = alive or live
        total += 2 * (1 + alive) + 2 * (live and tuning == "full")
    return total


def _block(
    step: _Pass, model: ModelSpec, tuning: str, live: bool, options: dict, tokens: int, square: int, after: int
) -> None:
    """Add one block, after whose attention `after` tokens go on; `square` is the sum of the texts' squared lengths."""
    h, i = model.hidden, model.intermediate
    weight, bias = live and tuning == "full", live and tuning in ("full", "bitfit")
    layout = LAYOUTS[model.architecture]
    targets = {layout.projection(name) for name in options.get("targets", ())}
    entered, wants = step.alive, {}
    for name in ("query", "key", "value"):
        step.alive = entered
        step.linear(tokens, h, h, weight, bias)
        if layout.projection(name) in targets:
            _low_rank(step, tokens, h, options["rank"], live, entered)
        wants[name] = step.alive
    # scores = query x key, context = scores x value: forward, then the gradient of each factor that wants one
    scores = wants["query"] or wants["key"]
    step.flops += 2 * square * h * (2 + wants["query"] + wants["key"] + scores + wants["value"])
    step.alive = entered = scores or wants["value"]
    step.linear(after, h, h, weight, bias)
    if "o" in targets:
        _low_rank(step, after, h, options["rank"], live, entered)
    _adapter(step, after, h, tuning, live, options)
    step.linear(after, h, i, weight, bias)
    step.linear(after, i, h, weight, bias)
    _adapter(step, after, h, tuning, live, options)


def _low_rank(step: _Pass, tokens: int, h: int, rank: int, live: bool, entered: bool) -> None:
    """LoRA's pair beside a projection, whose gradient it is given."""
    beside = _Pass(alive=entered)
    beside.linear(tokens, h, rank, live)
    beside.linear(tokens, rank, h, live)
    step.flops += beside.flops
    step.alive = step.alive or beside.alive


def _adapter(step: _Pass, tokens: int, h: int, tuning: str, live: bool, options: dict) -> None:
    if tuning == "adapter":
        bottleneck = bottleneck_of(h, options["reduction"])
        step.linear(tokens, h, bottleneck, live, live)
        step.linear(tokens, bottleneck, h, live, live)
