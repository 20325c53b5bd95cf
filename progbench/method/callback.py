"""The schedule for anyone's Hugging Face Trainer: one callback."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from typing import Any

from torch import nn
from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from progbench.errors import BadInput
from progbench.method.anatomy import Anatomy
from progbench.method.checks import Flags, require_ddp_follows, require_held, require_same_model
from progbench.method.layout import listed
from progbench.method.plan import blocks_of, plan
from progbench.method.schedule import Schedule

LOGGER = logging.getLogger("progbench")
RECORD = "progbench.ProgressiveFreezing"  # under this name a checkpoint's state says which schedule it was made with


class ProgressiveFreezing(TrainerCallback):
    """Freeze a Trainer's model to the schedule's stage, an epoch each, or by steps.

    >>> from progbench import shrinking
    >>> callback = ProgressiveFreezing(shrinking(L=12, T=3))
    >>> # Trainer(model, TrainingArguments(num_train_epochs=3), ..., callbacks=[callback]).train()

    The Trainer builds its optimizer over the parameters that require a gradient at that moment, so nothing is frozen
    before the first step: a growing schedule would never train the blocks that were frozen then. What you froze before
    stays frozen. After training, also after an exception or Ctrl-C, every `requires_grad` is as it was before.

    `by` says how long a stage lasts: "epoch" (num_train_epochs is then the number of stages), "fraction" (each stage
    an equal part of all steps; for max_steps, and data without a length), or a number of steps (the last stage lasts
    until the end). Each change of the stage logs a line; the Trainer's logs show `trainable_parameters`. On a model of
    peft's, what trains there is scheduled.

    Raises BadInput at once if this is no schedule; and when training begins if the run's length, the model, the
    optimizer, DDP's settings or the checkpoint it resumes from do not fit the schedule.
    """

    def __init__(
        self, schedule: Schedule, tuning: str = "full", *, anatomy: Anatomy | None = None, by: str | int = "epoch"
    ) -> None:
        if not isinstance(schedule, Schedule):
            raise BadInput(
                f"schedule = {schedule!r} is no Schedule: cut one for the model's blocks and the epochs, for example "
                "shrinking(L=12, T=3)"
            )
        if anatomy is not None and tuning != "full":
            raise BadInput(
                f"tuning={tuning!r} and an anatomy were given, and the anatomy holds its tuning already: pass "
                f"anatomy=Anatomy.of(model, {tuning!r}) alone, or the tuning alone"
            )
        if by not in ("epoch", "fraction") and (not isinstance(by, int) or isinstance(by, bool) or by < 1):
            raise BadInput(f'by = {by!r}: allowed is "epoch", "fraction", or a number of steps of at least 1')
        self.schedule = schedule
        self.tuning = tuning
        self.anatomy = anatomy
        self.by = by
        self._flags: Flags | None = None
        self._trainer: Any = None

    def plan(self, model: nn.Module) -> None:
        """Print what each stage would train in this model, and what it costs beside `constant`; trains nothing.

        >>> from progbench import shrinking
        >>> from progbench.models.loading import build
        >>> from progbench.models.spec import spec
        >>> model = build(spec("tiny-bert"), num_labels=2)
        >>> ProgressiveFreezing(shrinking(L=4, T=2)).plan(model)  # doctest: +ELLIPSIS
        BertForSequenceClassification: shrinking, 2 stages of 4 blocks, beside constant
        ...
        """
        anatomy = self.anatomy or Anatomy.of(model, self.tuning)
        print(plan(anatomy.without_frozen(self.schedule), self.schedule))

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._require_length(args, state)
        trainer = _trainer_above()
        require_ddp_follows(getattr(trainer, "model_wrapped", None), self.schedule)
        anatomy = self.anatomy or Anatomy.of(kwargs["model"], self.tuning)
        require_same_model(kwargs["model"], anatomy.parameters(), anatomy.frozen)
        self._anatomy = anatomy.without_frozen(self.schedule)
        require_held([kwargs["optimizer"]], self._anatomy.ever_trained(self.schedule), self._anatomy.names())
        self._record(state)
        self._epoch = state.global_step // max(1, state.max_steps // self.schedule.T) - 1
        self._stage = -1
        self._says = state.is_world_process_zero
        self._flags = Flags(kwargs["model"])
        _make_heard()
        if self._says and (moving := anatomy.moving_statistics(self.schedule)):
            LOGGER.warning(moving)
        if self._says and (left := len(anatomy.parameters()) - len(self._anatomy.parameters())):
            names = self._anatomy.names()
            frozen = [names[id(p)] for p in anatomy.parameters() if not p.requires_grad]
            LOGGER.info("%d parameters were frozen before training and stay so: %s", left, listed(frozen))
        self._attend(trainer)

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._epoch += 1  # as the Trainer counts: an epoch that a callback ended early is one, too
        if self.by == "epoch":
            self._enter(self._epoch, state)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if isinstance(self.by, int):
            self._enter(state.global_step // self.by, state)
        elif self.by == "fraction":
            self._enter(self.schedule.T * state.global_step // state.max_steps, state)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self._flags and self._stage >= 0:
            kwargs["logs"]["trainable_parameters"] = self._trainable
            if state.log_history:
                state.log_history[-1]["trainable_parameters"] = self._trainable

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._restore()

    def _enter(self, number: int, state: TrainerState) -> None:
        number = min(number, self.schedule.T - 1)
        if number == self._stage:
            return
        stage = self.schedule[number]
        self._anatomy.freeze(stage)
        self._stage, self._trainable = number, self._anatomy.count(stage)
        if self._says:
            LOGGER.info(
                "step %d: stage %d of %d of %s: of %d blocks %s, %s parameters train",
                state.global_step, number + 1, self.schedule.T, self.schedule.name, self._anatomy.L, blocks_of(stage),
                f"{self._trainable:,}",
            )  # fmt: skip

    def _restore(self) -> None:
        if self._flags:
            self._flags.restore()
        if self._trainer is not None:
            self._trainer.__dict__.pop("_run_epoch", None)
        self._flags = self._trainer = None

    def _require_length(self, args: TrainingArguments, state: TrainerState) -> None:
        T = self.schedule.T
        if self.by == "epoch" and args.max_steps > 0:
            raise BadInput(
                f"max_steps={args.max_steps} cuts epochs short, and a stage lasts an epoch: set num_train_epochs={T} "
                'instead, or ProgressiveFreezing(..., by="fraction"), which divides the steps among the stages'
            )
        if self.by == "epoch" and args.num_train_epochs != T:
            whole = float(args.num_train_epochs).is_integer()
            other = f"cut the schedule with T={args.num_train_epochs:g}" if whole else 'use by="fraction"'
            raise BadInput(
                f"num_train_epochs={args.num_train_epochs:g}, but the schedule has {T} stages, one an epoch: "
                f"set num_train_epochs={T}, or {other}"
            )
        needed = (T - 1) * self.by + 1 if isinstance(self.by, int) else T
        if self.by != "epoch" and state.max_steps < needed:
            raise BadInput(
                f"the run has {state.max_steps} steps, and with by={self.by!r} the last of the schedule's {T} stages "
                f"begins at step {needed}: train longer, or use shorter stages"
            )

    def _record(self, state: TrainerState) -> None:
        """Note the schedule where checkpoints keep the Trainer's state; of one that is resumed, compare it."""
        stages = [[stage.blocks.start, stage.blocks.stop] for stage in self.schedule]
        ours = {"schedule": self.schedule.name, "stages": stages, "tuning": self.tuning, "by": self.by}
        kept: Any = state.stateful_callbacks  # a dictionary, whatever its annotation says
        if state.global_step > 0:
            theirs = kept.get(RECORD)
            if theirs is None:
                raise BadInput("the checkpoint was made without ProgressiveFreezing: start anew, or resume without it")
            if different := [key for key in ours if theirs.get(key) != ours[key]]:
                was, now = ({key: one.get(key) for key in different} for one in (theirs, ours))
                raise BadInput(
                    f"the checkpoint was made with another schedule: {was}, and not {now}. Resume with the "
                    "checkpoint's, or start anew"
                )
        kept[RECORD] = ours

    def _attend(self, trainer: Any) -> None:
        """Be the first of the Trainer's callbacks, so that those that report find our number in the logs; and put the
        model back if an epoch breaks off: no event tells a callback of an exception."""
        if trainer is None:
            return
        callbacks = trainer.callback_handler.callbacks
        callbacks.insert(0, callbacks.pop(callbacks.index(self)))  # the handler, which goes through them, skips none
        if not hasattr(trainer, "_run_epoch"):
            return
        run = trainer._run_epoch

        @functools.wraps(run)
        def guarded(*arguments: Any, **options: Any) -> Any:
            try:
                return run(*arguments, **options)
            except BaseException:
                self._restore()
                raise

        trainer._run_epoch, self._trainer = guarded, trainer


def _trainer_above() -> Any:
    """The Trainer that called: its events do not say which it is."""
    frame = inspect.currentframe()
    while frame is not None:
        found = frame.f_locals.get("self")
        if hasattr(found, "callback_handler"):
            return found
        frame = frame.f_back
    return None


def _make_heard() -> None:
    """Where nobody has set up logging, our lines go to the error stream, as those of transformers do."""
    if not LOGGER.hasHandlers():
        LOGGER.addHandler(_AboveTheBar())
        LOGGER.setLevel(logging.INFO)


class _AboveTheBar(logging.Handler):
    """Writes a line of its own where the Trainer draws its progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)
