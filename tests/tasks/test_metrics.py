import json
import math
import os
import subprocess
import sys
import tempfile

import evaluate
import pytest

from progbench.tasks.glue import glue_tasks
from progbench.tasks.metrics import GlueMetric, SquadMetric
from progbench.tasks.squad import squad_tasks


def compute(task, predictions, references):
    return GlueMetric(glue_tasks()[task]).compute(predictions=predictions, references=references)


def test_accuracy_is_the_share_of_right_answers():
    assert compute("rte", [1, 0, 1, 1], [1, 1, 1, 0]) == {"accuracy": 0.5}


def test_mrpc_records_f1_of_class_1_and_accuracy():
    # one true positive, two false positives, no false negative: F1 = 2 / (2 + 2)
    assert compute("mrpc", [1, 1, 1, 0], [1, 0, 0, 0]) == {"f1": 0.5, "accuracy": 0.5}


def test_cola_is_matthews_correlation():
    # TP 2, TN 1, FP 1, FN 1: (2*1 - 1*1) / sqrt(3 * 3 * 2 * 2) = 1/6
    assert compute("cola", [1, 1, 0, 1, 0], [1, 1, 0, 0, 1])["matthews_correlation"] == pytest.approx(1 / 6)


@pytest.mark.parametrize("task", glue_tasks().values(), ids=glue_tasks())
def test_of_no_examples_every_metric_is_undefined(task):
    scores = compute(task.name, [], [])

    assert list(scores) == list(task.metrics)
    assert all(math.isnan(value) for value in scores.values())


@pytest.mark.parametrize("task", glue_tasks().values(), ids=glue_tasks())
def test_where_every_prediction_is_right_every_metric_is_1(task):
    right = [number % (len(task.labels) or 5) for number in range(60)]

    assert compute(task.name, right, right) == dict.fromkeys(task.metrics, 1.0)


def test_where_every_prediction_is_wrong_matthews_correlation_is_minus_1():
    assert compute("cola", [1, 0, 1, 0], [0, 1, 0, 1]) == {"matthews_correlation": -1.0}


CORRELATION = """
import random
from progbench.tasks.metrics import _FUNCTIONS
drawn = random.Random(0)
true = [drawn.random() for _ in range(1500)]
guessed = [one + drawn.random() for one in true]
print([_FUNCTIONS[name](true, guessed) for name in ("pearson", "spearman")])
"""
WITHOUT_TRANSFORMERS = "import sys; sys.modules['transformers'] = None\n"  # `evaluate` would load it, and torch with it


def test_a_correlation_is_the_same_to_the_last_bit_whatever_kernels_numpys_blas_chose(capsys):
    exec(CORRELATION, {})  # with the kernels that were chosen for this processor
    # numpy chooses when it is loaded; Prescott's kernels run on every x86-64
    forced = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRANSFORMERS + CORRELATION],
        env={**os.environ, "OPENBLAS_CORETYPE": "Prescott"},
        check=True,
        capture_output=True,
        text=True,
    )

    assert forced.stdout == capsys.readouterr().out


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


def answered(predicted, *gold, unanswerable=False):
    scores = SquadMetric(unanswerable=unanswerable).compute(predictions=[predicted], references=[list(gold)])
    return scores["exact_match"], scores["f1"]


@pytest.mark.parametrize("predicted", ["Oslo", "oslo", "the Oslo", "Oslo.", " Oslo ", "a: Oslo!", "An OSLO"])
def test_case_punctuation_articles_and_spaces_do_not_count(predicted):
    assert answered(predicted, "Oslo") == (1.0, 1.0)


@pytest.mark.parametrize("predicted", ["Oslos", "theOslo", "\u201cOslo\u201d"])
def test_another_word_counts_and_so_does_a_typographic_quote(predicted):
    assert answered(predicted, "Oslo") == (0.0, 0.0)


def test_f1_is_the_harmonic_mean_of_shared_words():
    # "warm Oslo fjord" against "Oslo fjord in Norway": 2 shared of 3 and of 4 words, 2 * 2 / 7
    assert answered("warm Oslo fjord", "Oslo fjord in Norway") == (0.0, pytest.approx(4 / 7))


def test_a_word_counts_as_often_as_both_have_it():
    # "New York New York" against "York York York": two shared, of 4 and of 3
    assert answered("New York New York", "York York York")[1] == pytest.approx(4 / 7)


