"""What runs will take here, before any was made: a step of each shape, timed for a second on this machine.

The model has its real dimensions and random weights. The texts are random words, on average as long as the task's. So
nothing is fetched. The time leaves out reading, loading and other processes, so it is said with "at least".
"""

import functools
import itertools
import math
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from progbench import environment, files, places
from progbench.errors import BadInput, Missing
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.session.measuring import Estimate
from progbench.session.planning import Plan
from progbench.session.suite import Suite
from progbench.tasks import catalog, source, toy

SECONDS = 0.2  # of steps that are timed, for each kind of stage
# tokens in a batch that is timed; of a larger one, a part stands for all. 2,048 of a base model take one core 20 s
MOST_TOKENS = {"cuda": 2048, "cpu": 512}
PATIENCE = 60.0  # seconds for all shapes
WORDS = 10_000  # different ones, where nobody has counted them
SAMPLE = 200  # texts of a person's own that are measured for their length
TOKENS_A_WORD = 1.4  # of English in the vocabularies of BERT and RoBERTa
SOURCE = "a step timed here"
ALONE = "a step of one seed timed here"  # on a GPU, where seeds side by side take less than one after another
# the seconds of a step that trains every block, and of one that trains none: of each its gradients, which grow with the
# batch, and its optimizer, which does not
Costs = tuple[tuple[float, float], tuple[float, float]]


class Shape(NamedTuple):
    """All that a step's time depends on: the model, what of it trains, and a batch of `size` texts of `length`."""

    model: str
    tuning: str
    head: str
    options: tuple[tuple[str, Any], ...]
    words: int
    size: int
    length: int
    device: str
    threads: int
    precision: str = "fp32"

    @property
    def tokens(self) -> int:
        """In a batch."""
        return self.size * self.length

    @property
    def alike(self) -> "Shape":
        """The shape without its batch: two that are alike have the same time a token, nearly."""
        return self._replace(words=0, size=0, length=0)


