"""Models, texts and trainings of several seeds, each alone and all side by side: float64, without dropout.

Side by side their steps are captured and replayed, by the GPU's stand-in, from the second one of a stage on.
"""

import functools

import pytest
import torch

from progbench import apply_tuning
from progbench.models import loading
from progbench.models.spec import spec
from progbench.training import graph
from progbench.training.fitting import Hooks, fit
from progbench.training.packed_seeds import SeedCollator
from progbench.training.packing import pack
from progbench.training.side_by_side import StackedSeeds, stack

SINGLES, PAIRS = (3, 9, 5, 5, 12, 4, 7), ((3, 4), (2, 2), (6, 1), (5, 5), (1, 2), (4, 4), (2, 7))


def rows(head, seed, pairs=False, num_labels=2):
    """Seven texts a seed, unlike in length and order, so that rows of the batch are of unlike length, too."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(low, high, count):
        return torch.randint(low, high, (count,), generator=generator).tolist()

    made = []
    for size in PAIRS if pairs else SINGLES:
        first, second = size if pairs else (size, 0)
        first += seed % 2
        row = {"input_ids": numbers(5, 100, first + second)}
        if pairs:
            row["token_type_ids"] = [0] * first + [1] * second
        if head == "question_answering":
            row |= {"start_positions": numbers(0, first, 1)[0], "end_positions": first - 1}
        else:
            row["labels"] = numbers(0, num_labels, 1)[0] if num_labels > 1 else 5.0 * torch.rand(1).item()
        made.append(row)
    return made


def model(name, head, tuning, seed, num_labels=2):
    """A model whose body all seeds share, and whose head and tuning are the seed's own."""
    torch.manual_seed(7)
    made = loading.build(spec(name), num_labels, head)
    body = made.base_model.state_dict()
    torch.manual_seed(seed)
    made = loading.build(spec(name), num_labels, head)
    made.base_model.load_state_dict(body)
    apply_tuning(made, tuning)
    for module in made.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return made.double()


def batches(texts, size, make):
    for start in range(0, len(texts[0]), size):
        yield make([one[start : start + size] for one in texts])


def trained_alone(wanted, made, texts, stages):
    collate = pack(made)
    ready = functools.partial(batches, [texts], 3, lambda chosen: collate(chosen[0]))
    epochs = list(fit(made, wanted, stages, ready, 3))
    return epochs, epochs[-1].state()


def trained_together(wanted, models, texts, stages, answering, **options):
    packed = pack(models[0])
    together = stack(models)
    collate = SeedCollator(packed, pad=0, longest=16, answering=answering, **options)
    ready = functools.partial(batches, texts, 3, collate)
    axis, rate, replays, runs = StackedSeeds(len(models)), torch.zeros((), dtype=torch.float64), graph.Stages("cpu"), []

    def runner(step):
        runs.append(replays(step))
        return runs[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "WARM_UP", 1)
        epochs = list(fit(together, wanted, stages, ready, 3, hooks=Hooks(axis, runner, rate)))
    assert [run.refused for run in runs if run.refused] == []
    assert all(run.replays for run in runs)
    return epochs, epochs[-1].state()


def in_one(tensors, seeds=0):
    """Matrices, and vectors, in one vector each, since side by side three projections are one; a row a seed."""
    kinds = [[one for one in tensors if (one.ndim > (2 if seeds else 1)) is matrix] for matrix in (True, False)]
    return [torch.cat([one.flatten(1) if seeds else one.flatten()[None] for one in those], 1) for those in kinds]


def moments(state, name):
    """Of the parameters that still train."""
    return [one[name] for _, one in sorted(state["optimizer"]["state"].items())]


def assert_equal(alone, together, place):
    """Parameters, moments, losses and counts of one seed of several are those of the seed alone."""
    (epochs, state), (all_epochs, all_state) = alone, together
    pairs = [(state["parameters"], all_state["parameters"])]
    pairs += [(moments(state, name), moments(all_state, name)) for name in ("exp_avg", "exp_avg_sq")]
    for own, every in pairs:
        for ours, theirs in zip(in_one(own), in_one(every, seeds=len(every[0])), strict=True):
            torch.testing.assert_close(theirs[place], ours[0], rtol=0, atol=1e-9)
    for one, other in zip(epochs, all_epochs, strict=True):
        assert other.losses[place] == pytest.approx(one.losses[0], abs=1e-9)
        assert other.updated_parameters == one.updated_parameters


def compare(wanted, name, head, tuning, make, seeds=(0, 1, 2), pairs=False, num_labels=2, **options):
    stages = make(spec(name).blocks, 2)
    texts = [rows(head, seed, pairs, num_labels) for seed in seeds]
    models = [model(name, head, tuning, seed, num_labels) for seed in seeds]
    answering = head == "question_answering"
    together = trained_together(wanted, models, texts, stages, answering, **options)
    for place, (seed, own) in enumerate(zip(seeds, texts, strict=True)):
        alone = trained_alone(wanted, model(name, head, tuning, seed, num_labels), own, stages)
        assert_equal(alone, together, place)
