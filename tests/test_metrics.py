import math

import pytest

from progbench.metrics import GlueMetric
from progbench.tasks import tasks


def compute(task, predictions, references):
    return GlueMetric(tasks()[task]).compute(predictions=predictions, references=references)


def test_accuracy_is_the_share_of_right_answers():
    assert compute("rte", [1, 0, 1, 1], [1, 1, 1, 0]) == {"accuracy": 0.5}


def test_mrpc_records_f1_of_class_1_and_accuracy():
    # one true positive, two false positives, no false negative: F1 = 2 / (2 + 2)
    assert compute("mrpc", [1, 1, 1, 0], [1, 0, 0, 0]) == {"f1": 0.5, "accuracy": 0.5}


def test_cola_is_matthews_correlation():
    # TP 2, TN 1, FP 1, FN 1: (2*1 - 1*1) / sqrt(3 * 3 * 2 * 2) = 1/6
    assert compute("cola", [1, 1, 0, 1, 0], [1, 1, 0, 0, 1])["matthews_correlation"] == pytest.approx(1 / 6)


def test_stsb_records_pearson_and_spearman():
    # ranks agree, values do not: Pearson of (1, 2, 3) with (1, 2, 6) is 5 / sqrt(2 * 14)
    scores = compute("stsb", [1.0, 2.0, 6.0], [1.0, 2.0, 3.0])

    assert scores == {"pearson": pytest.approx(5 / math.sqrt(28)), "spearman": pytest.approx(1.0)}


def test_constant_predictions_have_no_matthews_correlation_above_zero():
    assert compute("cola", [1, 1, 1], [1, 0, 1]) == {"matthews_correlation": 0.0}


@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_constant_predictions_have_an_undefined_correlation():
    assert all(math.isnan(value) for value in compute("stsb", [2.0, 2.0, 2.0], [1.0, 2.0, 3.0]).values())


def test_a_metric_script_in_the_working_directory_is_not_run(tmp_path, monkeypatch):
    (tmp_path / "glue").mkdir()
    (tmp_path / "glue" / "glue.py").write_text("raise SystemExit('ran')")
    monkeypatch.chdir(tmp_path)

    assert compute("sst2", [1], [1]) == {"accuracy": 1.0}
