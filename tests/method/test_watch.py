"""What unfreezes or moves a frozen block behind the schedule's back, in the Trainer and in a loop of one's own."""

import logging
import warnings

import peft
import pytest
import tiny
import torch
import trainers
import transformers
from torch import nn
from transformers.trainer_pt_utils import LayerWiseDummyOptimizer

from progbench import Anatomy, ProgressiveFreezing
from progbench.errors import BadInput
from progbench.method.schedule import Schedule, Stage, constant, growing, shrinking

BATCH = trainers.collate(tiny.rows("BERT", 4))
SETTINGS = {"num_train_epochs": 2, "per_device_train_batch_size": 2, "learning_rate": 1e-2}
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def loop(model, optimizer, schedule, *, around=lambda step: step(), steps=2):
    """Some steps in each stage; `around` is given each to make."""
    with Anatomy.of(model).staged(schedule, optimizer) as stages:
        for _ in stages:
            for _ in range(steps):

                def closure():
                    optimizer.zero_grad()
                    loss = model(**BATCH).loss
                    loss.backward()
                    return loss

                around(lambda: optimizer.step(closure))


def trained(folder, model, *others, kind=trainers.Ordered, schedule=None, **options):
    """A Trainer's run with the callback."""
    changes = {name: options.pop(name) for name in ("optim", "eval_strategy") if name in options}
    trainer = kind(
        model, trainers.arguments(folder, **(SETTINGS | changes)), train_dataset=tiny.rows("BERT"),
        eval_dataset=tiny.rows("BERT"), data_collator=trainers.collate,
        callbacks=[*others, ProgressiveFreezing(schedule or shrinking(4, 2))], **options,
    )  # fmt: skip
    trainer.train()
    return trainer


# --- what unfreezes


def with_lora():
    adapted = peft.LoraConfig(r=2, target_modules=["query", "value"], task_type="SEQ_CLS")
    return peft.get_peft_model(tiny.model("BERT"), adapted)


def reference_first(trainer, model, inputs):
    with torch.no_grad(), model.disable_adapter():
        model(**inputs)
    return model(**inputs).loss


def reference_last(trainer, model, inputs):
    loss = model(**inputs).loss
    with torch.no_grad(), model.disable_adapter():
        model(**inputs)
    return loss


def adapter_set(trainer, model, inputs):
    model.set_adapter("default")
    return model(**inputs).loss


