import dataclasses
import functools
import json

import pytest
import torch

from progbench import environment
from progbench.errors import BadInput
from progbench.method.flops import step_flops
from progbench.models import loading, toy_tokenizer
from progbench.recipes import reading
from progbench.tasks import catalog, toy
from progbench.tasks.catalog import tasks
from progbench.training import one_run, train, workload

pytestmark = pytest.mark.usefixtures("forty_rows")


@pytest.fixture(scope="module")
def two_runs(forty_rows):
    read = reading.read("smoke", "glue", model="tiny-roberta", schedule="shrinking", task="mnli")
    return [train.train(dataclasses.replace(read, epochs=2), seed=3) for _ in range(2)]


def test_the_same_seed_gives_bit_identical_scores(two_runs):
    assert [epoch.scores for epoch in two_runs[0].epochs] == [epoch.scores for epoch in two_runs[1].epochs]
    assert [epoch.loss for epoch in two_runs[0].epochs] == [epoch.loss for epoch in two_runs[1].epochs]


def test_one_mnli_run_scores_both_evaluation_sets_after_every_epoch(two_runs):
    assert [sorted(epoch.scores) for epoch in two_runs[0].epochs] == [["mnli-m", "mnli-mm"]] * 2


def test_a_run_records_what_it_was_made_with(two_runs):
    run = two_runs[0]

    assert run.examples == {"train": 40, "mnli-m": 30, "mnli-mm": 30}
    assert run.fingerprints["data"].startswith("sha256:")
    # a wheel's own version may leave out what it was built for: 2.13.0 for 2.13.0+cu130
    assert run.environment["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert run.environment["threads"] == torch.get_num_threads()
    assert run.seconds > sum(epoch.seconds for epoch in run.epochs) > 0
    assert run.peak_memory_bytes > 100 * 2**20


def test_another_seed_gives_another_run(two_runs):
    other = train.train(two_runs[0].recipe, seed=4)

    assert other.epochs[0].loss != two_runs[0].epochs[0].loss


@pytest.mark.parametrize("task", tasks())
def test_every_task_trains_through_its_own_files(smoke_recipe, task):
    result = train.train(smoke_recipe(model="tiny-roberta", task=task, epochs=1), 0)

    assert {name: sorted(scores) for name, scores in result.epochs[0].scores.items()} == {
        name: sorted(tasks()[task].metrics) for name in tasks()[task].evaluate
    }


@pytest.mark.parametrize("name", ["squad1", "squad2"])
def test_a_run_on_questions_counts_its_windows_and_names_what_it_set_aside(smoke_recipe, monkeypatch, tmp_path, name):
    toy.write_squad(tmp_path)
    monkeypatch.setenv("SQUAD_DIR", str(tmp_path))
    path = tmp_path / tasks()[name].train
    content = json.loads(path.read_text())
    entry = content["data"][0]["paragraphs"][0]["qas"][0]
    entry |= {"id": "moved", "answers": [{"text": "nowhere here", "answer_start": 0}]}
    entry |= {"is_impossible": False} if name == "squad2" else {}
    content["data"][0]["paragraphs"] += [
        {
            "context": "fox in Oslo",
            "qas": [{"id": f"more{i}", "question": "?", "answers": [{"text": "Oslo", "answer_start": 7}]}],
        }
        for i in range(960)
    ]
    path.write_text(json.dumps(content))
    wanted = smoke_recipe(model="tiny-roberta", task=name, dataset="SQUAD_DIR", epochs=1, batch_size=100)
    result = train.train(wanted, 0)

    assert (result.examples["train"], result.examples[name]) == (999, 30)
    assert result.examples["train windows"] > 999
    assert result.left_out == {"train": 1}
    assert result.notes[0].startswith("training questions set aside: 1 (article 'Generated', question 'moved'")


def test_an_epoch_records_its_steps_and_the_sum_of_what_its_batches_cost(smoke_recipe):
    wanted = smoke_recipe(schedule="shrinking", epochs=2)
    data = catalog.load(catalog.tasks()["sst2"], wanted.data_source)
    lengths = [
        len(row["input_ids"]) for row in workload.encode(data.train, toy_tokenizer.build("bert"), wanted.max_length)
    ]
    batches = [lengths[i : i + wanted.batch_size] for i in range(0, len(lengths), wanted.batch_size)]
    run = train.train(wanted, 0)

    for epoch, blocks in zip(run.epochs, (range(4), range(2, 4)), strict=True):
        assert epoch.steps == len(batches)
        assert epoch.flops == sum(step_flops("tiny-bert", blocks, lengths=batch) for batch in batches)


def test_a_result_names_the_commit_its_training_began_with(smoke_recipe, monkeypatch):
    monkeypatch.setattr(environment, "commit", functools.cache(lambda: commits.pop(0)))
    commits = ["before", "after"]
    load = loading.load

    def slow(*arguments):
        commits[:] = ["after"]
        return load(*arguments)

    monkeypatch.setattr(loading, "load", slow)

    assert train.train(smoke_recipe(model="tiny-roberta", epochs=1), 0).environment["commit"] == "before"


def test_a_model_of_other_sizes_than_its_recipe_plans_is_refused_before_the_first_step(
    smoke_recipe, monkeypatch, reliability
):
    load, wanted = loading.load, smoke_recipe()

    def other(model, *rest):
        return load(dataclasses.replace(model, vocabulary=model.vocabulary + 8), *rest)

    monkeypatch.setattr(loading, "load", other)
    monkeypatch.setattr(one_run, "fit", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(BadInput) as refused:
        train.train(wanted, 0)

    # eight more words of 64 numbers in each of its epochs
    assert f"{wanted.planned():,} updated parameters" in str(refused.value)
    assert f"would update {wanted.planned() + wanted.epochs * 8 * 64:,}" in str(refused.value)
    reliability(
        "Naming a model",
        "a vocabulary of another size",
        happens=str(refused.value),
        kept="the time: no seed is trained",
    )
