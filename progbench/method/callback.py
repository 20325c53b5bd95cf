"""The schedule for anyone's Hugging Face Trainer: one hook, one call."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from progbench.errors import BadInput
from progbench.method.anatomy import Anatomy
from progbench.method.schedule import Schedule, require_depth


class ProgressiveFreezing(TrainerCallback):
    """Freeze a Trainer's model to the schedule's stage at the start of each epoch.

    >>> from progbench import shrinking
    >>> callback = ProgressiveFreezing(shrinking(L=12, T=3))
    >>> # Trainer(model, TrainingArguments(num_train_epochs=3), ..., callbacks=[callback]).train()

    The Trainer builds its optimizer over the parameters that require a gradient at that moment, so nothing is frozen
    before the first epoch: a growing schedule would never train the blocks that were frozen then. The stage follows
    from the Trainer's step count, so a resumed run is on the right one. After training everything may train again.

    For an architecture Anatomy does not know, pass `anatomy=Anatomy.split(model, ...)`. Raises BadInput when training
    begins if epochs and stages, or blocks and schedule, disagree, or if the optimizer lacks parameters of a stage.
    """

    def __init__(self, schedule: Schedule, tuning: str = "full", *, anatomy: Anatomy | None = None) -> None:
        self.schedule = schedule
        self.tuning = tuning
        self.anatomy = anatomy

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        T = self.schedule.T
        if args.max_steps > 0:
            raise BadInput(f"max_steps={args.max_steps} cuts epochs short: set num_train_epochs={T} instead")
        if args.num_train_epochs != T:
            raise BadInput(
                f"num_train_epochs={args.num_train_epochs:g}, but the schedule has {T} stages, one an epoch: "
                f"set num_train_epochs={T}, or cut the schedule with T={args.num_train_epochs:g}"
            )
        self._anatomy = self.anatomy or Anatomy.of(kwargs["model"], self.tuning)
        require_depth(self.schedule, self._anatomy.L, self._anatomy.name)
        self._require_all_in(kwargs["optimizer"])
        self._steps_per_epoch = state.max_steps // T

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._anatomy.freeze(self.schedule[state.global_step // self._steps_per_epoch])

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._anatomy.unfreeze()

    def _require_all_in(self, optimizer: Optimizer) -> None:
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        absent = [parameter for parameter in self._anatomy.parameters() if id(parameter) not in held]
        if absent:
            raise BadInput(
                f"the optimizer does not hold {len(absent)} of the parameters the schedule trains: they were frozen "
                "before train() was called, by hand or by a run that broke off; unfreeze them first"
            )
