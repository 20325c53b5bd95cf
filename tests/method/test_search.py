"""`Trainer.hyperparameter_search` with the callback: trials are told apart by what their evaluations returned."""

import pytest
import tiny
import torch
import trainers
import transformers
from transformers.trainer_utils import default_compute_objective

from progbench import ProgressiveFreezing
from progbench.method.schedule import shrinking

SETTINGS = {
    "num_train_epochs": 2, "per_device_train_batch_size": 4, "eval_strategy": "epoch", "logging_strategy": "steps",
    "logging_steps": 1, "learning_rate": 1e-2,
}  # fmt: skip


def searcher(folder, **options):
    callback = ProgressiveFreezing(shrinking(4, 2))
    rows = tiny.rows("BERT")
    return trainers.Ordered(
        args=trainers.arguments(folder, **SETTINGS), train_dataset=rows, eval_dataset=rows, callbacks=[callback],
        data_collator=trainers.collate, **options,
    )  # fmt: skip


class Evaluated(transformers.TrainerCallback):
    def __init__(self):
        self.metrics = []

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        self.metrics.append(metrics)


def test_what_an_evaluation_returns_is_its_metrics_alone(tmp_path):
    seen = Evaluated()
    trainer = searcher(tmp_path, model=tiny.model("BERT"))
    trainer.add_callback(seen)
    trainer.train()

    assert len(seen.metrics) == 2
    for metrics in seen.metrics:
        assert {name for name in metrics if not name.startswith("eval_")} == {"epoch"}
        assert default_compute_objective(metrics) == metrics["eval_loss"]


def accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}


@pytest.mark.parametrize("compute_metrics", [None, accuracy], ids=["by the loss", "by a metric"])
def test_optuna_finds_the_better_of_two_rates(tmp_path, compute_metrics):
    optuna = pytest.importorskip("optuna", reason="the extra 'test' is not installed")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trainer = searcher(tmp_path, model_init=lambda: tiny.model("BERT"), compute_metrics=compute_metrics)
    tried = []

    def rate(trial):
        return {"learning_rate": trial.suggest_categorical("learning_rate", [1e-7, 3e-2])}

    def objective(metrics):
        tried.append(default_compute_objective(metrics))
        return tried[-1]

    best = trainer.hyperparameter_search(
        rate, compute_objective=objective, n_trials=2, direction="maximize" if compute_metrics else "minimize",
        sampler=optuna.samplers.GridSampler({"learning_rate": [1e-7, 3e-2]}),
    )  # fmt: skip

    assert best.hyperparameters == {"learning_rate": 3e-2}
    assert all(0 < one <= 1 for one in tried)
    torch.manual_seed(0)
