import functools
import json
import math

import pytest
import torch

from progbench import Anatomy, environment
from progbench.errors import BadInput, Missing
from progbench.method import schedule
from progbench.method.flops import step_flops
from progbench.models import loading, toy_tokenizer
from progbench.models.spec import spec
from progbench.recipes import reading
from progbench.tasks import catalog, toy_squad
from progbench.tasks.catalog import tasks
from progbench.training import fitting, prepared, train, workload
from progbench.training.workload import NonFinite

SCHEDULES = [schedule.constant, schedule.shrinking, schedule.without_low_blocks, schedule.growing]


def tiny(name="tiny-bert"):
    torch.manual_seed(0)
    return loading.build(spec(name), num_labels=2)


def batches(steps=4):
    generator = torch.Generator().manual_seed(0)
    return [
        {"input_ids": torch.randint(5, 100, (4, 9), generator=generator), "labels": torch.tensor([0, 1, 0, 1])}
        for _ in range(steps)
    ]


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-roberta"])
@pytest.mark.parametrize("make", SCHEDULES)
def test_in_each_epoch_the_stage_moves_and_nothing_else_by_a_bit(smoke_recipe, name, make):
    model, stages = tiny(name), make(spec(name).blocks, 3)
    anatomy = Anatomy.of(model)
    before = [parameter.detach().clone() for parameter in anatomy.parameters()]
    wanted = smoke_recipe(epochs=3, warmup=0.0)

    for trained in fitting.fit(model, wanted, stages, batches, 4):
        live = {id(parameter) for parameter in anatomy.trainable(stages[trained.t])}
        for parameter, old in zip(anatomy.parameters(), before, strict=True):
            assert torch.equal(parameter, old) is (id(parameter) not in live)
        assert trained.updated_parameters == anatomy.count(stages[trained.t])
        before = [parameter.detach().clone() for parameter in anatomy.parameters()]


def test_what_has_a_gradient_in_a_step_is_the_stage(smoke_recipe, monkeypatch):
    model, stages = tiny(), schedule.shrinking(4, 2)
    seen = []

    def noted(parameters, norm):
        seen.append({name for name, parameter in model.named_parameters() if parameter.grad is not None})

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", noted)
    list(fitting.fit(model, smoke_recipe(epochs=2), stages, lambda: batches(1), 1))
    low = {name for name, _ in model.named_parameters() if ".layer.0." in name or ".layer.1." in name}

    assert seen == [
        {name for name, _ in model.named_parameters()},
        {name for name, _ in model.named_parameters()} - low,
    ]


def test_a_gradient_outside_the_stage_stops_the_run(smoke_recipe, monkeypatch):
    monkeypatch.setattr(Anatomy, "freeze", lambda self, stage: None)

    with pytest.raises(RuntimeError, match="epoch 2: 158914 elements have a gradient, but its stage holds 91970"):
        list(fitting.fit(tiny(), smoke_recipe(epochs=2), schedule.shrinking(4, 2), batches, 4))


def test_learning_rate_rises_through_warm_up_and_falls_linearly_to_zero_over_all_epochs(smoke_recipe, monkeypatch):
    rates = []

    class Recording(torch.optim.AdamW):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "AdamW", Recording)
    wanted = smoke_recipe(epochs=2, learning_rate=1.0e-3, warmup=0.25)
    list(fitting.fit(tiny(), wanted, schedule.constant(4, 2), batches, 4))

    assert rates == pytest.approx([1e-3 * share for share in (0, 1 / 2, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6)])


def test_weight_decay_spares_biases_and_layer_norms(smoke_recipe):
    model = tiny()
    decayed, spared = fitting.build_optimizer(Anatomy.of(model), smoke_recipe(weight_decay=0.01)).param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}

    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.01, 0.0)
    assert {names[id(p)] for p in spared["params"]} == {
        n for n in names.values() if n.endswith("bias") or "LayerNorm" in n
    }
    assert len(decayed["params"]) + len(spared["params"]) == len(names)


