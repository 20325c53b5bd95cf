"""The runs behind a report: what each scored, what it took, where it was made; and a schedule's cost beside constant's.

Pure: from results to values, without files, torch or pytest.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from progbench.recipes.recipe import Recipe, split_id
from progbench.runs.results import RunResult, name_of

_SHARES = ("updated", "flops", "step_seconds", "memory")


@dataclass(frozen=True)
class Run:
    """One seed of a recipe. `scores` are the last epoch's, in points, by "set metric"; None where something is unknown.

    `file` lies below the folder of results; `seconds` is the whole run, `step_seconds` the mean of its training steps,
    `memory` the peak in bytes, of a GPU or else of the whole process, and `machine` what times and memory may be
    compared on. `others` is how many other runs of progbench used its device meanwhile.
    """

    seed: int
    file: str
    scores: Mapping[str, float]
    updated: int | None
    flops: int | None
    seconds: float
    step_seconds: float | None
    memory: int | None
    commit: str
    machine: str
    error: str
    others: int | None = None
    on_gpu: bool = False

    @property
    def alone(self) -> bool:
        return self.others == 0

    @property
    def own_memory(self) -> int | None:
        """The peak of the run itself, which only a GPU tells: a process keeps memory of what it trained before."""
        return self.memory if self.on_gpu else None


@dataclass(frozen=True)
class Entry:
    """One recipe and its runs; `planned` are the updated parameters of a run by arithmetic alone."""

    recipe: str
    digest: str
    planned: int
    runs: tuple[Run, ...]
    precision: str = "fp32"

    @property
    def name(self) -> str:
        """As verdicts name the runs they were read from."""
        return f"{self.recipe}/{self.digest}"


@dataclass(frozen=True)
class Cost:
    """What a schedule takes, as shares of what `constant` takes with the same model, tuning and task.

    Medians over the seeds that one machine ran of both, of time over those that ran alone; None where that is unknown,
    and `unknown` says why.
    """

    body: str
    schedule: str
    task: str
    updated: float
    flops: float | None
    step_seconds: float | None
    memory: float | None
    unknown: tuple[str, ...] = ()


def entry(wanted: Recipe, results: Iterable[RunResult]) -> Entry:
    """A recipe's results as a report lists them."""
    runs = tuple(_run(wanted, result) for result in results)
    return Entry(wanted.id, wanted.digest, wanted.planned(), runs, wanted.precision)


def _run(wanted: Recipe, result: RunResult) -> Run:
    epochs, about, made = result.epochs, result.environment, result.provenance
    steps, flops = ([getattr(epoch, name) for epoch in epochs] for name in ("steps", "flops"))
    device = about.get("gpu") or about.get("cpu", "unknown")
    threads = [f"{about['threads']} threads"] if "threads" in about else []
    how = [f"{len(made.side_by_side)} seeds side by side"] if made.side_by_side else []
    how += [f"batches in {made.batch_parts} parts"] if made.batch_parts > 1 else []
    how += ["the plain trainer"] if made.trainer == "plain" else []
    scores = epochs[-1].scores.items() if epochs else ()
    return Run(
        seed=result.seed,
        file=name_of(wanted, result.seed),
        scores={f"{name} {metric}": 100 * score for name, of_set in scores for metric, score in of_set.items()},
        updated=sum(epoch.updated_parameters for epoch in epochs) if epochs else None,
        flops=_measured(sum(flops)) if epochs and None not in flops else None,
        seconds=result.seconds,
        step_seconds=_measured(sum(epoch.seconds for epoch in epochs) / sum(steps)) if epochs and all(steps) else None,
        memory=_measured(result.peak_memory_bytes),
        commit=str(about.get("commit", "unknown")),
        machine=", ".join([str(device), *threads, *how]),
        error=result.error,
        others=made.others,
        on_gpu="gpu" in about,
    )


def _measured(value: float) -> float | None:
    """A quantity of which every run takes some: 0, or less, was not measured, and nothing can be a share of it."""
    return value if value > 0 else None


def costs(entries: Sequence[Entry]) -> list[Cost]:
    """Each schedule's cost beside that of `constant`, for every entry that has such a partner with runs."""
    known = {listed.recipe: listed for listed in entries}
    beside = []
    for listed in entries:
        body, schedule, task = split_id(listed.recipe)
        whole = known.get(f"{body}-constant-{task}")
        if whole and schedule not in ("", "constant"):
            beside.append(_cost(body, schedule, task, listed, whole))
    return beside


def _cost(body: str, schedule: str, task: str, own: Entry, whole: Entry) -> Cost:
    sides = [[run for run in side.runs if not run.error] for side in (own, whole)]
    here, alone = _on_one_machine(sides), _on_one_machine([[run for run in side if run.alone] for side in sides])
    unknown = []

    def share(quantity: str, runs: Sequence[Sequence[Run]], why: str) -> float | None:
        values = [[value for run in side if (value := getattr(run, quantity)) is not None] for side in runs]
        if all(values):
            return statistics.median(values[0]) / statistics.median(values[1])
        unknown.append(why)
        return None

    flops = share("flops", sides, "FLOPs not recorded")
    if not all(here):
        unknown.append("time and memory: no machine ran both")
        return Cost(body, schedule, task, own.planned / whole.planned, flops, None, None, tuple(unknown))
    known = "not recorded" if all(alone) else "no machine is known to have run both with nothing beside them"
    step_seconds = share("step_seconds", alone, f"step time: {known}")
    on_gpu = all(run.on_gpu for side in here for run in side)
    why = "peak memory not recorded" if on_gpu else "peak memory: on a CPU not measured apart from its process"
    memory = share("own_memory", here, why)
    return Cost(body, schedule, task, own.planned / whole.planned, flops, step_seconds, memory, tuple(unknown))


def _on_one_machine(sides: Sequence[Sequence[Run]]) -> list[list[Run]]:
    """Of both sides, the runs of the machine that ran most of both; none where no machine ran both."""
    first, second = (Counter(run.machine for run in side) for side in sides)
    shared = first & second
    machine = max(shared, key=shared.__getitem__, default=None)
    return [[run for run in side if run.machine == machine] for side in sides]


def mean_costs(by_task: Sequence[Cost]) -> list[Cost]:
    """A line a model and schedule: geometric means over its tasks, of those that know the most shares.

    Figure 1's single blocks are left out: each of them costs about the same.
    """
    rows: dict[tuple[str, str], list[Cost]] = {}
    for cost in by_task:
        if not cost.schedule.startswith("single_block"):
            rows.setdefault((cost.body, cost.schedule), []).append(cost)
    found = []
    for chosen in rows.values():
        most = max(map(_known, chosen))
        found.append(_mean([cost for cost in chosen if _known(cost) == most]))
    return found


def _known(cost: Cost) -> int:
    return sum(getattr(cost, name) is not None for name in _SHARES)


def _mean(chosen: Sequence[Cost]) -> Cost:
    means = {}
    for name in _SHARES:
        values = [value for cost in chosen if (value := getattr(cost, name)) is not None]
        means[name] = statistics.geometric_mean(values) if values else None
    unknown = tuple(dict.fromkeys(why for cost in chosen for why in cost.unknown))
    tasks = chosen[0].task if len(chosen) == 1 else f"{len(chosen)} tasks"
    return replace(chosen[0], task=tasks, unknown=unknown, **means)