class Losses(trainers.Ordered):
    """A Trainer that computes its loss by a function."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return type(self).loss(self, model, inputs)


@pytest.mark.parametrize("loss", [reference_first, reference_last, adapter_set])
def test_what_pefts_passes_unfreeze_in_a_stage_is_an_error_in_its_first_step(tmp_path, loss):
    kind = type("WithReference", (Losses,), {"loss": loss})

    # 4 matrices in each of the 2 lower blocks
    with pytest.raises(
        BadInput, match=r"8 parameters that this stage freezes were unfrozen.*lora_A.*disable_adapter\(\)"
    ):
        trained(tmp_path, with_lora(), kind=kind)


def test_what_a_model_without_peft_unfreezes_is_named_without_it():
    model = tiny.model("BERT")

    def around(step):
        model.bert.encoder.layer[0].output.requires_grad_(True)
        step()

    with pytest.raises(BadInput, match=r"4 parameters .*0\.output\.dense\.weight.*requires_grad_\(True\) and methods"):
        loop(model, torch.optim.SGD(model.parameters(), lr=0.1), shrinking(4, 2), around=around)


# --- what moves without a gradient


def test_lbfgs_moves_all_it_holds_and_is_refused_in_the_first_step_that_freezes():
    model = tiny.model("BERT")

    with pytest.raises(BadInput, match=r"32 of 32 tensors that this stage freezes have moved.* LBFGS moves all"):
        loop(model, torch.optim.LBFGS(model.parameters(), lr=0.1), shrinking(4, 2))


class TwoForms(torch.optim.AdamW):
    """As schedule-free optimizers: eval() puts the mean of all steps into the parameters, train() the last step."""

    def _swap(self):
        with torch.no_grad():
            for parameter in (p for group in self.param_groups for p in group["params"]):
                if "other" in self.state[parameter]:
                    parameter.data, self.state[parameter]["other"] = self.state[parameter]["other"], parameter.data

    def eval(self):
        for parameter in (p for group in self.param_groups for p in group["params"]):
            if parameter in self.state:
                self.state[parameter].setdefault("other", parameter.detach() + 1e-3)
        self._swap()

    def train(self):
        self._swap()


@pytest.mark.filterwarnings("ignore:TwoForms keeps two forms")
def test_an_optimizer_that_swaps_two_forms_of_the_weights_is_refused_where_that_moved_a_frozen_block():
    model = tiny.model("BERT")
    optimizer = TwoForms(model.parameters(), lr=0.1)

    def around(step):
        step()
        optimizer.eval()
        optimizer.train()
        optimizer.eval()

    with pytest.raises(BadInput, match=r"32 of 32 tensors .* TwoForms keeps two forms of the weights and swaps them"):
        loop(model, optimizer, shrinking(4, 2), around=around)


def test_that_it_has_two_forms_is_said_before_where_a_block_freezes_after_it_trained():
    model = tiny.model("BERT")
    with pytest.warns(UserWarning, match=r"TwoForms keeps two forms of the weights: its eval\(\) and train\(\) move"):
        loop(model, TwoForms(model.parameters()), shrinking(4, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop(model, TwoForms(model.parameters()), growing(4, 2))  # what is frozen has not trained yet


class Averaged(transformers.TrainerCallback):
    """Puts averaged weights into the model after a step, and back before the next if it is told to."""

    def __init__(self, back):
        self.back, self.kept = back, None

    def on_step_end(self, args, state, control, model=None, **kwargs):
        self.kept = [parameter.clone() for parameter in model.parameters()]
        for parameter in model.parameters():
            parameter.data.mul_(0.5)

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        if self.back and self.kept:
            for parameter, kept in zip(model.parameters(), self.kept, strict=True):
                parameter.data.copy_(kept)

    on_epoch_end = on_step_begin


def test_averaged_weights_that_stay_in_the_model_are_found(tmp_path):
    with pytest.raises(BadInput, match=r"\d+ of 32 tensors that this stage freezes have moved.*averaged weights"):
        trained(tmp_path, tiny.model("BERT"), Averaged(back=False))


def test_averaged_weights_that_are_taken_out_again_are_no_fault(tmp_path):
    trained(tmp_path, tiny.model("BERT"), Averaged(back=True))


@pytest.mark.parametrize("options", [{"foreach": True}, {"fused": True}])
def test_adamw_moves_nothing_that_is_frozen_and_nothing_is_said(options):
    model = tiny.model("BERT")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop(model, torch.optim.AdamW(model.parameters(), **options), shrinking(4, 2))


def test_a_model_that_is_converted_while_a_stage_lasts_is_told_so_and_not_that_an_optimizer_moved_it():
    model = tiny.model("BERT")

    def around(step):
        model.double()
        step()

    with pytest.raises(
        BadInput, match=r"converted while a stage lasts: bert.* was torch\.float32 on cpu.*float64 on cpu"
    ):
        loop(model, torch.optim.SGD(model.parameters(), lr=0.1), growing(4, 2), around=around)


def test_a_frozen_weight_that_is_not_a_number_has_not_moved():
    model = tiny.model("BERT")
    with torch.no_grad():
        model.bert.encoder.layer[0].output.dense.bias.fill_(float("nan"))
    loop(model, torch.optim.SGD(model.parameters(), lr=0.0), shrinking(4, 2))


def test_a_frozen_tensor_stored_in_another_order_is_seen_to_move():
    model = tiny.model("BERT")
    weight = model.bert.encoder.layer[0].output.dense.weight
    weight.data = weight.data.t().contiguous().t()
    assert not weight.is_contiguous()

    def around(step):
        step()
        weight.data.add_(1)

    high = Schedule("high", 4, (Stage(range(1, 4)),))
    with pytest.raises(BadInput, match=r"1 of 16 tensors that this stage freezes have moved.*0\.output\.dense\.weight"):
        loop(model, torch.optim.SGD(model.parameters(), lr=0.1), high, around=around, steps=1)


# --- buffers


def test_the_buffers_of_spectral_norm_are_said_to_move_in_a_frozen_block():
    model = tiny.model("BERT")
    nn.utils.parametrizations.spectral_norm(model.bert.encoder.layer[0].output.dense)

    with pytest.warns(UserWarning, match=r"buffers of frozen blocks go on moving.*output\.dense\.parametrizations.*_u"):
        loop(model, torch.optim.SGD(model.parameters(), lr=0.1), shrinking(4, 2))


@pytest.mark.filterwarnings("ignore:.*have no gradient although")
def test_i_berts_ranges_are_said_to_move_though_they_are_new_tensors_in_each_step():
    torch.manual_seed(0)
    model = transformers.IBertForSequenceClassification(transformers.IBertConfig(**tiny.SIZE, quant_mode=True))

    with pytest.warns(UserWarning, match=r"buffers of frozen blocks go on moving.*ibert\.encoder\.layer\.0\.attention"):
        loop(model, torch.optim.SGD(model.parameters(), lr=0.1), shrinking(4, 2))


# --- what trains, and what does not


class Sentences(nn.Module):
    """As a SentenceTransformer: a transformer whose pooler the mean over all tokens never uses."""

    def __init__(self):
        super().__init__()
        self.body = tiny.model("BERT").bert

    def forward(self, input_ids):
        return self.body(input_ids).last_hidden_state.mean(1)


class OwnLoss(trainers.Ordered):
    """As sentence-transformers' Trainer: its optimizer holds a classifier, which is the loss's and not the model's."""

    def __init__(self, model, *arguments, **options):
        super().__init__(model, *arguments, **options)
        self.classifier = nn.Linear(16, 3)

    def create_optimizer(self, model=None):
        self.optimizer = torch.optim.AdamW([*self.model.parameters(), *self.classifier.parameters()])
        return self.optimizer

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return nn.functional.cross_entropy(self.classifier(model(inputs["input_ids"])), inputs["labels"])


