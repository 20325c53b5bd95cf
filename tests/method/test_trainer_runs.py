"""The callback in runs of all kinds: what a stage lasts, what is logged, and what was frozen before."""

import logging

import pytest
import tiny
import torch
import trainers
import transformers
from trainers import SHORT, Do, build, halves, run, stop
from transformers.integrations import integration_utils

from progbench import Anatomy, ProgressiveFreezing, apply_tuning
from progbench.errors import BadInput
from progbench.method.schedule import shrinking

# --- what a stage lasts


def end_epoch(control):
    control.should_epoch_stop = True


def test_an_epoch_that_a_callback_ends_early_ends_its_stage(tmp_path):
    assert run(tmp_path, halves(), Do(1, end_epoch)) == [0] + [2] * 4


def test_with_max_steps_each_stage_is_a_fraction_of_the_steps(tmp_path):
    assert run(tmp_path, halves(by="fraction"), max_steps=6) == [0] * 3 + [2] * 3


def test_a_fraction_may_end_within_an_epoch(tmp_path):
    assert run(tmp_path, halves(by="fraction"), num_train_epochs=2.5) == [0] * 5 + [2] * 5


class Endless(torch.utils.data.IterableDataset):
    def __iter__(self):
        while True:
            yield from tiny.rows("BERT")


def test_data_without_a_length_is_divided_by_steps(tmp_path):
    assert run(tmp_path, halves(by=2), rows=Endless(), max_steps=5) == [0] * 2 + [2] * 3


@pytest.mark.parametrize(("by", "steps"), [("fraction", 1), (3, 3)])
def test_a_run_too_short_for_all_stages_is_refused(tmp_path, by, steps):
    with pytest.raises(BadInput, match=f"the run has {steps} steps, and .* last of the schedule's 2 stages"):
        run(tmp_path, halves(by=by), max_steps=steps)


def test_epochs_that_are_no_whole_number_are_sent_to_fractions(tmp_path):
    with pytest.raises(BadInput, match=r'set num_train_epochs=2, or use by="fraction"$'):
        run(tmp_path, halves(), num_train_epochs=2.5)


# --- what is refused when the callback is made


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"schedule": "shrinking"}, r"schedule = 'shrinking' is no Schedule: cut one.*shrinking\(L=12, T=3\)"),
        ({"by": "step"}, "by = 'step': allowed is"),
        ({"by": 0}, "by = 0: allowed is"),
        ({"tuning": "bitfit", "anatomy": object()}, r"holds its tuning already.*Anatomy\.of\(model, 'bitfit'\) alone"),
    ],
)
def test_a_wrong_argument_is_refused_before_training(options, problem):
    with pytest.raises(BadInput, match=problem):
        ProgressiveFreezing(**({"schedule": shrinking(4, 2)} | options))


def test_a_trainer_that_tells_of_other_arguments_is_refused_by_name():
    """SetFit's hands its callbacks arguments of its own, and a model that is no module."""
    state = transformers.TrainerState()

    with pytest.raises(BadInput, match=r"tells its callbacks of builtins\.object, a object and no optimizer.*SetFit"):
        halves().on_train_begin(object(), state, transformers.TrainerControl(), model=object(), optimizer=None)


class Quiet(trainers.Ordered):
    """A Trainer in which an event has another name."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.callback_handler.on_optimizer_step = self.callback_handler.on_substep_end


def test_a_trainer_that_renamed_the_events_of_a_step_is_an_error(tmp_path):
    trainer = Quiet(
        tiny.model("BERT"), trainers.arguments(tmp_path, **SHORT), train_dataset=tiny.rows("BERT"),
        callbacks=[halves()],
    )  # fmt: skip

    with pytest.raises(BadInput, match=r"made a step without the events on_pre_optimizer_step and on_optimizer_step"):
        trainer.train()


# --- what is logged


class Reports(transformers.TrainerCallback):
    """As TensorBoard's and W&B's callbacks."""

    def __init__(self):
        self.seen = []

    def on_log(self, args, state, control, logs, **kwargs):
        self.seen.append(logs.get("trainable_parameters"))


def test_the_trainers_lines_of_a_loss_have_what_trains(tmp_path):
    model = tiny.model("BERT")
    counts = [Anatomy.of(model).count(stage) for stage in shrinking(4, 2)]
    trainer, _ = build(tmp_path, halves(), model=model, logging_strategy="epoch")
    trainer.train()

    assert [one.get("trainable_parameters") for one in trainer.state.log_history] == [*counts, None]


@pytest.fixture
def reports(monkeypatch):
    """What a logger of `report_to` is told of what trains: TensorBoard's place is taken by one that notes it."""
    made = Reports()
    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "tensorboard", made)
    return made.seen


LOGGED = {"report_to": ["tensorboard"], "logging_strategy": "epoch"}


def test_the_loggers_of_report_to_see_what_trains(tmp_path, reports, caplog):
    model = tiny.model("BERT")
    counts = [Anatomy.of(model).count(stage) for stage in shrinking(4, 2)]
    run(tmp_path, halves(), model=model, **LOGGED)

    assert reports == [*counts, None]
    assert "made before its ProgressiveFreezing" not in caplog.text


def made_before(monkeypatch, folder, callback):
    """A Trainer that was made before the first ProgressiveFreezing of the process."""
    with monkeypatch.context() as patched:
        patched.setattr(transformers.trainer, "DEFAULT_CALLBACKS", [transformers.trainer_callback.DefaultFlowCallback])
        return build(folder, callback, **LOGGED)[0]