class Probe:
    """Times steps until `end`, each shape once; a model that it made is kept for the next shape, until `end_now`."""

    def __init__(self, end: float = math.inf) -> None:
        self.end = end
        self._costs: dict[Shape, Costs] = {}
        self._made: dict[tuple, tuple] = {}  # one alone; the next shape often has the same model

    def end_now(self) -> None:
        """Give back the memory of its model: a GPU's would count as held by the first run that follows."""
        self._made.clear()
        if self._costs:
            from progbench.training import memory

            memory.free_all("cuda" if any(shape.device == "cuda" for shape in self._costs) else "cpu")

    def costs(self, shape: Shape) -> tuple[float, float]:
        """What a step that trains every block takes, and one that trains none, which takes no longer.

        Once `end` has come, it is by the tokens of another batch of the same model. Raises Missing if none was timed.
        """
        if shape not in self._costs and time.perf_counter() < self.end:
            self._costs[shape] = self.time(shape)
        alike = [one for one in self._costs if one.alike == shape.alike]
        if not alike:
            raise Missing(f"the {PATIENCE:.0f} s for timing steps were over")
        nearest = min(alike, key=lambda one: (one != shape, abs(one.length - shape.length)))
        factor = shape.tokens / nearest.tokens
        whole, least = (gradients * factor + update for gradients, update in self._costs[nearest])
        return whole, min(whole, least)

    def time(self, shape: Shape) -> Costs:
        """The costs of a step that trains every block, and of one that trains embeddings and head alone.

        Of a batch with more than MOST_TOKENS some texts stand for all.
        """
        import torch

        from progbench.method.schedule import Stage
        from progbench.training import process
        from progbench.training.step import autocast

        if shape.device == "cuda" and not torch.cuda.is_available():
            raise Missing(f"a GPU is here, but torch {torch.__version__} cannot use it")
        size = max(1, min(shape.size, MOST_TOKENS[shape.device] // shape.length))
        with process.settings(shape.precision, shape.device, shape.threads):
            made, anatomy, optimizer, collate = self._ready(shape)
            batch = _batch(made, shape, size, collate)

            def gradients() -> None:
                optimizer.zero_grad(set_to_none=True)
                with autocast(made, shape.precision):
                    loss = made(**batch).loss
                loss.backward()

            def update() -> None:
                torch.nn.utils.clip_grad_norm_(anatomy.parameters(), 1.0)
                optimizer.step()

            costs = []
            for blocks in (range(anatomy.L), range(anatomy.L, anatomy.L)):
                anatomy.freeze(Stage(blocks))
                gradients()
                update()  # which makes moments
                costs.append((_timed(gradients) * shape.size / size, _timed(update)))
            return costs[0], costs[1]

    def _ready(self, shape: Shape) -> tuple:
        """A model as it is trained, of random weights; its anatomy, an optimizer, and what makes its batches."""
        wanted = shape._replace(size=0, length=0)
        if wanted not in self._made:
            self._made.clear()
            self._made[wanted] = _made(shape)
        return self._made[wanted]


def filled(plan: Plan, suite: Suite) -> Plan:
    """A plan with a time for each run that results tell nothing of, if this machine could train it.

    No step is begun after PATIENCE, as on a machine that is busy with other things. After that a task's time is by the
    tokens of another task of the same model. The rest stays unknown, and says so.
    """
    probe = Probe(time.perf_counter() + PATIENCE)
    lacks = [replace(lack, each=_better(lack.each, lack.recipe, suite, probe)) for lack in plan.lacks]
    probe.end_now()
    return replace(plan, lacks=tuple(lacks))


def _better(known: Estimate, recipe: Recipe, suite: Suite, probe: Probe) -> Estimate:
    device = suite.maker.device
    if known.seconds is not None or (device == "cuda" and not environment.gpu_count()):
        return known
    device = "cuda" if device != "cpu" and environment.gpu_count() else "cpu"
    try:
        source = ALONE if device == "cuda" else SOURCE
        return Estimate(seconds(recipe, device, suite.maker.threads, probe), source)
    except (Missing, BadInput) as problem:
        return Estimate(None, f"unknown: {problem}")
    except (MemoryError, RuntimeError) as problem:
        from progbench.training import memory

        if not memory.ran_out(problem):
            raise
        return Estimate(None, "unknown: no step fits into memory")


def seconds(recipe: Recipe, device: str, threads: int, probe: Probe) -> float:
    """The time of one seed's run: its steps in each stage, and scoring, at a third of a step's time.

    Raises Missing if the model or the size of the data is not known here, or as `Probe.costs` does.
    """
    rows, scored, length, words = _sizes(recipe)
    options = tuple(sorted(recipe.tuning_options.items()))
    head = catalog.tasks()[recipe.task].head
    size, precision = recipe.batch_size, recipe.precision
    shape = Shape(recipe.model, recipe.tuning, head, options, words, size, round(length), device, threads, precision)
    whole, least = probe.costs(shape)
    blocks = spec(recipe.model).blocks
    each = [least + (whole - least) * len(stage.blocks) / blocks for stage in recipe.build_schedule()]
    return (rows * math.fsum(each) + scored * recipe.epochs * whole / 3) / size


def _sizes(recipe: Recipe) -> tuple[int, int, float, int]:
    """The rows trained on in an epoch, those scored after it, their mean length, and their different words."""
    task = catalog.tasks()[recipe.task]
    if recipe.dataset == source.GENERATED and not task.home:
        return toy.SIZES["train"], toy.SIZES["evaluate"] * len(task.evaluate), 12.0, len(toy.WORDS)
    counts = {evaluation_set: count[0] for evaluation_set, count in task.rows.items()}
    if not counts:
        raise Missing(f"nobody says how many rows {task.name} has")
    rows = recipe.train_questions or counts.pop("train")
    counts.pop("train", None)
    known = files.read_toml(places.root() / "benchmarks" / "lengths.toml")
    name = "squad1" if recipe.task == "squad2" else recipe.task
    length = known[name]["mean"] if name in known else _length(recipe)
    words = known.get(name, {}).get("words", WORDS)
    return rows, sum(counts.values()), min(length, recipe.max_length), words


@functools.cache
def _length(recipe: Recipe) -> float:
    """The mean length of a person's own texts, by their words."""
    train = catalog.load(catalog.tasks()[recipe.task], recipe.data_source).train
    if isinstance(train, list):
        texts = [f"{example.text} {example.context}" for example in train[:SAMPLE]]
    else:
        texts = [" ".join(row) for row in itertools.islice(zip(*train.texts, strict=True), SAMPLE)]
    return 3 + TOKENS_A_WORD * sum(len(text.split()) for text in texts) / len(texts)


def _made(shape: Shape) -> tuple:
    import torch

    from progbench.method.anatomy import Anatomy
    from progbench.method.tuning import apply_tuning
    from progbench.training import cpu, packing, vocabulary

    known = spec(shape.model)
    made = loading.build(known, 2, shape.head)
    if shape.tuning != "full":
        apply_tuning(made, shape.tuning, **dict(shape.options))
    made.to(shape.device).train()
    collate = packing.pack(made) if known.described else None
    if collate and shape.device == "cpu":
        cpu.take_over(made)
    if known.described:
        vocabulary.cut(made, range(min(shape.words, known.vocabulary)))
    anatomy = Anatomy.of(made, shape.tuning)
    return made, anatomy, torch.optim.AdamW(anatomy.parameters(), lr=1e-6, fused=True), collate


def _batch(made, shape: Shape, size: int, collate):
    """Texts of random words; in a packed row, if the model takes it."""
    import torch
    from transformers import BatchEncoding

    words = min(shape.words, made.get_input_embeddings().num_embeddings)
    ids = torch.randint(5, words, (size, shape.length))
    answers = ("start_positions", "end_positions") if shape.head == "question_answering" else ("labels",)
    if collate:
        batch = collate([{"input_ids": row, **dict.fromkeys(answers, 0)} for row in ids.tolist()])
    else:
        zeros = torch.zeros(size, dtype=torch.long)
        batch = BatchEncoding(
            {"input_ids": ids, "attention_mask": torch.ones_like(ids), **dict.fromkeys(answers, zeros)}
        )
    return batch.to(shape.device)


def _timed(work) -> float:
    """The seconds of the quickest of those that fit in SECONDS: a disturbance only makes one slower."""
    import torch

    end, taken = time.perf_counter() + SECONDS, []
    while not taken or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return min(taken)


def bound(lacks: Iterable) -> str:
    """What stands before a time: "at least " if a step timed here is in it, "about " if that was of a GPU, else ""."""
    sources = {lack.each.source for lack in lacks}
    return "at least " if SOURCE in sources else "about " if ALONE in sources else ""