def test_what_never_has_a_gradient_is_said_and_not_counted_and_a_losss_own_weights_are(tmp_path, caplog):
    caplog.set_level(logging.INFO, "progbench")
    model = Sentences()
    counts = [Anatomy.of(model).count(stage) for stage in shrinking(4, 2)]
    trainer = trained(tmp_path, model, kind=OwnLoss)
    trainer.log({"loss": 0.0})

    pooler, classifier = 16 * 16 + 16, 16 * 3 + 3
    assert "2 parameters have no gradient although the stage trains them" in caplog.text
    assert "body.pooler.dense.weight, body.pooler.dense.bias" in caplog.text
    assert "2 parameters of the optimizer (51 elements) are none of the model's" in caplog.text
    assert f"blocks B1-B4, {counts[0] + classifier:,} parameters train" in caplog.text  # as planned, before a step
    assert pooler == 272


class UnusedLoss(OwnLoss):
    """One whose classifier has a weight that it never uses."""

    def __init__(self, model, *arguments, **options):
        super().__init__(model, *arguments, **options)
        self.classifier.register_parameter("scale", nn.Parameter(torch.ones(3, 2)))


def test_a_weight_of_the_loss_that_has_no_gradient_is_told_by_its_shape(tmp_path, caplog):
    trained(tmp_path, Sentences(), kind=UnusedLoss)

    assert "a weight of shape (3, 2) beside the model, as of a loss" in caplog.text


