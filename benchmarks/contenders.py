"""Who is compared in the speed benchmark: a training step made our way, and the Hugging Face Trainer's.

Two comparators. *default*: the Trainer as run_glue.py uses it, every text padded to 128 tokens (a window of SQuAD to
384). *tuned*: as an experienced user would have it, batches grouped by length and bfloat16. Both sides train the same
stages, so that only the way of computing differs.

Weights are the model's own where they come in a package (MiniLM), else random; texts are those of GLUE_DIR where that
has the task, else random words, as many in a text as the real ones have (lengths.toml).
"""

from __future__ import annotations

import functools
import os
import random
import statistics
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from progbench import models, recipe, tasks
from progbench.errors import Missing
from progbench.schedule import Schedule, Stage

STEPS = {"default": 2, "tuned": 12}  # grouped batches differ much in length: more of them make a fair mean
EXAMPLES = 1600  # from which batches are drawn: the Trainer groups 50 batches at a time
TARGETS = ("labels", "start_positions", "end_positions")
GLUE = ("cola", "sst2", "mrpc", "rte", "stsb", "mnli", "qnli", "qqp")


@dataclass(frozen=True)
class Case:
    """One comparison: what trains, in which precision, against which comparator, on the lengths of which tasks."""

    tuning: str
    precision: str
    against: str
    tasks: tuple[str, ...]
    prefix_cache: bool = False

    @property
    def id(self) -> str:
        names = [*self.tasks] if len(self.tasks) == 1 else []
        return "-".join([self.tuning, self.precision, self.against, *names, *["cached"] * self.prefix_cache])


@functools.cache
def rows(model: models.ModelSpec, task: str) -> tuple[list[dict], str]:
    """As many examples as are drawn from, and what their texts are."""
    if model.package and os.environ.get("GLUE_DIR") and task in GLUE:
        wanted = recipe.read("mini", "glue", model=model.name, schedule="constant", task=task)
        try:
            return real_rows(model, wanted), "real"
        except Missing:
            pass
    quantiles = tomllib.loads((Path(__file__).parent / "lengths.toml").read_text())[task]["quantiles"]
    rng = random.Random(1)
    lengths = [min(quantiles[i % len(quantiles)], width(model, task)) for i in range(EXAMPLES)]
    rng.shuffle(lengths)
    target = {"start_positions": 1, "end_positions": 2} if task == "squad1" else {"labels": 1}
    words = [[rng.randrange(5, model.vocabulary) for _ in range(length)] for length in lengths]
    return [{"input_ids": text, **target} for text in words], "random"


def real_rows(model: models.ModelSpec, wanted: recipe.Recipe) -> list[dict]:
    """Training texts of a task, drawn from the whole file; two classes stand for three, and for a score."""
    from progbench import workload

    task = tasks.tasks()[wanted.task]
    train = task.load(wanted).train
    chosen = random.Random(1).sample(range(len(train)), EXAMPLES)
    drawn = replace(train, texts=tuple([part[i] for i in chosen] for part in train.texts), labels=[1] * EXAMPLES)
    return workload.encode(drawn, models.load(model, 2)[1], wanted.max_length)


def width(model: models.ModelSpec, task: str) -> int:
    """What *default* pads to; a tiny model has fewer positions than a text has words."""
    return min(384 if task == "squad1" else 128, model.readable)


def head_of(task: str) -> str:
    return "question_answering" if task == "squad1" else "classification"


class Side:
    """One model of a case, and how long its steps take in a stage."""

    def __init__(self, model: models.ModelSpec, case: Case, task: str, device: str) -> None:
        import torch

        from progbench import apply_tuning

        self.spec, self.case, self.task, self.device = model, case, task, device
        self.rows = rows(model, task)[0]
        self.batch = 12 if task == "squad1" else 32
        torch.manual_seed(0)
        self.model = models.load(model, 2, head_of(task))[0] if model.package else models.build(model, 2, head_of(task))
        apply_tuning(self.model, case.tuning)
        self.model.to(device)

    def _now(self) -> float:
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()


