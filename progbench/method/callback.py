"""The schedule for anyone's Hugging Face Trainer: one callback, which needs nothing but the Trainer's own events."""

from __future__ import annotations

import contextlib
import logging
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from torch import nn
from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainerState, TrainingArguments

from progbench.errors import BadInput
from progbench.method import begun
from progbench.method.anatomy import Anatomy
from progbench.method.checks import Flags, held_by, require_ddp_follows, require_held, require_same_model
from progbench.method.layout import listed
from progbench.method.plan import blocks_of, plan
from progbench.method.schedule import Schedule
from progbench.method.watch import StageWatch, two_forms_words

LOGGER = logging.getLogger("progbench")


class ProgressiveFreezing(TrainerCallback):
    """Freeze a Trainer's model to the schedule's stage, an epoch each, or by steps.

    >>> from progbench import shrinking
    >>> callback = ProgressiveFreezing(shrinking(L=12, T=3))
    >>> # Trainer(model, TrainingArguments(num_train_epochs=3), ..., callbacks=[callback]).train()

    Nothing is frozen before the first step, since the Trainer builds its optimizer over what requires a gradient then.
    What you froze before stays frozen. After training every `requires_grad` is as it was; no callback is told of an
    exception or Ctrl-C, so after one the next Trainer of the model gives it back, or `restore()`, or `attached` at
    once.

    `by` says how long a stage lasts: "epoch" (num_train_epochs is then the number of stages), "fraction" (each stage an
    equal share of all steps; for max_steps, and data without a length), or a number of steps (the last stage lasts
    until the end). The loggers of `report_to` show `trainable_parameters` in a Trainer made after the callback. What
    the optimizer holds beside the model, as the weights of a loss, trains in every stage and is counted as H.

    Each step is watched (`StageWatch`). Raises BadInput at once if this is no schedule; when training begins if the
    run's length, the model, the optimizer, DDP's settings or the checkpoint it resumes from do not fit the schedule;
    and in the step in which something has a gradient or moves that the stage freezes.
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
        self._model: nn.Module | None = None
        self._heard = False  # it stands before the loggers, or has said that it does not
        begun.stand_before_reporters()

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

    @contextlib.contextmanager
    def attached(self, trainer: Any) -> Iterator[None]:
        """Be the first callback of a Trainer, and put its model back when this ends, also by an exception or Ctrl-C.

        >>> from progbench import shrinking
        >>> callback = ProgressiveFreezing(shrinking(L=12, T=3))
        >>> # with callback.attached(trainer): trainer.train()

        Raises BadInput for a Trainer that keeps its callbacks elsewhere than transformers 5 does.
        """
        callbacks = getattr(getattr(trainer, "callback_handler", None), "callbacks", None)
        if not isinstance(callbacks, list):
            raise BadInput(
                f"{type(trainer).__name__} of transformers {transformers.__version__} has no list of callbacks in "
                "callback_handler.callbacks, so nothing can be put first there: give it callbacks=[callback], with the "
                "callbacks that report behind it"
            )
        given = self in callbacks
        callbacks.insert(0, callbacks.pop(callbacks.index(self)) if given else self)
        self._heard = True
        try:
            yield
        finally:
            self._heard = False
            self.restore()
            if not given:
                callbacks.remove(self)

    def restore(self) -> None:
        """Restore every `requires_grad` from before training, after a run that broke off; else nothing changes."""
        begun.put_back(self._model, whatever=True)
        self._model = None

    def on_init_end(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        begun.put_back(kwargs.get("model"))

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        model, optimizer = kwargs["model"], kwargs.get("optimizer")
        if not isinstance(args, TrainingArguments) or not isinstance(model, nn.Module) or optimizer is None:
            raise BadInput(
                f"this Trainer tells its callbacks of {type(args).__module__}.{type(args).__name__}, a "
                f"{type(model).__name__} and {'an' if optimizer else 'no'} optimizer. ProgressiveFreezing needs what "
                "transformers' Trainer tells: its TrainingArguments, a torch module and an optimizer. SetFit's Trainer "
                "tells other things: train its model_body with a SentenceTransformerTrainer"
            )
        begun.put_back(model)  # a run that broke off, or a try of auto_find_batch_size that found no room
        begun.require_length(self.schedule, self.by, args, state)
        anatomy = self.anatomy or Anatomy.of(model, self.tuning)
        require_same_model(model, anatomy.parameters(), anatomy.frozen)
        self._anatomy = anatomy.without_frozen(self.schedule)
        require_held([optimizer], self._anatomy.ever_trained(self.schedule), self._anatomy.names())
        begun.record(self.schedule, self.tuning, self.by, state)
        self._epoch = state.global_step // max(1, state.max_steps // self.schedule.T) - 1
        self._stage, self._says, self._looked = -1, state.is_world_process_zero, True
        _require_wrapper_follows(model, self.schedule)
        _make_heard()
        if self._says and (moving := anatomy.moving_statistics(self.schedule)):
            LOGGER.warning(moving)
        if self._says and (words := two_forms_words(getattr(optimizer, "optimizer", optimizer), self.schedule)):
            LOGGER.warning(words)
        if self._says and (left := len(anatomy.parameters()) - len(self._anatomy.parameters())):
            names = self._anatomy.names()
            frozen = [names[id(p)] for p in anatomy.parameters() if not p.requires_grad]
            LOGGER.info("%d parameters were frozen before training and stay so: %s", left, listed(frozen))
        self._watch = StageWatch(self._anatomy, self._beside(optimizer))
        self._model = model
        self._run = begun.Begun(Flags(model), Flags(model), weakref.ref(self._watch))
        begun.BEGUN[model] = self._run

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        self._epoch += 1  # as the Trainer counts: an epoch that a callback ended early is one, too
        if self.by == "epoch":
            self._enter(self._epoch, state)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        if isinstance(self.by, int):
            self._enter(state.global_step // self.by, state)
        elif self.by == "fraction":
            self._enter(self.schedule.T * state.global_step // state.max_steps, state)
        # not so if a Trainer was made in a callback's event
        if self._model is not None and begun.BEGUN.get(self._model) is not self._run:
            begun.BEGUN[self._model] = self._run
            self._anatomy.freeze(self.schedule[self._stage])
        self._looked = False

    def on_pre_optimizer_step(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        self._watch.before_step()

    def on_optimizer_step(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        said = self._watch.after_step(getattr(kwargs["optimizer"], "optimizer", kwargs["optimizer"]))
        said_of = [said, self._watch.unseen_words()]
        for words in said_of if self._says else []:
            if words:
                LOGGER.warning(words)
        self._looked = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        if not self._looked:
            raise BadInput(
                f"transformers {transformers.__version__}: its Trainer made a step without the events "
                "on_pre_optimizer_step and on_optimizer_step, so nobody watched what moved. Use transformers 5.23"
            )

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        self._watch.require_still()

    def on_log(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        logs, told = kwargs["logs"], begun.FIGURE in kwargs["logs"]
        begun.add_figure(kwargs["model"], logs, state)
        if begun.FIGURE in logs and not told and args.report_to and not self._heard and self._says:
            self._heard = True
            LOGGER.warning(
                "this Trainer was made before its ProgressiveFreezing, which so stands behind the loggers of report_to "
                "(%s): they do not see %s. Make the callback first, or train inside `with callback.attached(trainer):`",
                ", ".join(args.report_to), begun.FIGURE,
            )  # fmt: skip

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        self.restore()

    def _enter(self, number: int, state: TrainerState) -> None:
        number = min(number, self.schedule.T - 1)
        if number == self._stage:
            return
        if self._stage >= 0 and self.by != "epoch":  # an epoch's end has been looked at
            self._watch.require_still()
        stage = self.schedule[number]
        self._anatomy.freeze(stage)
        self._watch.enter(stage)
        self._stage = number
        if self._model is not None:
            self._run.stage = Flags(self._model)
        if self._says:
            LOGGER.info(
                "step %d: stage %d of %d of %s: of %d blocks %s, %s parameters train",
                state.global_step, number + 1, self.schedule.T, self.schedule.name, self._anatomy.L, blocks_of(stage),
                f"{self._watch.trained:,}",
            )  # fmt: skip

    def _beside(self, optimizer: Any) -> list[nn.Parameter]:
        """The optimizer's parameters beside the model, such as the classifier of a sentence-transformers loss."""
        known = {id(parameter) for parameter in (*self._anatomy.parameters(), *self._anatomy.frozen)}
        beside = [p for p in held_by(optimizer) if id(p) not in known and p.requires_grad]
        if beside and self._says:
            LOGGER.info(
                "%d parameters of the optimizer (%s elements) are none of the model's: they train in every stage, "
                "and are counted as H", len(beside), f"{sum(p.numel() for p in beside):,}",
            )  # fmt: skip
        return beside


def _require_wrapper_follows(model: nn.Module, schedule: Schedule) -> None:
    """Check DDP around the model in its first forward pass: no event hands a callback the wrapped model."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return

    def look(module: nn.Module, inputs: object) -> None:
        if module is model or getattr(module, "module", None) is model:
            handle.remove()
            require_ddp_follows(module, schedule)

    handle = nn.modules.module.register_module_forward_pre_hook(look)


def _make_heard() -> None:
    """If logging is not set up, write our lines above the Trainer's progress bar."""
    if not LOGGER.hasHandlers():
        LOGGER.addHandler(_AboveTheBar())
        LOGGER.setLevel(logging.INFO)


class _AboveTheBar(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)
