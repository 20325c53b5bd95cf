"""Who is compared in the speed benchmark: a training step made our way, and the Hugging Face Trainer's.

Two comparators. *default*: the Trainer as run_glue.py uses it, every text padded to 128 tokens (a window of SQuAD to
384). *tuned*: as an experienced user would have it, batches grouped by length, in bfloat16, or in float32 where a
processor has no products of bfloat16. Both sides train the same stages, so that only the way of computing differs.

Both sides' batches have about the task's mean length. Ours, and *default*'s, are random pieces of texts, at even
steps of the lengths' distribution. *tuned*'s lie at even steps of a group of 50 batches sorted by length, which is how
the Trainer makes them (fewer where a task has not four such groups). That misses the longest texts: *tuned*'s have up
to 1.4 % fewer real tokens than the task's mean and 2.6 % less padding than the Trainer's, so its steps look up to 4 %
faster than they are. They are the same at each call, as padded batches come in few shapes.

Weights are the model's own where they come in a package (MiniLM), else random; texts are those of GLUE_DIR where that
has the task, else random words, as many in a text, and as many different ones, as the real ones have (lengths.toml).
Our model drops the words that the whole task does not have, as in training.
"""

from __future__ import annotations

import contextlib
import itertools
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace

from texts import grouped, head_of, rows, shuffled, width, words

from progbench.method.schedule import Schedule, Stage, shrinking
from progbench.models import loading
from progbench.models.spec import ModelSpec, spec
from progbench.recipes import reading

WARM_UP = 6  # steps of ours until what a process keeps of its memory has room for any batch
STEPS = {"default": 2, "tuned": 12}  # grouped batches differ much in length: more of them make a fair mean
ON_GPU = 20  # steps of either there, where they are short, and as many as it takes its libraries to settle before them
TARGETS = ("labels", "start_positions", "end_positions")


@dataclass(frozen=True)
class Case:
    """One comparison: what trains, in which precision, against which comparator, on the lengths of which tasks."""

    tuning: str
    precision: str
    against: str
    tasks: tuple[str, ...]

    @property
    def id(self) -> str:
        names = [*self.tasks] if len(self.tasks) == 1 else []
        return "-".join([self.tuning, self.precision, self.against, *names])

    @property
    def epochs(self) -> int:
        """How many epochs' stages are timed: three, and of LoRA against *tuned* as many as its recipe of the paper has.

        Padding to 128 costs about as much in every stage.
        """
        if self.against == "default" or self.tuning == "full":
            return 3
        (task,) = self.tasks
        wanted = reading.read("paper", "peft", model="bert-base", tuning=self.tuning, schedule="shrinking", task=task)
        return wanted.epochs

    def stages(self, blocks: int) -> Schedule:
        """Progtuning's stages that differ; they count alike, as where the epochs are a multiple of the blocks."""
        return shrinking(blocks, min(self.epochs, blocks))


class Side:
    """One model of a case, and how long its steps take in a stage."""

    def __init__(self, model: ModelSpec, case: Case, task: str, device: str) -> None:
        import torch

        from progbench import apply_tuning

        self.spec, self.case, self.task, self.device = model, case, task, device
        self.rows = rows(model, task)[0]
        self.lengths = [len(row["input_ids"]) for row in self.rows]
        self.batch = 12 if task == "squad1" else 32
        self.batches = self._batches(self.lengths, self.batch, STEPS[case.against] if device == "cpu" else ON_GPU)
        self.left_out = 1 if device == "cpu" else ON_GPU
        torch.manual_seed(0)
        with torch.device(device):  # a GPU makes random weights in no time
            make = (lambda *given: loading.load(*given)[0]) if model.package else loading.build
            self.model = make(model, 2, head_of(task))
            apply_tuning(self.model, case.tuning)
        self.model.to(device)

    _batches = staticmethod(shuffled)

    @property
    def timed(self) -> list[int]:
        """The lengths of the texts that are timed."""
        return [self.lengths[i] for batch in self.batches for i in batch]

    def _now(self) -> float:
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()


