"""What a training step costs here, against the Hugging Face Trainer at the same stage: ratios taken in one process.

Rounds alternate between both sides (contenders.py), so that a busy machine slows both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import contenders
import pytest
from contenders import Case, Ours, Theirs
from texts import GLUE, head_of, rows

from progbench.method import flops
from progbench.method.schedule import Schedule
from progbench.models.spec import spec
from progbench.runs import results
from progbench.runs.results import EpochResult, RunResult
from progbench.session.suite import Suite
from progbench.tasks import catalog

pytestmark = pytest.mark.speed
MODELS = {"smoke": "tiny-bert", "mini": "minilm", "base": "mpnet", "paper": "bert-base"}
ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 3
SHAPES = tomllib.loads((ROOT / "benchmarks" / "grid.toml").read_text(encoding="utf-8"))["shapes"]
ON_GPU: list[dict] = []  # what `test_gpu` measured in this session
CASES = [
    Case("full", "fp32", "default", GLUE),
    Case("full", "fp32", "default", ("squad1",)),
    Case("lora", "fp32", "default", ("sst2",)),
    *(Case("full", "bf16", "tuned", (task,)) for task in GLUE),
    *(Case("full", "fp32", "tuned", (task,)) for task in ("cola", "mrpc", "rte")),
    Case("lora", "bf16", "tuned", ("sst2",)),
]


@pytest.fixture
def machine(request):
    """The model's dimensions and the device of this session's suite."""
    from progbench import environment

    options = request.config.option
    wanted = options.device or "auto"
    device = ("cuda" if environment.gpu_count() else "cpu") if wanted == "auto" else wanted
    return spec(MODELS[options.suite]), device


@pytest.fixture
def on_cpu(machine):
    """A CPU, where one seed is trained at a time."""
    if machine[1] != "cpu":
        pytest.skip("on a GPU seeds are trained side by side: test_gpu")
    return machine


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_step(case, on_cpu, benchmark, record_property):
    """Every stage of Progtuning, on both sides in turn."""
    model, device = on_cpu
    stages = case.stages(model.blocks)
    ours = {task: Ours(model, case, task, device) for task in case.tasks}
    # padded to one width, every text costs the same: one task's stand for all
    theirs = {
        task: Theirs(model, case, task, device) for task in (case.tasks if case.against == "tuned" else case.tasks[:1])
    }
    measured = []

    def one_round():
        seconds = {}
        for k, stage in enumerate(stages):
            for task, side in theirs.items():
                seconds["theirs", task, k] = side.seconds(stage)
            for task, side in ours.items():
                seconds["ours", task, k] = side.seconds(stage)
        measured.append(seconds)

    benchmark.pedantic(one_round, rounds=ROUNDS, warmup_rounds=0)
    ceiling = contenders.ceiling(case.precision)
    for task in case.tasks:
        against = task if task in theirs else case.tasks[0]
        summary = _summary(ours[task], theirs[against], against, stages, measured) | {"ceiling": ceiling}
        record_property("progbench-speed-steps", summary)
    benchmark.extra_info["seconds"] = [
        {"-".join(map(str, key)): value for key, value in case.items()} for case in measured
    ]


def _summary(ours: Ours, theirs: Theirs, against: str, stages: Schedule, measured: list[dict]) -> dict:
    model, case, task = ours.spec, ours.case, ours.task

    def run(seconds: dict, side: str, name: str) -> float:
        return sum(seconds[side, name, k] for k in range(len(stages)))  # which are equally long

    ratios = [run(times, "theirs", against) / run(times, "ours", task) for times in measured]
    steps = len(ours.batches)
    costs = [
        flops.step_flops(model, stage.blocks, case.tuning, head_of(task), lengths=ours.timed) / steps
        for stage in stages
    ]
    stage_seconds = [statistics.median(times["ours", task, k] for times in measured) for k in range(len(stages))]
    return {
        "model": model.name,
        "device": ours.device,
        "case": case.id,
        "task": task,
        "texts": rows(model, task)[1],
        "ratio": statistics.median(ratios),
        "least": min(ratios),
        "most": max(ratios),
        "bound": theirs.padded / sum(ours.timed),
        "milliseconds": [1000 * seconds for seconds in stage_seconds],
        "stage_measured": [seconds / stage_seconds[0] for seconds in stage_seconds],
        "stage_formula": [cost / costs[0] for cost in costs],
        "gflops": sum(costs) / sum(stage_seconds) / 1e9,
    }


@pytest.mark.parametrize("share", [0, 2], ids=["nothing-frozen", "two-thirds-frozen"])
def test_peak_memory(share, on_cpu, record_property):
    """SST-2's lengths, 32 texts a batch, float32: ours against *default*, one process each."""
    model, device = on_cpu
    frozen = share * model.blocks // 3
    record_property(
        "progbench-speed-memory",
        {"model": model.name, "device": device, "frozen": frozen}
        | {side: _in_a_process(side, model.name, frozen, device) for side in ("ours", "theirs")},
    )


