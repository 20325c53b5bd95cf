"""Runs of a Trainer that have begun and not ended: what they train, and how their models were before."""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass
from typing import Any

import transformers.trainer
from torch import nn
from transformers import TrainerCallback, TrainerState, TrainingArguments

from progbench.method.checks import Flags
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

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        put_back(kwargs.get("model"))

    def on_log(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        add_figure(kwargs.get("model"), kwargs["logs"], state)


def stand_before_reporters() -> None:
    """Put BeforeReporters among the callbacks that transformers gives to every Trainer made from now on."""
    defaults = getattr(transformers.trainer, "DEFAULT_CALLBACKS", None)
    if isinstance(defaults, list) and BeforeReporters not in defaults:
        defaults.append(BeforeReporters)
