"""Runs of a Trainer: whether one is as long as its schedule, and those that have begun and not ended.

Of the latter it is known what they train, and how their models were before.
"""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass
from typing import Any

import transformers.trainer
from torch import nn
from transformers import TrainerCallback, TrainerState, TrainingArguments

from progbench.errors import BadInput
from progbench.method.checks import Flags
from progbench.method.schedule import Schedule
from progbench.method.watch import StageWatch

LOGGER = logging.getLogger("progbench")
FIGURE = "trainable_parameters"  # the name of the number of elements that train, in the Trainer's logs


@dataclass
class Begun:
    """The model's flags before the run and in its last stage, and the watch, weakly held: it knows the model."""

    flags: Flags
    stage: Flags
    watch: weakref.ref[StageWatch]


BEGUN: weakref.WeakKeyDictionary[nn.Module, Begun] = weakref.WeakKeyDictionary()


def put_back(model: Any, *, whatever: bool = False) -> None:
    """Give a model the flags that it had before a run that has not ended; any other model stays as it is.

    Flags that somebody has changed since the last stage stay, and a warning says so, unless `whatever`.
    """
    if isinstance(model, nn.Module) and (run := BEGUN.pop(model, None)):
        if whatever or run.stage.hold(model):
            run.flags.restore()
        else:
            LOGGER.warning(
                "%s: a run with ProgressiveFreezing broke off, and requires_grad, or the parameters, were changed "
                "since: they stay as they are now. Call callback.restore() before you change them, and it is as before",
                type(model).__name__,
            )


def add_figure(model: Any, logs: dict[str, Any], state: TrainerState) -> None:
    """Add what trains now to the Trainer's line with a loss, which `evaluate()` and `train()` do not return."""
    run = BEGUN.get(model) if isinstance(model, nn.Module) else None
    watch = run.watch() if run else None
    if watch and "loss" in logs:
        logs[FIGURE] = watch.trained
        if state.log_history:
            state.log_history[-1][FIGURE] = watch.trained


class BeforeReporters(TrainerCallback):
    """Stands in every Trainer before the callbacks of `report_to`, and does nothing for a model without a schedule.

    No logger sees what a user's callbacks add, which stand behind it. No event says that an exception ended a run, so
    the next Trainer of the model gives it back.
    """

    def on_init_end(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        put_back(kwargs.get("model"))

    on_train_begin = on_init_end

    def on_log(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        add_figure(kwargs.get("model"), kwargs["logs"], state)


def stand_before_reporters() -> None:
    """Put BeforeReporters among the callbacks that transformers gives to every Trainer made from now on."""
    defaults = getattr(transformers.trainer, "DEFAULT_CALLBACKS", None)
    if isinstance(defaults, list) and BeforeReporters not in defaults:
        defaults.append(BeforeReporters)


RECORD = "progbench.ProgressiveFreezing"  # under this name a checkpoint's state says which schedule it was made with


def require_length(schedule: Schedule, by: str | int, args: TrainingArguments, state: TrainerState) -> None:
    """Raise BadInput unless the run has room for every stage, and by "epoch" as many epochs as there are stages."""
    T = schedule.T
    if by == "epoch" and args.max_steps > 0:
        raise BadInput(
            f"max_steps={args.max_steps} cuts epochs short, and a stage lasts an epoch: set num_train_epochs={T} "
            'instead, or ProgressiveFreezing(..., by="fraction"), which divides the steps among the stages'
        )
    if by == "epoch" and args.num_train_epochs != T:
        whole = float(args.num_train_epochs).is_integer()
        other = f"cut the schedule with T={args.num_train_epochs:g}" if whole else 'use by="fraction"'
        raise BadInput(
            f"num_train_epochs={args.num_train_epochs:g}, but the schedule has {T} stages, one an epoch: "
            f"set num_train_epochs={T}, or {other}"
        )
    needed = (T - 1) * by + 1 if isinstance(by, int) else T
    if by != "epoch" and state.max_steps < needed:
        raise BadInput(
            f"the run has {state.max_steps} steps, and with by={by!r} the last of the schedule's {T} stages "
            f"begins at step {needed}: train longer, or use shorter stages"
        )


def record(schedule: Schedule, tuning: str, by: str | int, state: TrainerState) -> None:
    """Note the schedule in the Trainer's state, which checkpoints keep; compare it with a resumed checkpoint's.

    Raises BadInput if the checkpoint was made with another schedule or length, or with none.
    """
    stages = [[stage.blocks.start, stage.blocks.stop] for stage in schedule]
    ours: dict[str, Any] = {"schedule": schedule.name, "stages": stages, "tuning": tuning, "by": by}
    steps = {} if isinstance(by, int) else {"steps": state.max_steps}
    kept: Any = state.stateful_callbacks  # a dictionary, whatever its annotation says
    if state.global_step > 0:
        theirs = kept.get(RECORD)
        if theirs is None:
            raise BadInput("the checkpoint was made without ProgressiveFreezing: start anew, or resume without it")
        if different := [key for key in ours if theirs.get(key) != ours[key]]:
            was, now = ({key: record.get(key) for key in different} for record in (theirs, ours))
            raise BadInput(
                f"the checkpoint was made with another schedule: {was}, and not {now}. Resume with the "
                "checkpoint's, or start anew"
            )
        if steps and theirs.get("steps", state.max_steps) != state.max_steps:
            lasts = "an epoch, and an epoch has another number of steps now" if by == "epoch" else "a share of them"
            raise BadInput(
                f"the checkpoint's run had {theirs['steps']} steps, and this one has {state.max_steps}. With by={by!r} "
                f"a stage lasts {lasts}, so a block that was frozen would train again, or another too early. Resume "
                "with the same data, batch size and length, or start anew. With a number as `by` all these may change"
            )
    kept[RECORD] = ours | steps
