import json
import statistics
from collections import Counter

import pytest

from progbench import toy
from progbench.counting import TUNINGS
from progbench.metrics import GlueMetric
from progbench.tasks import tasks

SCORED = [(task, part) for task in tasks().values() for part in task.evaluate]


def trivial_scores(task, part):
    """What the best constant answer scores; a correlation with a constant counts as 0."""
    file = task.evaluate[part][0]
    labels = [label for _, label in toy.rows(task, file, toy.SIZES["evaluate"])]
    if not task.labels:
        return dict.fromkeys(task.metrics, 0.0)
    true = [task.labels.index(label) for label in labels]
    constants = [
        GlueMetric(task).compute(predictions=[k] * len(true), references=true) for k in range(len(task.labels))
    ]
    return {name: max(scores[name] for scores in constants) for name in task.metrics}


@pytest.mark.parametrize(("task", "part"), SCORED, ids=[part for _, part in SCORED])
def test_every_reference_score_lies_well_above_the_best_constant_answer(answers, task, part):
    reference = json.loads((answers / "smoke" / "reference.json").read_text())["runs"]
    trivial = trivial_scores(task, part)

    for name in (name for name in reference if name.endswith(f"-{task.name}")):
        above = 0.05 if any(f"-{tuning}-" in name for tuning in TUNINGS) else 0.2  # a frozen random body learns less
        for metric in task.metrics:
            scores = [seed[part][metric] for seed in reference[name]["seeds"].values()]
            assert statistics.fmean(scores) > trivial[metric] + above, (name, metric)


def test_generated_rows_are_the_same_every_time():
    assert toy.rows(tasks()["mnli"], "train.tsv", 50) == toy.rows(tasks()["mnli"], "train.tsv", 50)


def test_training_and_evaluation_rows_differ():
    assert toy.rows(tasks()["rte"], "train.tsv", 50) != toy.rows(tasks()["rte"], "dev.tsv", 50)


@pytest.mark.parametrize("task", [task for task in tasks().values() if task.labels], ids=lambda task: task.name)
def test_classes_are_about_equally_frequent(task):
    counts = Counter(label for _, label in toy.rows(task, "train.tsv", 400))

    assert min(counts.values()) > 0.85 * 400 / len(task.labels)


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_the_tokenizer_knows_every_generated_word(architecture):
    tokenizer = toy.tokenizer(architecture)
    texts = [text for task in tasks().values() for pair, _ in toy.rows(task, "train.tsv", 400) for text in pair]

    assert all(tokenizer.unk_token_id not in ids for ids in tokenizer(texts)["input_ids"])
    assert len(tokenizer) <= 256


def test_a_bert_pair_has_two_segments_and_a_roberta_pair_two_separators():
    bert, roberta = toy.tokenizer("bert"), toy.tokenizer("roberta")

    assert bert("fox", "dog")["token_type_ids"] == [0, 0, 0, 1, 1]
    assert " ".join(roberta.convert_ids_to_tokens(roberta("fox", "dog")["input_ids"])) == "<s> fox </s> </s> dog </s>"
