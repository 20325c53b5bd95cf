"""The loop: what trains in an epoch, how, and what stops it."""

import math

import pytest
import torch

from progbench import Anatomy
from progbench.errors import BadInput
from progbench.method import schedule
from progbench.models import loading
from progbench.models.spec import spec
from progbench.training import fitting
from progbench.training.scoring import NonFinite

SCHEDULES = [schedule.constant, schedule.shrinking, schedule.without_low_blocks, schedule.growing]


def tiny():
    torch.manual_seed(0)
    return loading.build(spec("tiny-bert"), num_labels=2)


def batches(steps=4):
    generator = torch.Generator().manual_seed(0)
    return [
        {"input_ids": torch.randint(5, 100, (4, 9), generator=generator), "labels": torch.tensor([0, 1, 0, 1])}
        for _ in range(steps)
    ]


@pytest.mark.parametrize("make", SCHEDULES)
def test_in_each_epoch_the_stage_moves_and_nothing_else_by_a_bit(smoke_recipe, make):
    model, stages = tiny(), make(4, 3)
    anatomy = Anatomy.of(model)
    before = [parameter.detach().clone() for parameter in anatomy.parameters()]
    wanted = smoke_recipe(epochs=3, warmup=0.0)

    for trained in fitting.fit(model, wanted, stages, lambda: batches(2), 2):
        live = {id(parameter) for parameter in anatomy.trainable(stages[trained.t])}
        for parameter, old in zip(anatomy.parameters(), before, strict=True):
            assert torch.equal(parameter, old) is (id(parameter) not in live)
        assert trained.updated_parameters == anatomy.count(stages[trained.t])
        before = [parameter.detach().clone() for parameter in anatomy.parameters()]


def test_an_optimizer_of_the_first_stage_never_moves_what_only_later_stages_train(smoke_recipe):
    model = tiny()
    anatomy = Anatomy.of(model)
    before = [parameter.detach().clone() for parameter in anatomy.parameters()]
    wanted = smoke_recipe(epochs=2, optimized="first_stage")
    updated = [one.updated_parameters for one in fitting.fit(model, wanted, schedule.growing(4, 2), batches, 4)]
    first = {id(parameter) for parameter in anatomy.trainable(schedule.growing(4, 2)[0])}

    for parameter, old in zip(anatomy.parameters(), before, strict=True):
        assert torch.equal(parameter, old) is (id(parameter) not in first)
    assert updated == [anatomy.count(stage) for stage in schedule.growing(4, 2)]  # they have gradients all the same


def test_an_optimizer_of_the_first_stage_is_an_ordinary_one_where_that_stage_trains_everything(smoke_recipe):
    models = []
    for optimized in ("all", "first_stage"):
        models.append(tiny())  # which starts dropout anew
        wanted = smoke_recipe(epochs=2, optimized=optimized)
        list(fitting.fit(models[-1], wanted, schedule.shrinking(4, 2), batches, 4))

    assert all(torch.equal(a, b) for a, b in zip(*(model.parameters() for model in models), strict=True))


def test_a_gradient_outside_the_stage_stops_the_run(smoke_recipe, monkeypatch):
    monkeypatch.setattr(Anatomy, "freeze", lambda self, stage: None)

    with pytest.raises(RuntimeError, match="epoch 2: 158914 elements have a gradient, but its stage holds 91970"):
        list(fitting.fit(tiny(), smoke_recipe(epochs=2), schedule.shrinking(4, 2), batches, 4))


def test_weight_decay_spares_biases_and_layer_norms(smoke_recipe):
    model = tiny()
    decayed, spared = fitting.build_optimizer(Anatomy.of(model), smoke_recipe(weight_decay=0.01)).param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}

    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.01, 0.0)
    assert {names[id(p)] for p in spared["params"]} == {
        n for n in names.values() if n.endswith("bias") or "LayerNorm" in n
    }
    assert len(decayed["params"]) + len(spared["params"]) == len(names)


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


def rates(wanted, past=None):
    """The learning rate that a tensor holds at each step."""
    held, seen = torch.full((), -1.0), []

    def runner(step):
        return lambda batch: seen.append(round(float(held), 9)) or step(batch)

    hooks = fitting.Hooks(runner=runner, held=held)
    epochs = fitting.fit(tiny(), wanted, schedule.constant(4, 2), batches, 4, past, hooks)
    return seen, epochs


def test_the_learning_rate_rises_through_warm_up_and_falls_linearly_to_zero_over_all_epochs(smoke_recipe):
    seen, epochs = rates(smoke_recipe(epochs=2, warmup=0.25, learning_rate=0.75))
    list(epochs)

    assert seen == pytest.approx([0.75 * share for share in (0, 1 / 2, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6)])


def test_a_run_that_goes_on_holds_the_learning_rate_in_its_own_tensor(smoke_recipe):
    wanted = smoke_recipe(epochs=2, warmup=0.0, learning_rate=0.25)
    first = next(rates(wanted)[1])
    seen, epochs = rates(wanted, first.state())
    list(epochs)

    assert seen == [0.25 * (8 - step) / 8 for step in range(4, 8)]