def test_gradients_are_clipped_to_the_recipes_norm(smoke_recipe, monkeypatch):
    norms = []
    clip = torch.nn.utils.clip_grad_norm_

    def noted(parameters, norm):
        clip(parameters, norm)
        norms.append(math.sqrt(sum(float(p.grad.pow(2).sum()) for p in parameters)))

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", noted)
    list(fitting.fit(tiny(), smoke_recipe(epochs=1, clip_norm=0.01), schedule.constant(4, 1), batches, 4))

    assert norms == pytest.approx([0.01] * 4, rel=1e-3)


@pytest.fixture(scope="module")
def two_runs():
    read = reading.read("smoke", "glue", model="tiny-roberta", schedule="shrinking", task="mnli")
    return [train.train(read, seed=3), train.train(read, seed=3)]


def test_the_same_seed_gives_bit_identical_scores(two_runs):
    assert [epoch.scores for epoch in two_runs[0].epochs] == [epoch.scores for epoch in two_runs[1].epochs]
    assert [epoch.loss for epoch in two_runs[0].epochs] == [epoch.loss for epoch in two_runs[1].epochs]


def test_one_mnli_run_scores_both_evaluation_sets_after_every_epoch(two_runs):
    assert [sorted(epoch.scores) for epoch in two_runs[0].epochs] == [["mnli-m", "mnli-mm"]] * 3


def test_a_run_records_what_it_was_made_with(two_runs):
    run = two_runs[0]

    assert run.examples == {"train": 400, "mnli-m": 250, "mnli-mm": 250}
    assert run.fingerprints["data"].startswith("sha256:")
    assert run.environment["torch"] == torch.__version__
    assert run.environment["threads"] == torch.get_num_threads()
    assert run.seconds > sum(epoch.seconds for epoch in run.epochs) > 0
    assert run.peak_memory_bytes > 100 * 2**20


def test_another_seed_gives_another_run(smoke_recipe):
    wanted = smoke_recipe(model="tiny-roberta", epochs=1)

    assert train.train(wanted, 0).epochs[0].loss != train.train(wanted, 1).epochs[0].loss


def test_both_schedules_of_a_seed_are_one_run_until_the_first_block_is_frozen(smoke_recipe):
    ours = train.train(smoke_recipe(schedule="shrinking", epochs=2), 0)
    baseline = train.train(smoke_recipe(schedule="constant", epochs=2), 0)

    assert ours.epochs[0].scores == baseline.epochs[0].scores
    assert ours.epochs[0].loss == baseline.epochs[0].loss
    assert ours.epochs[1].loss != baseline.epochs[1].loss


def states(optimizer):
    return {id(parameter) for parameter in optimizer.state}


@pytest.mark.parametrize(
    ("make", "kept"),
    # of four blocks over three epochs, those with moments at the end of each epoch
    [(schedule.shrinking, [4, 3, 2]), (schedule.constant, [4, 4, 4]), (schedule.growing, [2, 3, 4])],
)
def test_what_never_trains_again_loses_its_moments_and_nothing_else_does(smoke_recipe, monkeypatch, make, kept):
    made = []
    build = fitting.build_optimizer
    monkeypatch.setattr(fitting, "build_optimizer", lambda *a: made.append(build(*a)) or made[-1])
    model = tiny()
    anatomy, seen = Anatomy.of(model), []
    for _ in fitting.fit(model, smoke_recipe(epochs=3), make(4, 3), batches, 4):
        seen.append(sum({id(p) for p in block} <= states(made[0]) for block in anatomy.blocks))

    assert seen == kept
    assert {id(p) for p in (*anatomy.embeddings, *anatomy.head)} <= states(made[0])


def test_releasing_moments_changes_no_parameter_by_a_bit(smoke_recipe, monkeypatch):
    made = []
    for release in (fitting._release, lambda *a: None):
        monkeypatch.setattr(fitting, "_release", release)
        made.append(tiny())
        list(fitting.fit(made[-1], smoke_recipe(epochs=3), schedule.shrinking(4, 3), batches, 4))

    assert all(torch.equal(a, b) for a, b in zip(*(model.parameters() for model in made), strict=True))


