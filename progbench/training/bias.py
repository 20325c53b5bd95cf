"""A bias by relative position, which some models add to the scores of two tokens; here within each text."""

from __future__ import annotations

import math

import torch

from progbench.training.packed import Packing
from progbench.training.packed_seeds import PackedSeeds


class Bias:
    """What is added to each text's scores, and where the texts are.

    >>> bias = Bias(torch.zeros(1, 2, 3, 3), Packing.of([2, 3]))
    >>> bias.masked(3, torch.tensor([[True, True, False], [True, True, True]])[:, None, None])[:, 0, 0].tolist()
    [[0.0, 0.0, -inf], [0.0, 0.0, 0.0]]

    `values` are (seeds, heads, longest, longest). They depend on the distance of two tokens alone, so a shorter text's
    are their corner. A mask is made once a forward pass, since all blocks share it.
    """

    def __init__(self, values: torch.Tensor, where: Packing | PackedSeeds) -> None:
        self.values, self.where = values, where
        self._masks: dict[int, torch.Tensor] = {}

    def masked(self, longest: int, seen: torch.Tensor | None, group: int = 0) -> torch.Tensor:
        """The bias of texts of up to `longest` tokens, (texts, heads, longest, longest), -inf where none is seen.

        `seen` says where one is, (texts, 1, 1 or longest, longest); without it the texts are equally long, and share
        what is returned. `group` tells the texts of one forward pass apart.
        """
        if group not in self._masks:
            corner = self.values[..., :longest, :longest]
            if seen is not None:
                seeds = len(corner)
                corner = corner[:, None].expand(-1, len(seen) // seeds, -1, -1, -1).flatten(0, 1)
                corner = corner.masked_fill(~seen, -math.inf)
            self._masks[group] = corner
        return self._masks[group]
