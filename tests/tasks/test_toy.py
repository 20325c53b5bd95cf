import json
import statistics
from collections import Counter

import pytest

from progbench.method.options import TUNINGS
from progbench.models import toy_tokenizer
from progbench.tasks import toy
from progbench.tasks.glue import glue_tasks
from progbench.tasks.metrics import GlueMetric
from progbench.tasks.squad import squad_tasks

SQUAD = [(name, metric) for name, task in squad_tasks().items() for metric in task.metrics]
SCORED = [(task, part) for task in glue_tasks().values() for part in task.evaluate]


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


@pytest.mark.parametrize(("task", "metric"), SQUAD)
def test_every_reference_score_on_questions_lies_well_above_answering_at_random(answers, task, metric):
    """A random word of the context is right in one of about 25; answering nothing, in v2.0's 40 % without an answer."""
    reference = json.loads((answers / "smoke" / "reference.json").read_text())["runs"]
    trivial = {"squad1": 0.1, "squad2": 0.45}[task]
    names = [name for name in reference if name.endswith(f"-{task}")]

    assert len(names) == 2
    for name in names:
        scores = [seed[task][metric] for seed in reference[name]["seeds"].values()]
        assert trivial + 0.2 < statistics.fmean(scores) < 0.95, name


def test_of_the_generated_v2_questions_about_two_fifths_have_no_answer():
    paragraphs = toy.paragraphs(squad_tasks()["squad2"], "train-v2.0.json", 400)
    impossible = sum(paragraph["qas"][0]["is_impossible"] for paragraph in paragraphs)

    assert 130 <= impossible <= 190


def test_some_generated_contexts_are_longer_than_a_window():
    paragraphs = toy.paragraphs(squad_tasks()["squad1"], "train-v1.1.json", 400)
    words = [len(paragraph["context"].split()) for paragraph in paragraphs]

    assert 50 < sum(count > 32 - 3 - 4 for count in words) < 350


def test_training_and_evaluation_rows_differ():
    assert toy.rows(glue_tasks()["rte"], "train.tsv", 50) != toy.rows(glue_tasks()["rte"], "dev.tsv", 50)


@pytest.mark.parametrize("task", [task for task in glue_tasks().values() if task.labels], ids=lambda task: task.name)
def test_classes_are_about_equally_frequent(task):
    counts = Counter(label for _, label in toy.rows(task, "train.tsv", 400))

    assert min(counts.values()) > 0.85 * 400 / len(task.labels)


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_the_tokenizer_knows_every_generated_word(architecture):
    tokenizer = toy_tokenizer.build(architecture)
    texts = [p["context"] + " " + p["qas"][0]["question"] for p in toy.paragraphs(squad_tasks()["squad2"], "t", 400)]
    texts += [text for task in glue_tasks().values() for pair, _ in toy.rows(task, "train.tsv", 400) for text in pair]

    assert all(tokenizer.unk_token_id not in ids for ids in tokenizer(texts)["input_ids"])
    assert len(tokenizer) <= 256


def test_a_bert_pair_has_two_segments_and_a_roberta_pair_two_separators():
    bert, roberta = toy_tokenizer.build("bert"), toy_tokenizer.build("roberta")

    assert bert("fox", "dog")["token_type_ids"] == [0, 0, 0, 1, 1]
    assert " ".join(roberta.convert_ids_to_tokens(roberta("fox", "dog")["input_ids"])) == "<s> fox </s> </s> dog </s>"


@pytest.mark.parametrize("task", glue_tasks().values(), ids=glue_tasks())
def test_generated_texts_are_of_different_lengths(task):
    lengths = {len(" ".join(texts).split()) for texts, _ in toy.rows(task, task.train, 50)}

    assert len(lengths) >= 4