def test_a_trainer_made_before_the_callback_says_once_that_its_loggers_do_not_see_it(
    tmp_path, reports, monkeypatch, caplog
):
    made_before(monkeypatch, tmp_path, halves()).train()

    assert reports == [None] * 3
    assert [line.partition(": ")[0] for line in caplog.messages if "attached" in line] == [
        "this Trainer was made before its ProgressiveFreezing, which so stands behind the loggers of report_to "
        "(tensorboard)"
    ]


def test_attached_to_such_a_trainer_it_stands_before_its_loggers(tmp_path, reports, monkeypatch, caplog):
    callback = halves()
    trainer = made_before(monkeypatch, tmp_path, callback)
    with callback.attached(trainer):
        trainer.train()

    assert None not in reports[:2]
    assert "made before" not in caplog.text


def test_a_trainer_without_a_schedule_logs_nothing_more(tmp_path, reports):
    trainer, _ = build(tmp_path, Do(0, stop), **LOGGED)
    trainer.train()

    assert reports == [None] * 3


def test_a_callback_that_was_attached_alone_is_gone_afterwards(tmp_path):
    trainer, _ = build(tmp_path, Reports())
    before, callback = list(trainer.callback_handler.callbacks), halves()
    with callback.attached(trainer):
        trainer.train()

    assert trainer.callback_handler.callbacks == before


def test_a_trainer_that_keeps_its_callbacks_elsewhere_is_refused_by_name():
    with (
        pytest.raises(BadInput, match=r"object of transformers 5\..* no list of callbacks in callback_handler"),
        halves().attached(object()),
    ):
        pass


def test_each_change_of_the_stage_logs_one_line(tmp_path, caplog):
    caplog.set_level(logging.INFO, "progbench")
    run(tmp_path, halves())

    assert [line.partition(", ")[0] for line in caplog.messages] == [
        "step 0: stage 1 of 2 of shrinking: of 4 blocks B1-B4",
        "step 4: stage 2 of 2 of shrinking: of 4 blocks B3-B4",
    ]


# --- what was frozen before, and why


def test_embeddings_frozen_on_purpose_stay_frozen_and_the_log_names_them(tmp_path, caplog):
    caplog.set_level(logging.INFO, "progbench")
    model = tiny.model("BERT")
    model.bert.embeddings.requires_grad_(False)
    before = [parameter.clone() for parameter in model.bert.embeddings.parameters()]
    assert run(tmp_path, halves(), model=model) == [0] * 4 + [2] * 4

    assert all(torch.equal(a, b) for a, b in zip(before, model.bert.embeddings.parameters(), strict=True))
    assert "5 parameters were frozen before training and stay so: bert.embeddings.word" in caplog.text


def test_a_frozen_feature_encoder_stays_frozen(tmp_path):
    model = tiny.model("Wav2Vec2")
    model.freeze_feature_encoder()
    watch = trainers.Watch(model)
    rows = tiny.rows("Wav2Vec2")
    trainers.trainer(tmp_path, model, [halves(), watch], rows, **SHORT).train()

    assert not any("feature_extractor" in name for moved in watch.moved for name in moved)
    assert any("feature_projection" in name for name in watch.moved[1])


def test_fixed_sinusoids_stay_fixed(tmp_path):
    sizes = {f"{half}_{what}": 2 for half in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    sizes |= {"encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "forced_eos_token_id": None, **tiny.SEQ2SEQ}
    model = transformers.MarianMTModel(transformers.MarianConfig(max_position_embeddings=32, **sizes))
    watch = trainers.Watch(model)
    trainers.trainer(tmp_path, model, [halves(), watch], tiny.rows("T5"), **SHORT).train()

    assert {name for name, _ in model.named_parameters()} - watch.moved[0] == {
        "model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight",
    }  # fmt: skip


def test_a_forgotten_tuning_is_named(tmp_path):
    model = tiny.model("BERT")
    apply_tuning(model, "bitfit")

    with pytest.raises(BadInput, match=r"given bitfit parameters by apply_tuning.*tuning='bitfit'\)$"):
        run(tmp_path, halves(), model=model)


def test_an_optimizer_over_a_part_of_the_model_is_refused(tmp_path):
    model = tiny.model("BERT")
    trainer, _ = build(tmp_path, halves(), model=model)
    trainer.optimizer = torch.optim.AdamW(model.classifier.parameters())

    with pytest.raises(BadInput, match=r"does not hold 71 .*built over some of the model"):
        trainer.train()


def test_an_anatomy_of_another_model_is_refused_since_model_init_makes_a_new_one(tmp_path):
    callback = ProgressiveFreezing(shrinking(4, 2), anatomy=Anatomy.of(tiny.model("BERT")))

    with pytest.raises(BadInput, match=r"73 parameters of the anatomy are not in the Trainer's model.*model_init"):
        run(tmp_path, callback)


def test_a_parameter_that_trains_in_no_part_of_the_anatomy_is_refused(tmp_path):
    model = tiny.model("BERT")
    callback = ProgressiveFreezing(shrinking(4, 2), anatomy=Anatomy.of(model.bert))

    with pytest.raises(
        BadInput, match=r"trains 2 parameters that are in no component of the anatomy.*classifier\.weight"
    ):
        run(tmp_path, callback, model=model)