class Ours(Side):
    def __init__(self, model: ModelSpec, case: Case, task: str, device: str) -> None:
        from progbench.training import cpu, packing, vocabulary

        super().__init__(model, case, task, device)
        self.packed = packing.pack(self.model)
        if device == "cpu":
            cpu.take_over(self.model)
        vocabulary.cut(self.model, words(model, task))
        self.seeds = itertools.count(2)

    def seconds(self, stage: Stage) -> float:
        """The mean step, its batch's making included, the first ones, which allocate, left out.

        The same texts make other batches at each call: as in training, the products' library meets new shapes.
        """
        from progbench.training import fitting, process

        taken = []
        self.batches = shuffled(self.lengths, self.batch, len(self.batches), next(self.seeds))
        warm_up = shuffled(self.lengths, self.batch, WARM_UP, next(self.seeds))
        wanted = reading.read("paper", "glue", model="bert-base", schedule="constant", task="sst2")
        wanted = replace(wanted, tuning=self.case.tuning, precision=self.case.precision)

        def batches():
            for chosen in (*warm_up, *self.batches):
                start = self._now()
                yield self.packed([self.rows[i] for i in chosen]).to(self.device)
                taken.append(self._now() - start)

        schedule = Schedule("stage", self.spec.blocks, (stage,))
        with process.kept_memory() if self.device == "cpu" else contextlib.nullcontext():
            list(fitting.fit(self.model, wanted, schedule, batches, WARM_UP + len(self.batches)))
        return statistics.fmean(taken[WARM_UP:])


class Theirs(Side):
    def _batches(self, lengths: list[int], batch: int, steps: int) -> list[list[int]]:
        return (grouped if self.case.against == "tuned" else shuffled)(lengths, batch, steps)

    @property
    def padded(self) -> int:
        """How many tokens its timed batches have, with padding."""
        if self.case.against == "default":
            return width(self.spec, self.task) * len(self.timed)
        return sum(max(self.lengths[i] for i in batch) * len(batch) for batch in self.batches)

    def seconds(self, stage: Stage) -> float:
        """The mean step from its beginning to its end, without its batch's making; the first left out."""
        import transformers

        from progbench import Anatomy

        side, taken = self, []
        Anatomy.of(self.model, self.case.tuning).unfreeze()  # the Trainer's optimizer takes what trains when it is made

        class Clock(transformers.TrainerCallback):
            def on_epoch_begin(self, *arguments, **keywords):
                Anatomy.of(side.model, side.case.tuning).freeze(stage)

            def on_step_begin(self, *arguments, **keywords):
                self.start = side._now()

            def on_step_end(self, *arguments, **keywords):
                taken.append(side._now() - self.start)

        ordered = [self.rows[i] for batch in (*self.batches[: self.left_out], *self.batches) for i in batch]
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(
                folder,
                max_steps=self.left_out + len(self.batches),
                per_device_train_batch_size=self.batch,
                bf16=self.case.precision == "bf16",
                use_cpu=self.device == "cpu",
                train_sampling_strategy="sequential",
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                disable_tqdm=True,
            )
            trainer = transformers.Trainer(
                self.model,
                arguments,
                train_dataset=ordered,
                data_collator=self._collate,
                callbacks=[Clock()],
            )
            trainer.pop_callback(transformers.PrinterCallback)
            trainer.train()
        return statistics.fmean(taken[self.left_out :])

    def _collate(self, chosen: list[dict]) -> dict:
        import torch

        longest = max(len(row["input_ids"]) for row in chosen)
        wide = width(self.spec, self.task) if self.case.against == "default" else longest
        padding = self.model.config.pad_token_id
        ids = torch.tensor([row["input_ids"] + [padding] * (wide - len(row["input_ids"])) for row in chosen])
        rest = {name: torch.tensor([row[name] for row in chosen]) for name in TARGETS if name in chosen[0]}
        return {"input_ids": ids, "attention_mask": (ids != padding).long(), **rest}


def ceiling(precision: str, size: int = 1024, times: int = 30) -> float:
    """The GFLOP/s of this process's threads in the fastest of some products of two square matrices.

    The faster of torch's product and the one of our linear layers counts, so that both sides have the same ceiling.
    Few products miss the machine's best: on a shared machine five gave 95 and thirty gave 126 in the same minute.

    >>> ceiling("fp32", size=64) > 0
    True
    """
    import torch

    from progbench.training.cpu import linear

    rows, weight = torch.randn(2, size, size, dtype={"fp32": torch.float32, "bf16": torch.bfloat16}[precision])
    seconds = []
    with torch.inference_mode():
        for product in [torch.nn.functional.linear, linear] * times:
            start = time.perf_counter()
            product(rows, weight)
            seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9


def peak(side: str, name: str, frozen: int, device: str) -> int:
    """The most memory it takes to train a few steps with so many of the lowest blocks frozen."""
    from progbench import environment

    model = spec(name)
    made = {"ours": Ours, "theirs": Theirs}[side](model, Case("full", "fp32", "default", ("sst2",)), "sst2", device)
    environment.reset_peak_memory(device)
    made.seconds(Stage(range(frozen, model.blocks)))
    return environment.peak_memory(device)


if __name__ == "__main__":  # one side's memory in a process of its own
    print(peak(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