def test_bf16_computes_in_bfloat16_and_keeps_weights_and_moments_in_float32(smoke_recipe, monkeypatch):
    model, seen = tiny(), set()
    model.bert.encoder.layer[0].intermediate.dense.register_forward_hook(lambda m, a, out: seen.add(out.dtype))
    made = []
    build = fitting.build_optimizer
    monkeypatch.setattr(fitting, "build_optimizer", lambda *a: made.append(build(*a)) or made[-1])
    list(fitting.fit(model, smoke_recipe(epochs=1, precision="bf16"), schedule.constant(4, 1), batches, 4))

    assert seen == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert {state["exp_avg"].dtype for state in made[0].state.values()} == {torch.float32}


@pytest.mark.parametrize(("precision", "products"), [("fp32", "highest"), ("tf32", "high")])
def test_a_run_multiplies_in_its_recipes_precision_and_leaves_torchs_own_as_it_was(smoke_recipe, precision, products):
    seen = set()
    wanted = smoke_recipe(model="tiny-roberta", epochs=1, precision=precision)
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *a: seen.add(torch.get_float32_matmul_precision()))
            train.train(wanted, 0)

        assert seen == {products}
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_training_leaves_torchs_own_random_stream_where_it_was(smoke_recipe):
    torch.manual_seed(7)
    wanted = torch.rand(1)
    torch.manual_seed(7)
    train.train(smoke_recipe(model="tiny-roberta", epochs=1), 0)

    assert torch.equal(torch.rand(1), wanted)


def test_a_loss_that_is_not_finite_stops_the_run_at_that_step(smoke_recipe):
    model = tiny()

    def poisoned():
        for step, batch in enumerate(batches()):
            if step == 2:
                model.classifier.weight.data.fill_(math.nan)
            yield batch

    with pytest.raises(NonFinite, match="epoch 1, step 3: the loss is nan"):
        list(fitting.fit(model, smoke_recipe(epochs=1), schedule.constant(4, 1), poisoned, 4))


def test_a_schedule_for_another_depth_is_refused_before_the_first_step(smoke_recipe):
    with pytest.raises(BadInput, match="cut for L=3 blocks, but BertForSequenceClassification has 4"):
        list(fitting.fit(tiny(), smoke_recipe(epochs=2), schedule.constant(3, 2), batches, 4))


def test_missing_weights_are_reported_before_anything_is_trained(smoke_recipe, monkeypatch, tmp_path):
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))

    with pytest.raises(
        Missing, match=r"no weights of bert-base: PROGBENCH_MODELS is set, but .*bert-base-uncased has no"
    ):
        train.train(smoke_recipe(model="bert-base"), 0)


def test_a_model_folder_that_is_no_model_is_refused_by_its_path(smoke_recipe, monkeypatch, tmp_path):
    (tmp_path / "bert-base").mkdir()
    (tmp_path / "bert-base" / "config.json").write_text("{}")
    (tmp_path / "bert-base" / "vocab.txt").write_text("")
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))

    with pytest.raises(BadInput, match="bert-base: this is not a usable model folder"):
        train.train(smoke_recipe(model="bert-base"), 0)


def test_a_local_model_folder_is_trained_from_its_own_weights(smoke_recipe, monkeypatch, tmp_path):
    """The path the paper suite takes with PROGBENCH_MODELS, on weights small enough to write here."""
    folder = tmp_path / "bert-base-uncased"
    tiny().bert.save_pretrained(folder)
    toy_tokenizer.build("bert").save_pretrained(folder)
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))
    model, tokenizer, fingerprint = loading.load(spec("bert-base"), num_labels=3)

    assert torch.equal(model.bert.embeddings.word_embeddings.weight, tiny().bert.embeddings.word_embeddings.weight)
    assert model.classifier.out_features == 3
    assert tokenizer("fox")["input_ids"] == toy_tokenizer.build("bert")("fox")["input_ids"]
    assert len(fingerprint) == 64