def _in_a_process(*arguments: object) -> int:
    done = subprocess.run(
        [sys.executable, contenders.__file__, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    return int(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, list(shape.values())[:3])))
def test_gpu(shape, machine, record_property, benchmark):
    """A shape with one and with five seeds, in tf32 and fp32, against *default* and *tuned*; all stages train."""
    if machine[1] != "cuda":
        pytest.skip("a GPU is asked for with --device cuda")
    from gpu_speed import measure

    shape = {name: value for name, value in shape.items() if name != "short"}
    records = benchmark.pedantic(lambda: [*measure(**shape, device="cuda", precisions=("tf32", "fp32"))], rounds=1)
    for record in records:
        record_property("progbench-speed-gpu", record)
    ON_GPU.extend(records)


def test_hours_of_the_grid(machine, record_property):
    """What the paper's tables would take on this card, by the shapes that were just measured."""
    if not ON_GPU:
        pytest.skip("no shape was measured on a GPU")
    from gpu_hours import projected

    for table, hours in projected(ON_GPU).items():
        record_property("progbench-speed-hours", {"table": table, "hours": hours})


def test_bytes(machine, request, benchmark):
    """The bytes and launches of a step of five seeds, counted on meta tensors for commit 4518441 and for this code.

    A count, which needs no card and is no measurement. Shown with -s, and written to DIR/bytes.json with --report DIR.
    """
    if request.config.option.suite != "paper":
        pytest.skip("the shapes are the paper's")
    import gpu_bytes

    with gpu_bytes.other_build("4518441", []) as also:
        ours = benchmark.pedantic(lambda: gpu_bytes.counted(SHAPES), rounds=1)
        theirs = also()
    print("\n" + gpu_bytes.table(ours, theirs))
    if folder := request.config.option.report:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bytes.json").write_text(json.dumps({"then": theirs, "now": ours}, indent=1))
    assert all(now["bytes"] < then["bytes"] for now, then in zip(ours, theirs, strict=True))


SESSIONS = {
    "collecting": ["--collect-only", "-q"],
    "counting": ["-m", "params"],
    "judging Table 1, its 240 runs on file": ["-m", "glue"],
}


@pytest.mark.parametrize("name", SESSIONS)
def test_seconds_of_a_session(name, record_property, tmp_path):
    """How long a whole session takes that trains nothing, pytest's own start included."""
    file_results(tmp_path, "table1")
    command = ["pytest", "benchmarks", "-p", "no:cacheprovider", "--runs", tmp_path, *SESSIONS[name]]
    record_property("progbench-speed-sessions", {"session": name, "seconds": _seconds(command)})


def test_seconds_of_a_report(record_property, tmp_path):
    """How long it takes to report on thousands of results, Python's own start included."""
    count = file_results(tmp_path, "table1", seeds=209)
    seconds = _seconds(["progbench", "report", tmp_path, "--suite", "paper"])
    record_property("progbench-speed-sessions", {"session": f"reporting on {count:,} results", "seconds": seconds})


def _seconds(module: list) -> float:
    command = [sys.executable, "-m", *map(str, module)]
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
        taken.append(time.perf_counter() - start)
        assert done.returncode in (0, 1), done.stdout + done.stderr  # made-up scores may deviate
    return statistics.median(taken)


def file_results(folder: Path, table: str, seeds: int = 5) -> int:
    """File made-up results of every recipe of a table of the paper; returns how many."""
    suite = Suite("paper", ROOT / "expected", folder)
    wanted = {name: recipe for cell in suite.table(table).cells for name, recipe in suite.needed(cell).items()}
    for recipe in wanted.values():
        task = catalog.tasks()[recipe.task]
        for seed in range(seeds):
            scores = {split: dict.fromkeys(task.metrics, 0.7 + seed / 1000) for split in task.evaluate}
            epochs = tuple(EpochResult(scores, each, 0.5, 1.0) for each in recipe.planned_by_epoch())
            results.save(folder, RunResult(recipe, seed, epochs))
    return len(wanted) * seeds