class Ours(Side):
    def __init__(self, model: models.ModelSpec, case: Case, task: str, device: str) -> None:
        from progbench import packing, prefix

        super().__init__(model, case, task, device)
        self.packed = packing.pack(self.model)
        self.folder = tempfile.TemporaryDirectory()  # which goes when this does
        if case.prefix_cache:
            path = Path(self.folder.name) / "prefix"
            lengths = [len(row["input_ids"]) for row in self.rows]
            self.rows = prefix.PrefixCache(self.model, self.rows, lengths, self.packed, path)

    def seconds(self, stage: Stage) -> float:
        """The mean step, its batch's making included; the first one, which allocates, and filling a cache left out."""
        from progbench import train

        order = random.Random(2).sample(range(EXAMPLES), EXAMPLES)
        steps, taken = STEPS[self.case.against], []

        def batches():
            if self.case.prefix_cache:
                self.rows.refresh()
            for step in range(1 + steps):
                start = self._now()
                chosen = order[step * self.batch : (step + 1) * self.batch]
                yield self.packed([self.rows[i] for i in chosen]).to(self.device)
                taken.append(self._now() - start)

        wanted = recipe.read("paper", "glue", model="bert-base", schedule="constant", task="sst2")
        wanted = replace(wanted, tuning=self.case.tuning, precision=self.case.precision)
        one = Schedule("stage", self.spec.blocks, (stage,))
        list(train.fit(self.model, wanted, one, batches, 1 + steps))
        return statistics.fmean(taken[1:])


class Theirs(Side):
    def seconds(self, stage: Stage) -> float:
        """The mean step from its beginning to its end, without its batch's making; the first one left out."""
        import transformers

        from progbench import Anatomy

        side, taken = self, []

        class Clock(transformers.TrainerCallback):
            def on_epoch_begin(self, *arguments, **keywords):
                Anatomy.of(side.model, side.case.tuning).freeze(stage)

            def on_step_begin(self, *arguments, **keywords):
                self.start = side._now()

            def on_step_end(self, *arguments, **keywords):
                taken.append(side._now() - self.start)

        grouped = self.case.against == "tuned"
        steps = STEPS[self.case.against]
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(
                folder,
                max_steps=1 + steps,
                per_device_train_batch_size=self.batch,
                bf16=self.case.precision == "bf16",
                use_cpu=self.device == "cpu",
                train_sampling_strategy="group_by_length" if grouped else "random",
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                disable_tqdm=True,
            )
            transformers.Trainer(
                self.model,
                arguments,
                train_dataset=self.rows,
                data_collator=self._collate,
                callbacks=[Clock()],
            ).train()
        return statistics.fmean(taken[1:])

    def _collate(self, chosen: list[dict]) -> dict:
        import torch

        longest = max(len(row["input_ids"]) for row in chosen)
        wide = width(self.spec, self.task) if self.case.against == "default" else longest
        padding = self.model.config.pad_token_id
        ids = torch.tensor([row["input_ids"] + [padding] * (wide - len(row["input_ids"])) for row in chosen])
        rest = {name: torch.tensor([row[name] for row in chosen]) for name in TARGETS if name in chosen[0]}
        return {"input_ids": ids, "attention_mask": (ids != padding).long(), **rest}


def peak(side: str, name: str, frozen: int, device: str) -> int:
    """The most memory it takes to train a few steps with so many of the lowest blocks frozen."""
    from progbench import environment

    model = models.spec(name)
    made = {"ours": Ours, "theirs": Theirs}[side](model, Case("full", "fp32", "default", ("sst2",)), "sst2", device)
    environment.reset_peak_memory(device)
    made.seconds(Stage(range(frozen, model.blocks)))
    return environment.peak_memory(device)


if __name__ == "__main__":  # one side's memory in a process of its own
    print(peak(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