def test_the_gold_answer_that_fits_best_counts_for_each_metric():
    assert answered("the year 1066", "1067", "1066 AD", "year 1066") == (1.0, 1.0)


def test_scores_are_means_over_questions():
    scores = SquadMetric().compute(predictions=["Oslo", "Lima"], references=[["Oslo"], ["Quito"]])

    assert scores == {"exact_match": 0.5, "f1": 0.5}


@pytest.mark.parametrize(
    ("predicted", "gold", "scores"),
    [
        ("", [], (1.0, 1.0)),
        ("Oslo", [], (0.0, 0.0)),
        ("", ["Oslo"], (0.0, 0.0)),
        ("the", [], (1.0, 1.0)),  # an article alone is the empty answer
        ("", ["the", "a"], (1.0, 1.0)),
        ("Oslo", ["the", "Oslo"], (1.0, 1.0)),
    ],
)
def test_in_v2_no_gold_answer_is_matched_by_the_empty_answer(predicted, gold, scores):
    assert answered(predicted, *gold, unanswerable=True) == scores


def test_of_no_questions_exact_match_and_f1_are_undefined():
    scores = SquadMetric().compute(predictions=[], references=[])

    assert all(math.isnan(scores[name]) for name in ("exact_match", "f1"))


def test_in_v1_an_empty_answer_has_no_f1_even_where_it_matches():
    # the v1.1 scorer: no shared word, no F1
    assert answered("", "the") == (1.0, 0.0)


def test_published_predictions_score_what_their_authors_scorer_gives(squad_dir):
    questions = squad_tasks()["squad1"].questions(squad_dir / "dev-v1.1.json")
    published = json.loads((squad_dir / "predictions" / "dev-v1.1.bert-ensemble.json").read_text())
    scores = SquadMetric().compute(
        predictions=[published[one.id] for one in questions],
        references=[[text for _, text in one.answers] for one in questions],
    )

    assert len(questions) == 10_570
    assert {name: round(100 * value, 5) for name, value in scores.items()} == {"exact_match": 86.20624, "f1": 92.19558}


def test_of_the_v2_development_set_half_is_answered_right_by_answering_nothing(squad_dir):
    questions = squad_tasks()["squad2"].questions(squad_dir / "dev-v2.0.json")
    scores = SquadMetric(unanswerable=True).compute(
        predictions=[""] * len(questions), references=[[text for _, text in one.answers] for one in questions]
    )

    # 5,945 of 11,873 have no answer
    assert {name: round(100 * value, 4) for name, value in scores.items()} == {"exact_match": 50.0716, "f1": 50.0716}


def test_the_squad_metric_asks_no_network_and_runs_no_script(tmp_path, monkeypatch):
    (tmp_path / "squad").mkdir()
    (tmp_path / "squad" / "squad.py").write_text("raise SystemExit('ran')")
    monkeypatch.chdir(tmp_path)

    assert answered("Oslo", "Oslo") == (1.0, 1.0)


@pytest.fixture
def no_home(tmp_path, monkeypatch):
    """Evaluate's own folder where no folder can be made, by anyone: what should be its parent is a file."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path / "file" / "metrics")


@pytest.mark.parametrize("task", ["mrpc", "stsb", "cola"])
def test_scores_of_classes_need_no_folder_below_home(no_home, task, reliability):
    assert compute(task, [1, 0, 1], [1, 0, 1]) == dict.fromkeys(glue_tasks()[task].metrics, 1.0)
    reliability(
        "Running, on one machine or on many",
        "a HOME or HF_HOME that cannot be written",
        happens="nothing: metrics keep no files, and what lies in the hub's cache is read as it is",
        kept="everything",
    )


def test_scores_of_answers_need_no_folder_below_home(no_home):
    found = SquadMetric().compute(predictions=["Oslo"], references=[["Oslo"]])

    assert found == {"exact_match": 1.0, "f1": 1.0}


def test_a_metric_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    compute("rte", [1, 0], [1, 0])

    assert list(tmp_path.iterdir()) == []


def test_an_answer_to_a_question_without_gold_answers_is_wrong():
    assert SquadMetric().compute(predictions=["Oslo"], references=[[]]) == {"exact_match": 0.0, "f1": 0.0}
