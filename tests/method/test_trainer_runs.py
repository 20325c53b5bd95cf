"""The callback in runs of all kinds: what a stage lasts, what is logged, how a run breaks off and goes on."""

import gc
import logging
import weakref

import pytest
import tiny
import torch
import trainers
import transformers
from transformers.integrations import integration_utils

from progbench import Anatomy, ProgressiveFreezing, apply_tuning
from progbench.errors import BadInput
from progbench.method.schedule import growing, shrinking

SETTINGS = {"num_train_epochs": 2, "per_device_train_batch_size": 2}  # four steps an epoch


def build(folder, callback, *others, model=None, rows=None, **changes):
    """A Trainer of a tiny BERT, and a recorder of how many blocks are frozen in each of its steps."""
    model = model or tiny.model("BERT")
    recorder = trainers.Recorder(model.bert.encoder.layer)
    rows = tiny.rows("BERT") if rows is None else rows
    return trainers.trainer(folder, model, [*others, callback, recorder], rows, **(SETTINGS | changes)), recorder


def run(*arguments, **changes):
    trainer, recorder = build(*arguments, **changes)
    trainer.train()
    return recorder.frozen


def halves(**options):
    return ProgressiveFreezing(shrinking(4, 2), **options)


class Do(transformers.TrainerCallback):
    """Does something after one step."""

    def __init__(self, step, what):
        self.step, self.what = step, what

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            self.what(control)


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
        tiny.model("BERT"), trainers.arguments(tmp_path, **SETTINGS), train_dataset=tiny.rows("BERT"),
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


# --- how a run breaks off


def interrupt(control):
    raise KeyboardInterrupt


def interrupted(folder, model):
    callback = ProgressiveFreezing(growing(4, 2))
    trainer, _ = build(folder, callback, Do(2, interrupt), model=model)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    return callback


def test_ctrl_c_while_attached_gives_the_model_back(tmp_path):
    model, callback = tiny.model("BERT"), ProgressiveFreezing(growing(4, 2))
    trainer, _ = build(tmp_path, callback, Do(2, interrupt), model=model)
    with pytest.raises(KeyboardInterrupt), callback.attached(trainer):
        trainer.train()

    assert all(parameter.requires_grad for parameter in model.parameters())


def test_after_ctrl_c_the_next_trainer_with_a_schedule_trains_all_of_the_model(tmp_path):
    model = tiny.model("BERT")
    interrupted(tmp_path, model)

    assert run(tmp_path, halves(), model=model) == [0] * 4 + [2] * 4
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_after_ctrl_c_the_next_trainer_without_a_schedule_is_given_all_of_the_model(tmp_path):
    model = tiny.model("BERT")
    interrupted(tmp_path, model)
    trainer, recorder = build(tmp_path, Do(0, stop), model=model)
    trainer.train()

    assert recorder.frozen == [0] * 8
    assert sum(len(group["params"]) for group in trainer.optimizer.param_groups) == len([*model.parameters()])


def test_after_ctrl_c_flags_that_somebody_changed_since_stay_and_are_said(tmp_path, caplog):
    model = tiny.model("BERT")
    interrupted(tmp_path, model)
    model.requires_grad_(False)
    model.classifier.requires_grad_(True)
    build(tmp_path, Do(0, stop), model=model)

    live = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert live == ["classifier.weight", "classifier.bias"]
    assert "were changed since: they stay as they are now" in caplog.text


def test_a_model_whose_run_broke_off_can_be_forgotten(tmp_path):
    model = tiny.model("BERT")
    interrupted(tmp_path, model)
    left = weakref.ref(model)
    del model
    gc.collect()

    assert left() is None


class Evaluates(transformers.TrainerCallback):
    """Makes a Trainer of its own of the model, after each step of a run."""

    def __init__(self, folder):
        self.folder = folder

    def on_step_end(self, args, state, control, model=None, **kwargs):
        build(self.folder, Do(0, stop), model=model)


def test_a_trainer_that_is_made_of_the_model_while_a_run_lasts_does_not_disturb_its_stages(tmp_path):
    model = tiny.model("BERT")

    assert run(tmp_path, halves(), Evaluates(tmp_path), model=model) == [0] * 4 + [2] * 4
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_after_ctrl_c_the_same_trainer_begins_anew_with_everything(tmp_path):
    callback, model, first = ProgressiveFreezing(growing(4, 2)), tiny.model("BERT"), Do(2, interrupt)
    trainer, recorder = build(tmp_path, callback, first, model=model)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    first.step = 0
    recorder.frozen.clear()
    trainer.train()

    assert recorder.frozen == [2] * 4 + [0] * 4


