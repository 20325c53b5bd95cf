"""progbench card: the Hub's own reader finds task, data, metric and value in it."""

import pytest
from huggingface_hub import ModelCard
from made_up import result

from progbench import cli
from progbench.recipes.reading import read
from progbench.runs import results

SCORES = {"stsb": {"pearson": 0.875, "spearman": 0.85}}


@pytest.fixture
def recipe():
    return read("mini", "glue", model="minilm", schedule="shrinking", task="stsb")


def test_the_hub_reads_task_data_metrics_and_values_of_the_last_epoch(recipe, tmp_path, capsys):
    assert cli.main(["card", str(results.save(tmp_path, result(recipe, 3, SCORES)))]) == 0
    data = ModelCard(capsys.readouterr().out).data
    first, second = data.eval_results

    assert (first.task_type, first.dataset_type, first.dataset_name) == (
        "text-classification", "nyu-mll/glue", "stsb",
    )  # fmt: skip
    assert {first.metric_type: first.metric_value, second.metric_type: second.metric_value} == {
        "pearsonr": 0.875, "spearmanr": 0.85,
    }  # fmt: skip
    assert data.progbench["digest"] == recipe.digest


def test_a_run_on_generated_data_has_no_card(smoke_recipe, tmp_path, capsys):
    wanted = smoke_recipe()

    assert cli.main(["card", str(results.save(tmp_path, result(wanted, 0, {"sst2": {"accuracy": 0.5}})))]) == 2
    assert "generated data: nothing for a card" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_said(tmp_path, capsys):
    assert cli.main(["card", str(tmp_path / "seed0.json")]) == 2
    assert "no such result" in capsys.readouterr().err
