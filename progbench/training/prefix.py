"""The frozen-prefix cache: what the frozen lowest blocks make of a text, computed once a stage, not in every step.

For tunings that train nothing in the embeddings. Not exact: dropout in the frozen blocks is off, since their outputs
are kept; so it is a recipe's choice, off by default (Recipe.prefix_cache).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from progbench.errors import BadInput
from progbench.method.layout import layout_of
from progbench.training.rows import PackedCollator
from progbench.training.scoring import by_length

Row = Mapping[str, Any]


class _Reached(Exception):
    """Carries a block's input out of a forward pass: what lies above need not run."""


class PrefixCache:
    """Rows of a workload, each with its `prefix` while there is one: what goes into the lowest block that trains.

    The model takes such rows and starts at that block; rows without a prefix (evaluation) run through all of it.
    `refresh` looks which blocks are frozen now. Hidden states lie in a file, memory-mapped: tokens times hidden size.
    """

    def __init__(
        self, model: nn.Module, rows: Sequence[Row], lengths: Sequence[int], collate: PackedCollator, path: Path
    ) -> None:
        self.model, self.rows, self.collate, self.path = model, rows, collate, path
        layout = layout_of(model)
        self._embeddings = model.base_model.get_submodule(layout.embeddings)
        self._blocks = list(model.base_model.get_submodule(layout.blocks))
        self._frozen = 0
        self._given: torch.Tensor | None = None
        self._lengths = lengths
        self._stops = list(itertools.accumulate(lengths))
        self._states = torch.empty(0)
        model.register_forward_pre_hook(self._take, with_kwargs=True)
        self._embeddings.register_forward_hook(lambda *call: call[-1] if self._given is None else self._given)
        for number, block in enumerate(self._blocks):
            block.forward = self._skipping(number, block.forward)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Row:
        if not self._frozen:
            return self.rows[i]
        return {**self.rows[i], "prefix": self._states[self._stops[i] - self._lengths[i] : self._stops[i]]}

    def refresh(self) -> None:
        """Compute the hidden states if other blocks are frozen than when this was last called.

        Where more are frozen than before, they start from the states that are there.
        """
        lowest = next((n for n, block in enumerate(self._blocks) if _trains(block)), len(self._blocks) - 1)
        frozen = 0 if _trains(self._embeddings) else lowest
        if frozen == self._frozen:
            return
        if frozen < self._frozen:
            self._frozen = 0
        try:
            if frozen:
                self._compute(frozen)
        except BaseException:
            self._frozen = 0  # some states are the new ones
            raise
        self._frozen = frozen

    @torch.no_grad()
    def _compute(self, frozen: int) -> None:
        parameter = next(self.model.parameters())
        shape = (self._stops[-1], self.model.config.hidden_size)
        size = shape[0] * shape[1] * parameter.element_size()
        _reserve(self.path, size)
        states = torch.from_file(str(self.path), shared=True, size=shape[0] * shape[1], dtype=parameter.dtype)
        self._states = states.view(shape)

        def stop(block, arguments):
            raise _Reached(arguments[0])

        hook = self._blocks[frozen].register_forward_pre_hook(stop)
        was_training = self.model.training
        self.model.eval()
        try:
            for chosen in by_length(self._lengths):
                try:
                    self.model(**self.collate([self[i] for i in chosen]).to(parameter.device))
                except _Reached as reached:
                    hidden = reached.args[0][0].split([self._lengths[i] for i in chosen])
                for i, piece in zip(chosen, hidden, strict=True):
                    self._states[self._stops[i] - len(piece) : self._stops[i]] = piece
        finally:
            hook.remove()
            self.model.train(was_training)

    def _take(self, module, arguments, keywords):
        self._given = keywords.pop("prefix", None)
        return arguments, keywords

    def _skipping(self, number: int, forward: Callable) -> Callable:
        def skip(hidden_states, *arguments, **keywords):
            if self._given is not None and number < self._frozen:
                return hidden_states
            return forward(hidden_states, *arguments, **keywords)

        return skip


def _reserve(path: Path, size: int) -> None:
    """Take the room for a file now: writing to a mapped one when a disk is full kills the process."""
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    with path.open("ab") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as problem:
            raise BadInput(
                f"prefix_cache: no room for {size / 2**30:.1f} GiB of hidden states in {path.parent} "
                f"({problem.strerror}); point TMPDIR at a larger disk"
            ) from None


def _trains(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())