def test_after_ctrl_c_restore_gives_the_model_back(tmp_path):
    model = tiny.model("BERT")
    callback = interrupted(tmp_path, model)
    assert not all(parameter.requires_grad for parameter in model.parameters())
    callback.restore()

    assert all(parameter.requires_grad for parameter in model.parameters())


class NoRoom(transformers.TrainerCallback):
    """Runs out of memory once, in a stage that freezes."""

    def __init__(self):
        self.tries = 0

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 5 and not self.tries:
            self.tries += 1
            raise RuntimeError("CUDA out of memory.")


def test_a_smaller_batch_that_the_trainer_finds_begins_anew_with_everything(tmp_path):
    frozen = run(tmp_path, halves(), NoRoom(), auto_find_batch_size=True)

    assert frozen == [0] * 4 + [2] + [0] * 4 + [2] * 4  # this Trainer of the tests does not make its batches smaller


# --- how it goes on


def stop(control):
    control.should_training_stop = True


SAVING = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 1}


def stopped(folder, callback, after=3, **changes):
    run(folder, callback, Do(after, stop), **SAVING, **changes)


def resumed(folder, callback, **changes):
    trainer, recorder = build(folder, callback, **SAVING, **changes)
    trainer.train(resume_from_checkpoint=True)
    return recorder.frozen


def test_a_resumed_run_goes_on_in_its_fraction(tmp_path):
    stopped(tmp_path, halves(by="fraction"), after=2, max_steps=6)

    assert resumed(tmp_path, halves(by="fraction"), max_steps=6) == [0] + [2] * 3


@pytest.mark.parametrize("other", [ProgressiveFreezing(growing(4, 2)), halves(by=4)], ids=["schedule", "by"])
def test_resuming_with_another_schedule_is_refused(tmp_path, other):
    stopped(tmp_path, halves())

    with pytest.raises(BadInput, match=r"the checkpoint was made with another schedule: .*shrinking|'by': 'epoch'"):
        resumed(tmp_path, other)


@pytest.mark.parametrize(
    ("options", "before", "now", "lasts"),
    [
        # step 4 would be in the first half again, and in the first epoch
        ({"by": "fraction"}, {"max_steps": 6}, {"max_steps": 16}, "a share of them"),
        ({}, {}, {"per_device_train_batch_size": 1}, "an epoch, and an epoch has another number of steps now"),
    ],
)
def test_resuming_with_another_length_is_refused_where_it_moves_the_stages(tmp_path, options, before, now, lasts):
    stopped(tmp_path, halves(**options), after=4, **before)

    with pytest.raises(BadInput, match=f"run had [68] steps, and this one has 16.* a stage lasts {lasts}, so a block"):
        resumed(tmp_path, halves(**options), **now)


def test_a_run_in_stages_of_so_many_steps_may_go_on_longer(tmp_path):
    stopped(tmp_path, halves(by=2), after=3, max_steps=4)

    assert resumed(tmp_path, halves(by=2), max_steps=8) == [2] * 5


@pytest.mark.parametrize("after", [1, 3])
def test_resuming_a_run_that_had_no_schedule_is_refused(tmp_path, after):
    trainer, _ = build(tmp_path, Do(after, stop), **SAVING)
    trainer.train()

    with pytest.raises(BadInput, match="the checkpoint was made without ProgressiveFreezing"):
        resumed(tmp_path, halves())


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
    trainers.trainer(tmp_path, model, [halves(), watch], rows, **SETTINGS).train()

    assert not any("feature_extractor" in name for moved in watch.moved for name in moved)
    assert any("feature_projection" in name for name in watch.moved[1])


def test_fixed_sinusoids_stay_fixed(tmp_path):
    sizes = {f"{half}_{what}": 2 for half in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    sizes |= {"encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "forced_eos_token_id": None, **tiny.SEQ2SEQ}
    model = transformers.MarianMTModel(transformers.MarianConfig(max_position_embeddings=32, **sizes))
    watch = trainers.Watch(model)
    trainers.trainer(tmp_path, model, [halves(), watch], tiny.rows("T5"), **SETTINGS).train()

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
