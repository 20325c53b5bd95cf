"""Where a run goes on from, and the checkpoints that it leaves to go on from."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from progbench import environment
from progbench.runs.results import EpochResult
from progbench.training import checkpoints
from progbench.training.checkpoints import Checkpoints, Made, Past
from progbench.training.fitting import Snapshot
from progbench.training.prepared import Prepared
from progbench.training.process import Clock
from progbench.training.scoring import NonFinite


def past_of(prepared: Prepared, kept: Checkpoints | None, made: Made, micro_batches: int) -> Past:
    """What a run has behind it when it begins, and what its result should say of that; nothing, if it begins anew."""
    recipe, now = prepared.recipe, environment.commit()
    left, damaged = kept.load(made) if kept else (None, [])
    past = left or Past(prepared.seeds)
    notes = [*past.notes, *damaged]
    if kept and not damaged and kept.unlike(made):
        notes.append("it began anew: its checkpoint was of other versions, data, seeds or machine")
    ours = left is not None and past.recipe == recipe.id  # and not what another schedule's run has left for it
    if ours:
        notes = [note for note in notes if not note.startswith("resumed ")]
        times = f"{past.resumed + 1} times, last " if past.resumed else ""
        notes.append(f"resumed {times}after {past}")
    if past.commit and past.commit != now:
        notes.append(f"its beginning, up to {past}, was trained by commit {past.commit}")
    if micro_batches > past.micro_batches:
        where = f"from {past} on " if left else ""
        notes.append(f"it ran out of memory, so {where}each batch was trained in {micro_batches} micro-batches")
    notes, most = list(dict.fromkeys(notes)), max(micro_batches, past.micro_batches)
    return replace(past, micro_batches=most, resumed=past.resumed + ours, notes=tuple(notes))


@dataclass
class Keeper:
    """Keeps what a run has behind it: its `epochs`, and a checkpoint after each but the last, and whenever it is time.

    It goes on from `past`. Without checkpoints `kept`, nothing is left.
    """

    prepared: Prepared
    device: str
    kept: Checkpoints | None
    made: Made
    past: Past
    clock: Clock
    epochs: list[tuple[EpochResult, ...]] = field(default_factory=list)
    _orders: list[torch.Tensor] = field(default_factory=list)
    _full: bool = False

    def begin(self) -> None:
        """Take over what the run has behind it, but for the state of its model. Raises NonFinite if no seed is left."""
        for place, message in self.past.failed.items():
            self.prepared.axis.fail(place, NonFinite(message))
        orders = self.past.state.get("orders", ())
        for order, then in zip(self.prepared.orders, orders, strict=bool(self.past.state)):
            order.set_state(then)
        self.epochs += self.past.epochs
        self.clock.begin_fitting()
        self._begin_epoch(self.past.spent)

    def after_step(self, snapshot: Snapshot) -> None:
        if self.kept and self.clock.since_checkpoint() >= checkpoints.EVERY:
            self._keep(snapshot())

    def after_epoch(self, results: tuple[EpochResult, ...], snapshot: Snapshot) -> None:
        self.epochs.append(results)
        self._begin_epoch()
        if self.kept:
            self._keep(snapshot())

    def _begin_epoch(self, spent: tuple[float, float] = (0.0, 0.0)) -> None:
        """An epoch begins, or goes on: from the generators as they are now it draws its order."""
        self._orders = [order.get_state() for order in self.prepared.orders]
        self.clock.begin_epoch(spent)

    def _keep(self, state: dict[str, Any]) -> None:
        """Leave a checkpoint, and the epochs that other runs share to them; where there is no room, say so once."""
        prepared, kept, epoch, spent = self.prepared, self.kept, state["epoch"], self.clock.epoch()
        past = replace(
            self.past,
            epochs=tuple(self.epochs),
            seconds=self.clock.run(),
            peak_memory_bytes=max(environment.peak_memory(self.device), self.past.peak_memory_bytes),
            state=state | {"orders": self._orders},
            failed={place: str(problem) for place, problem in prepared.axis.failed.items()},
            spent=spent,
            recipe=prepared.recipe.id,
            commit=environment.commit(),
        )
        steps = epoch * prepared.steps + state["step"]
        try:
            if epoch < prepared.recipe.epochs:  # or there is a result now
                kept.save(past, self.made, steps)
            if (epoch, state["step"]) == (kept.shared, 0):
                kept.leave(replace(past, seconds=self.clock.fitting()), self.made, steps)
        except OSError as problem:
            if not self._full:
                warnings.warn(f"{prepared.recipe.id}: no checkpoint could be written ({problem})", stacklevel=2)
            self._full = True
        self.clock.begin_after_checkpoint(spent)
