"""What is trained in one go: a recipe with one seed, or on a GPU with all the seeds that it lacks, side by side."""

import errno
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from progbench import environment
from progbench.errors import BadInput, Missing
from progbench.method.layout import LAYOUTS
from progbench.models.spec import spec
from progbench.recipes.recipe import Recipe
from progbench.runs.results import RunResult
from progbench.training.checkpoints import Checkpoints

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Job:
    """A recipe, the seeds of it that are trained as one, and the device.

    >>> from progbench.recipes.reading import read
    >>> recipe = read("paper", "glue", model="bert-base", schedule="constant", task="rte")
    >>> str(Job(recipe, (0,), "cpu")), str(Job(recipe, (0, 2), "cuda"))
    ('bert-base-constant-rte, seed 0', 'bert-base-constant-rte, seeds 0 2')
    """

    recipe: Recipe
    seeds: tuple[int, ...]
    device: str

    def __str__(self) -> str:
        return f"{self.recipe.id}, seed{'s' * (len(self.seeds) > 1)} {' '.join(map(str, self.seeds))}"


def families(lacking: Iterable[tuple[Recipe, Sequence[int], str]]) -> list[list[Job]]:
    """The jobs for the seeds that recipes lack; recipes that differ in their schedules alone are one family.

    On a GPU, which one seed leaves mostly idle, a job has all seeds of a recipe. On a CPU, and for a model of the plain
    trainer, it has one.

    >>> from progbench.recipes.reading import read
    >>> names = ("constant", "shrinking")
    >>> recipes = [read("paper", "glue", model="bert-base", schedule=name, task="rte") for name in names]
    >>> [[job.seeds for job in jobs] for jobs in families((one, [0, 1], "cpu") for one in recipes)]
    [[(0,), (0,)], [(1,), (1,)]]
    >>> [[job.seeds for job in jobs] for jobs in families((one, [0, 1], "cuda") for one in recipes)]
    [[(0, 1), (0, 1)]]
    """
    groups: dict[tuple[Recipe, int | None], list[Job]] = {}
    for recipe, seeds, device in lacking:
        alike = replace(recipe, schedule="")
        if _side_by_side(recipe, device):
            groups.setdefault((alike, None), []).append(Job(recipe, tuple(seeds), device))
            continue
        for seed in seeds:
            groups.setdefault((alike, seed), []).append(Job(recipe, (seed,), device))
    return list(groups.values())


def _side_by_side(recipe: Recipe, device: str) -> bool:
    model = spec(recipe.model)
    return device == "cuda" and model.described and model.architecture in LAYOUTS


def execute(job: Job, threads: int, kept: Checkpoints | None) -> Iterator[RunResult]:
    """Train a job's seeds, and give each result as soon as it is there.

    An exception while training becomes its seeds' error, so that no other cell is lost. If the device's memory has, by
    estimate, no room for all seeds, they are trained in groups. Raises Missing or BadInput.
    """
    import torch

    from progbench.training import memory, train

    if job.device == "cuda" and not torch.cuda.is_available():
        raise Missing(f"a GPU is here, but torch {torch.__version__} cannot use it (--device cpu trains without)")
    groups = [job.seeds]
    if stacked := _side_by_side(job.recipe, job.device):
        number = math.ceil(len(job.seeds) / memory.most_together(job.recipe, memory.free()))
        size = math.ceil(len(job.seeds) / number)
        groups = [job.seeds[start : start + size] for start in range(0, len(job.seeds), size)]
    for group in groups:
        left = list(group)
        try:
            if stacked:
                made = train.train_together(job.recipe, group, job.device, threads, kept)
            else:
                made = [train.train(job.recipe, *group, job.device, threads, kept)]
            for result in made:
                left.remove(result.seed)
                yield result
        except (Missing, BadInput):
            raise
        except Exception as problem:
            yield from _errors(job, left, problem)


def _errors(job: Job, seeds: Iterable[int], problem: Exception) -> Iterator[RunResult]:
    from progbench.training.scoring import NonFinite

    final = isinstance(problem, NonFinite)
    message = str(problem) if final else f"{type(problem).__name__}: {problem}"
    if isinstance(problem, OSError) and problem.errno in FULL:
        message += f"; temporary files lie in {tempfile.gettempdir()}, set TMPDIR to another folder"
    made, read = environment.describe(job.device), problem.fingerprints if isinstance(problem, NonFinite) else {}
    for seed in seeds:
        yield RunResult(job.recipe, seed, error=message, final=final, fingerprints=read, environment=made)
