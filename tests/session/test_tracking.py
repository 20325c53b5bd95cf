"""Runs sent to a tracker by transformers' own integrations, of which only the tracker's package is made up here."""

import os
import sys
from pathlib import Path

import pytest
import torch

from progbench.errors import BadInput
from progbench.runs.run_result import EpochResult, RunResult
from progbench.session.tracking import tracker

TENSORBOARD = """
class SummaryWriter:
    told = []
    def __init__(self, log_dir): self.folder = log_dir
    def add_text(self, *args): pass
    def add_scalar(self, name, value, step): self.told.append((name, value, step))
    def flush(self):
        if self.folder.startswith("/full"): raise OSError("disk full")
    def close(self): self.told.append("closed")
"""
WANDB = """
import types
run, told = None, []
config = type("Config", (dict,), {"update": lambda self, *args, **kwargs: None})()
def init(project, name):
    global run
    run = types.SimpleNamespace(_label=lambda code: None, summary={}, name=name)
def define_metric(*args, **kwargs): pass
def log(values): told.append((run.name, values))
def finish():
    global run
    run = None
"""

MLFLOW = """
import os
from types import SimpleNamespace as Space
__version__, run, told = "3.17.2", None, []
utils = Space(validation=Space(MAX_PARAM_VAL_LENGTH=500, MAX_PARAMS_TAGS_PER_BATCH=100))
def is_tracking_uri_set(): return bool(os.environ.get("MLFLOW_TRACKING_URI"))
def get_tracking_uri(): return os.environ["MLFLOW_TRACKING_URI"]
def active_run(): return run
def start_run(run_name, nested):
    global run
    run = Space(info=Space(run_id=run_name))
def end_run():
    global run
    run = None
def log_params(values, **how): pass
def log_metrics(metrics, step, **how): told.append((run.info.run_id, step, metrics))
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Makes a package of this name and content that can be imported, and nothing else of a tracker."""
    for name in ("tensorboard", "tensorboardX", "wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("WANDB_MODE", "WANDB_DIR", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")  # put back afterwards
        monkeypatch.delenv(name)
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, content, *modules):
        for part in (name, *modules):
            (tmp_path / part).mkdir()
            (tmp_path / part / "__init__.py").write_text(content if part == name else "ConfigError = ValueError")
        monkeypatch.delitem(sys.modules, name)
        return __import__(name)

    return make


@pytest.fixture
def result(smoke_recipe):
    epochs = [EpochResult({"rte": {"accuracy": 0.5 + t / 10}}, 100 - t, 0.7, 2.0, steps=4) for t in range(2)]
    return RunResult(smoke_recipe(task="rte"), 3, tuple(epochs))


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_tracker_that_is_not_installed_is_refused_with_what_to_type(package, tmp_path, name):
    with pytest.raises(BadInput, match=f"^--log-to {name} needs a package that is not installed: pip install {name}$"):
        tracker(name, tmp_path)


def test_a_tracker_that_its_integration_refuses_is_refused(package, tmp_path):
    package("wandb", "")  # what an uninstall may leave
    with pytest.raises(BadInput, match="--log-to wandb: WandbCallback requires wandb to be installed"):
        tracker("wandb", tmp_path)


def test_each_epochs_loss_and_scores_are_sent_at_its_step(package, tmp_path, result):
    told = package("tensorboardX", TENSORBOARD).SummaryWriter.told
    tracker("tensorboard", tmp_path)(result)
    assert ("train/loss", 0.7, 4) in told
    scores = [one for one in told if one[0].startswith("eval/")]
    assert scores == [("eval/rte_accuracy", 0.5, 4), ("eval/rte_accuracy", 0.6, 8)]
    assert told[-1] == "closed"


def test_what_goes_wrong_while_sending_is_said_and_stops_nothing(package, result, capsys):
    package("tensorboardX", TENSORBOARD)
    tracker("tensorboard", Path("/full"))(result)
    assert capsys.readouterr().err == f"not sent to tensorboard: {result.recipe.id} seed 3: disk full\n"


def test_wandb_is_offline_and_has_a_run_for_each_seed(package, tmp_path, monkeypatch, result):
    wandb = package("wandb", WANDB, "wandb/sdk", "wandb/sdk/lib", "wandb/sdk/lib/config_util")
    send = tracker("wandb", tmp_path)
    send(result)
    send(RunResult(result.recipe, 4, result.epochs))
    name = f"{result.recipe.id}-{result.recipe.digest}-seed"
    assert [name for name, _ in wandb.told] == [f"{name}3", f"{name}3", f"{name}4", f"{name}4"]
    assert os.environ["WANDB_MODE"] == "offline"


@pytest.mark.parametrize("theirs", ["", "http://127.0.0.1:9"])
def test_mlflow_has_a_run_for_each_seed_and_its_file_with_the_results(package, tmp_path, monkeypatch, result, theirs):
    mlflow = package("mlflow", MLFLOW)
    if theirs:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", theirs)
    folder = tmp_path / "runs" / "logs"
    send = tracker("mlflow", folder)
    send(result)
    send(RunResult(result.recipe, 4, result.epochs))
    name = f"{result.recipe.id}-{result.recipe.digest}-seed"

    assert [(run, step, sent["eval_rte_accuracy"]) for run, step, sent in mlflow.told] == [
        (f"{name}{seed}", step, score) for seed in (3, 4) for step, score in ((4, 0.5), (8, 0.6))
    ]
    assert mlflow.get_tracking_uri() == (theirs or f"sqlite:///{folder}/mlflow.db")
    assert folder.is_dir()  # in which SQLite makes its file


def test_sending_moves_no_random_numbers_and_no_threads(package, tmp_path, result):
    package("tensorboardX", TENSORBOARD)
    before = torch.get_rng_state(), torch.get_num_threads()
    tracker("tensorboard", tmp_path)(result)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
