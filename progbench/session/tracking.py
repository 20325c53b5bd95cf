"""The losses and scores of each run that is trained, sent to an experiment tracker by what transformers has."""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from progbench.errors import BadInput
from progbench.report.cells import plain
from progbench.runs.results import RunResult

PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",), "mlflow": ("mlflow",)}


def tracker(name: str, folder: Path) -> Callable[[RunResult], None]:
    """What sends a result to the tracker `name`, one of PACKAGES; its own files go below `folder`.

    It sends a run as a whole, once its result is on file, so it moves no score. W&B stays offline unless WANDB_MODE
    says otherwise, and MLflow keeps a file there unless MLFLOW_TRACKING_URI names another place. What goes wrong while
    sending is said on standard error, and stops no run. Raises BadInput where the tracker's package is not installed,
    or cannot be used.

    >>> send = tracker("", Path("logs"))  # nowhere
    """
    if not name:
        return lambda result: None
    if not any(map(importlib.util.find_spec, PACKAGES[name])):
        raise BadInput(f"--log-to {name} needs a package that is not installed: pip install {PACKAGES[name][0]}")
    if name == "wandb":
        os.environ.setdefault("WANDB_MODE", "offline")
        os.environ.setdefault("WANDB_DIR", str(folder))
    if name == "mlflow":  # which else writes into the folder where one is
        os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder.absolute()}/mlflow.db")
    from transformers.integrations import get_reporting_integration_callbacks

    (integration,) = get_reporting_integration_callbacks([name])
    try:
        integration()
    except Exception as problem:  # whatever a broken install raises
        raise BadInput(f"--log-to {name}: {problem}") from None

    def send(result: RunResult) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _send(integration(), result, folder)
        except Exception as problem:  # a full disk, a server that is away: the result is on file
            print(plain(f"not sent to {name}: {result.recipe.id} seed {result.seed}: {problem}"), file=sys.stderr)

    return send


def _send(callback: Any, result: RunResult, folder: Path) -> None:
    """One run, from its beginning to its end, as a Trainer would tell it to the callback."""
    from transformers import TrainerControl, TrainerState, TrainingArguments

    recipe = result.recipe
    name = f"{recipe.id}-{recipe.digest}-seed{result.seed}"
    arguments = TrainingArguments(
        str(folder / name),
        run_name=name,
        seed=result.seed,
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch_size,
        weight_decay=recipe.weight_decay,
        report_to="none",
        use_cpu=True,  # nothing is trained by these
    )
    state, control = TrainerState(is_world_process_zero=True), TrainerControl()
    callback.on_train_begin(arguments, state, control)
    try:
        for state.epoch, epoch in enumerate(result.epochs, 1):
            state.global_step += epoch.steps or 1  # of the optimizer; epochs, where nobody counted them
            logs = {"epoch": state.epoch, "loss": epoch.loss, "updated_parameters": epoch.updated_parameters}
            for evaluation_set, scores in epoch.scores.items():
                logs |= {f"eval_{evaluation_set}_{name}": score for name, score in scores.items()}
            callback.on_log(arguments, state, control, logs=logs | {"seconds": epoch.seconds})
    finally:
        callback.on_train_end(arguments, state, control)
        if wandb := getattr(callback, "_wandb", None):  # or the next run would be taken for more of this one
            wandb.finish()