@pytest.mark.parametrize("num_labels", [2, 3])
def test_a_model_folder_with_a_trained_classifier_is_refused(monkeypatch, tmp_path, num_labels):
    tiny().save_pretrained(tmp_path / "bert-base")
    toy_tokenizer.build("bert").save_pretrained(tmp_path / "bert-base")
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))

    with pytest.raises(BadInput, match=r"bert-base: (holds a trained head already|this is not a usable model folder)"):
        loading.load(spec("bert-base"), num_labels)


def test_a_model_folder_without_a_tokenizer_is_refused(monkeypatch, tmp_path):
    tiny().bert.save_pretrained(tmp_path / "bert-base")
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))

    with pytest.raises(BadInput, match=r"bert-base: holds no tokenizer: none of tokenizer\.json"):
        loading.load(spec("bert-base"), 2)


def test_a_model_folder_that_lacks_weights_of_the_body_is_refused_by_their_names(monkeypatch, tmp_path):
    model = tiny().bert
    model.pooler = None
    model.save_pretrained(tmp_path / "bert-base")
    toy_tokenizer.build("bert").save_pretrained(tmp_path / "bert-base")
    monkeypatch.setenv("PROGBENCH_MODELS", str(tmp_path))

    with pytest.raises(BadInput, match=r"has no weights for bert\.pooler\.dense\.bias, bert\.pooler\.dense\.weight"):
        loading.load(spec("bert-base"), 2)


@pytest.mark.parametrize("task", tasks())
def test_every_task_trains_through_its_own_files(smoke_recipe, task):
    result = train.train(smoke_recipe(model="tiny-roberta", task=task, epochs=1), 0)

    assert {name: sorted(scores) for name, scores in result.epochs[0].scores.items()} == {
        name: sorted(tasks()[task].metrics) for name in tasks()[task].evaluate
    }


@pytest.mark.parametrize("name", ["squad1", "squad2"])
def test_a_run_on_questions_counts_its_windows_and_names_what_it_set_aside(smoke_recipe, monkeypatch, tmp_path, name):
    toy_squad.write(tmp_path)
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
        for i in range(600)
    ]
    path.write_text(json.dumps(content))
    result = train.train(smoke_recipe(model="tiny-roberta", task=name, dataset="SQUAD_DIR", epochs=1), 0)

    assert (result.examples["train"], result.examples[name]) == (999, 250)
    assert result.examples["train windows"] > 999
    assert result.left_out == {"train": 1}
    assert result.notes[0].startswith("training questions set aside: 1 (article 'Generated', question 'moved'")


def test_a_run_uses_the_threads_it_is_told_to(smoke_recipe, monkeypatch):
    seen, clip = set(), torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *a: seen.add(torch.get_num_threads()) or clip(*a))
    result = train.train(smoke_recipe(model="tiny-roberta", epochs=1), 0, threads=2)

    assert seen == {result.environment["threads"]} == {2}


def test_a_run_leaves_torchs_number_of_threads_as_it_was(smoke_recipe, monkeypatch):
    monkeypatch.setattr(prepared, "pack", lambda model: torch.no_such_name)
    before = torch.get_num_threads()
    try:
        with pytest.raises(AttributeError, match="no_such_name"):
            train.train(smoke_recipe(), 0, threads=before + 1)

        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(before)


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


def test_what_padded_batches_cost_is_not_claimed_to_be_known(smoke_recipe, monkeypatch):
    monkeypatch.setattr(prepared, "pack", lambda model: None)

    assert train.train(smoke_recipe(model="tiny-roberta", epochs=1), 0).epochs[0].flops is None


def test_a_result_names_the_commit_its_training_began_with(smoke_recipe, monkeypatch):
    monkeypatch.setattr(environment, "commit", functools.cache(lambda: commits.pop(0)))
    commits = ["before", "after"]
    load = loading.load

    def slow(*arguments):
        commits[:] = ["after"]
        return load(*arguments)

    monkeypatch.setattr(loading, "load", slow)

    assert train.train(smoke_recipe(model="tiny-roberta", epochs=1), 0).environment["commit"] == "before"
