"""What runs will take here, before any was made: a step of each shape, timed for a second on this machine.

The model has its real dimensions and random weights. The texts are random words, on average as long as the task's. So
nothing is fetched. The time leaves out reading, loading and other processes, so it is said with "about".
"""

from __future__ import annotations

import functools
import itertools
import math
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from progbench import environment, places
from progbench.errors import BadInput, Missing
from progbench.files import read_toml
from progbench.models import loading
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.session.measuring import Estimate
from progbench.session.planning import Plan
from progbench.session.suite import Suite
from progbench.tasks import catalog, toy
from progbench.tasks.source import GENERATED

SECONDS = 0.2  # of steps that are timed, for each kind of stage
MOST_TOKENS = 2048  # in a batch that is timed; of a larger one, a part stands for all
PATIENCE = 60.0  # seconds for all shapes
WORDS = 10_000  # different ones, where nobody has counted them
SAMPLE = 200  # texts of a person's own that are measured for their length
TOKENS_A_WORD = 1.4  # of English in the vocabularies of BERT and RoBERTa
SOURCE = "a step timed here"
_TIMED: dict[tuple, tuple[float, float]] = {}  # what `_costs` gave, by a step's shape


def filled(plan: Plan, suite: Suite) -> Plan:
    """A plan with a time for each run that results tell nothing of, if this machine could train it.

    No step is begun after PATIENCE, as on a machine that is busy with other things. What has a step's shape that was
    timed, as the schedules of one model and task have, is known all the same. The rest stays unknown, and says so.
    """
    end, lacks = time.perf_counter() + PATIENCE, []
    for lack in plan.lacks:
        lacks.append(replace(lack, each=_better(lack.each, lack.recipe, suite, end)))
    return replace(plan, lacks=tuple(lacks))


def _better(known: Estimate, recipe: Recipe, suite: Suite, end: float) -> Estimate:
    device = suite.maker.device
    if known.seconds is not None or (device == "cuda" and not environment.gpu_count()):
        return known
    device = "cuda" if device != "cpu" and environment.gpu_count() else "cpu"
    try:
        return Estimate(seconds(recipe, device, suite.maker.threads, end), SOURCE)
    except (Missing, BadInput, MemoryError) as problem:
        return Estimate(None, f"unknown: {problem or 'no step fits into memory'}")


def seconds(recipe: Recipe, device: str, threads: int, end: float = math.inf) -> float:
    """The time of one seed's run: its steps in each stage, and scoring, at a third of a step's time.

    Raises Missing if the model or the size of the data is not known here, or if `end` has come before a step of its
    shape was timed.
    """
    rows, scored, length, words = _sizes(recipe)
    options = tuple(sorted(recipe.tuning_options.items()))
    size = max(1, min(recipe.batch_size, MOST_TOKENS // round(length)))
    shape = (
        recipe.model, recipe.tuning, catalog.tasks()[recipe.task].head, options, words, size, round(length),
        device, threads,
    )  # fmt: skip
    if shape not in _TIMED:
        if time.perf_counter() >= end:
            raise Missing(f"the {PATIENCE:.0f} s for timing steps were over")
        _TIMED[shape] = _costs(*shape)
    whole, least = _TIMED[shape]
    blocks = spec(recipe.model).blocks
    each = [least + (whole - least) * len(stage.blocks) / blocks for stage in recipe.build_schedule()]
    return (rows * math.fsum(each) + scored * recipe.epochs * whole / 3) / size


def _sizes(recipe: Recipe) -> tuple[int, int, float, int]:
    """The rows trained on in an epoch, those scored after it, their mean length, and their different words."""
    task = catalog.tasks()[recipe.task]
    if recipe.dataset == GENERATED and not task.home:
        return toy.SIZES["train"], toy.SIZES["evaluate"] * len(task.evaluate), 12.0, len(toy.WORDS)
    counts = {evaluation_set: count[0] for evaluation_set, count in task.rows.items()}
    if not counts:
        raise Missing(f"nobody says how many rows {task.name} has")
    rows = recipe.train_questions or counts.pop("train")
    counts.pop("train", None)
    known = read_toml(places.root() / "benchmarks" / "lengths.toml")
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


def _costs(
    model: str,
    tuning: str,
    head: str,
    options: tuple[tuple[str, Any], ...],
    words: int,
    size: int,
    length: int,
    device: str,
    threads: int,
) -> tuple[float, float]:
    """The seconds of a step that trains every block, and of one that trains embeddings and head alone."""
    import torch

    from progbench.method.schedule import Stage

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.random.fork_rng():
            made, anatomy, optimizer = _ready(model, tuning, head, options, words, device)
            ids = torch.randint(
                5, min(words, made.get_input_embeddings().num_embeddings), (size, length), device=device
            )
            target = {"labels": torch.zeros(size, dtype=torch.long, device=device)}
            if head == "question_answering":
                target = dict.fromkeys(("start_positions", "end_positions"), target["labels"])
            batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **target}

            def step() -> None:
                made(**batch).loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                if device == "cuda":
                    torch.cuda.synchronize()

            costs = []
            for blocks in (range(anatomy.L), range(anatomy.L, anatomy.L)):
                anatomy.freeze(Stage(blocks))
                step()  # which makes moments, and buffers
                costs.append(_timed(step))
            return costs[0], min(costs)
    finally:
        torch.set_num_threads(before)


@functools.lru_cache(maxsize=1)  # a model of the next shape is often the same
def _ready(model: str, tuning: str, head: str, options: tuple[tuple[str, Any], ...], words: int, device: str) -> tuple:
    """A model as it is trained, of random weights; its anatomy, and an optimizer."""
    import torch

    from progbench.method.anatomy import Anatomy
    from progbench.method.tuning import apply_tuning
    from progbench.training import vocabulary

    made = loading.build(spec(model), 2, head)
    if tuning != "full":
        apply_tuning(made, tuning, **dict(options))
    if spec(model).described:
        vocabulary.cut(made, range(min(words, spec(model).vocabulary)))
    made.to(device).train()
    anatomy = Anatomy.of(made, tuning)
    return made, anatomy, torch.optim.AdamW(anatomy.parameters(), lr=1e-6)


def _timed(step) -> float:
    """The seconds of the quickest step that fits in SECONDS: a disturbance only makes one slower."""
    end, taken = time.perf_counter() + SECONDS, []
    while not taken or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    return min(taken)


def about(lacks: Iterable) -> str:
    """ "about " if one of the times was estimated by a step, else ""."""
    return "about " if any(lack.each.source == SOURCE for lack in lacks) else ""
