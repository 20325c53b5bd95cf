"""Hugging Face's Trainer for tests: rows in their order, on the CPU, without logs and checkpoints."""

import tiny
import torch
import transformers

from progbench import ProgressiveFreezing
from progbench.method.schedule import shrinking

BATCH, EPOCHS = 8, 3


def collate(chosen):
    return {name: torch.stack([row[name] for row in chosen]) for name in chosen[0]}


class Ordered(transformers.Trainer):
    """A Trainer that takes its rows as they come."""

    def get_train_dataloader(self):
        size = self.args.per_device_train_batch_size
        return torch.utils.data.DataLoader(self.train_dataset, batch_size=size, collate_fn=collate)


def arguments(folder, **changes):
    settings = {
        "output_dir": str(folder), "num_train_epochs": EPOCHS, "per_device_train_batch_size": BATCH, "use_cpu": True,
        "learning_rate": 1e-3, "weight_decay": 0.01, "warmup_steps": 2, "max_grad_norm": 1.0, "report_to": [],
        "save_strategy": "no", "disable_tqdm": True, "logging_strategy": "no",
    }  # fmt: skip
    return transformers.TrainingArguments(**(settings | changes))


def trainer(folder, model, callbacks, rows, **changes):
    return Ordered(model, arguments(folder, **changes), train_dataset=rows, callbacks=callbacks)


class Recorder(transformers.TrainerCallback):
    """Notes in each step how many blocks, from the lowest on, are frozen."""

    def __init__(self, blocks):
        self.blocks, self.frozen = blocks, []

    def on_step_begin(self, args, state, control, **kwargs):
        self.frozen.append(sum(not any(p.requires_grad for p in block.parameters()) for block in self.blocks))


class StopAfter(transformers.TrainerCallback):
    def __init__(self, steps):
        self.steps = steps

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == self.steps


class Watch(transformers.TrainerCallback):
    """Notes for each epoch which tensors of the model moved, and how many elements had a gradient in its first step."""

    def __init__(self, model):
        self.model, self.moved, self.updated = model, [], []

    def on_epoch_begin(self, args, state, control, **kwargs):
        self._before = {name: parameter.detach().clone() for name, parameter in self.model.named_parameters()}
        self.updated.append(0)

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        if not self.updated[-1]:
            self.updated[-1] = sum(p.numel() for p in self.model.parameters() if p.grad is not None)

    def on_epoch_end(self, args, state, control, **kwargs):
        now = self.model.named_parameters()
        self.moved.append({name for name, parameter in now if not torch.equal(parameter, self._before[name])})


SHORT = {"num_train_epochs": 2, "per_device_train_batch_size": 2}  # four steps an epoch


def build(folder, callback, *others, model=None, rows=None, **changes):
    """A Trainer of a tiny BERT, and a recorder of how many blocks are frozen in each of its steps."""
    model = model or tiny.model("BERT")
    recorder = Recorder(model.bert.encoder.layer)
    rows = tiny.rows("BERT") if rows is None else rows
    return trainer(folder, model, [*others, callback, recorder], rows, **(SHORT | changes)), recorder


def run(*arguments, **changes):
    made, recorder = build(*arguments, **changes)
    made.train()
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


def stop(control):
    control.should_training_stop = True
