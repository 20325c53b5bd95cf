"""Whether the length of a Trainer's run fits a schedule, at its start and when it resumes from a checkpoint."""

from __future__ import annotations

from typing import Any

from transformers import TrainerState, TrainingArguments

from progbench.errors import BadInput
from progbench.method.schedule import Schedule

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