class Figures(transformers.TrainerCallback):
    def __init__(self):
        self.seen = []

    def on_step_end(self, args, state, control, **kwargs):
        control.should_log = True

    def on_log(self, args, state, control, logs, **kwargs):
        self.seen.append(logs.get("trainable_parameters"))


def test_the_figure_in_the_logs_is_what_had_a_gradient(tmp_path):
    model, figures = Sentences(), Figures()
    counts = [Anatomy.of(model).count(stage) for stage in shrinking(4, 2)]
    callback = ProgressiveFreezing(shrinking(4, 2))
    trainer = OwnLoss(
        model, trainers.arguments(tmp_path, **SETTINGS), train_dataset=tiny.rows("BERT"), callbacks=[callback, figures]
    )
    trainer.train()

    assert [*dict.fromkeys(figures.seen)] == [*(count - 272 + 51 for count in counts), None]


def test_in_a_loop_of_ones_own_what_never_had_a_gradient_is_said_at_the_stages_end():
    model = Sentences()
    optimizer = torch.optim.AdamW(model.parameters())
    with Anatomy.of(model).staged(constant(4, 1), optimizer) as stages:
        next(stages)
        model(BATCH["input_ids"]).sum().backward()
        optimizer.step()
        with pytest.warns(UserWarning, match=r"2 parameters have no gradient.*pooler\.dense\.weight"):
            next(stages, None)


# --- several optimizers, and one for each parameter


def test_staged_takes_muon_for_matrices_and_adamw_for_the_rest():
    model = tiny.model("BERT")
    both = [
        torch.optim.Muon([p for p in model.parameters() if p.ndim == 2], lr=0.1),
        torch.optim.AdamW([p for p in model.parameters() if p.ndim != 2], lr=0.1),
    ]
    lowest = [parameter.detach().clone() for parameter in model.bert.encoder.layer[0].parameters()]
    with Anatomy.of(model).staged(Schedule("high", 4, (Stage(range(1, 4)),)), both) as stages:
        for _ in stages:
            model(**BATCH).loss.backward()
            for one in both:
                one.step()

    assert all(torch.equal(a, b) for a, b in zip(lowest, model.bert.encoder.layer[0].parameters(), strict=True))


def test_a_list_of_optimizers_that_lacks_something_is_refused_at_once():
    model = tiny.model("BERT")
    matrices = torch.optim.Muon([p for p in model.parameters() if p.ndim == 2])

    with (
        pytest.raises(BadInput, match=r"does not hold 44 .*where several optimizers share them, give all in a list"),
        Anatomy.of(model).staged(shrinking(4, 2), [matrices]),
    ):
        pass


def layer_wise(model):
    """As the Trainer sets up `galore_adamw_layerwise`: one optimizer a parameter, which steps during the way back."""
    ones = {parameter: torch.optim.AdamW([parameter], lr=1e-2) for parameter in model.parameters()}

    def step(parameter):
        ones[parameter].step()
        ones[parameter].zero_grad()

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(step)
    dummy = LayerWiseDummyOptimizer(ones, lr=1e-2)
    return dummy, torch.optim.lr_scheduler.LambdaLR(dummy, lambda step: 1.0)  # transformers' own fails with torch 2.13


def test_the_trainers_layer_wise_optimizers_train_each_stage_and_nothing_else(tmp_path, caplog):
    caplog.set_level(logging.INFO, "progbench")
    model = tiny.model("BERT")
    watch, names = trainers.Watch(model), Anatomy.of(model).names()
    trained(tmp_path, model, watch, optimizers=layer_wise(model))

    assert watch.moved == [{names[id(p)] for p in Anatomy.of(model).trainable(stage)} for stage in shrinking(4, 2)]
    assert "have no gradient" not in caplog.text
