"""Many processes at one folder of results: every file whole, and each seed made once. Real processes, no training."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from progbench.recipes import reading
from progbench.runs import results

TESTS = Path(__file__).resolve().parents[1]
PROCESSES, EACH, SEEDS = 8, 25, 5
# loads what all need, and does every text in a folder of its own, in processes that begin at the same time
SCRIPT = f"""
import json, os, sys, time
from pathlib import Path
sys.path.append({str(TESTS)!r})
from made_up import result
from progbench.recipes import reading
from progbench.runs import results
from progbench.session import jobs
from progbench.session.filing import Filing
from progbench.session.making import Maker
recipe = reading.read("smoke", "glue", model="tiny-bert", schedule="constant", task="rte")

def together(folder, text, numbers):
    folder.mkdir(exist_ok=True)
    children = []
    for number in numbers:
        child = os.fork()
        if not child:
            (folder / f"ready{{number}}").touch()
            while len(list(folder.glob("ready*"))) < len(numbers): time.sleep(0.005)
            exec(text, globals() | {{"folder": folder, "number": number}})
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

print(json.dumps([together(Path(sys.argv[1], name), text, numbers) for name, text, numbers in json.load(sys.stdin)]))
"""
SAVES = f"""
for seed in range({EACH} * number, {EACH} * (number + 1)):
    results.save(folder / "runs", result(recipe, seed, {{"rte": {{"accuracy": seed / 1000}}}}))
"""
# as two machines may, whose file system does not lock
SAVES_THE_SAME = SAVES.replace(f"{EACH} * number, {EACH} * (number + 1)", f"{SEEDS}")
# which replaces the trainer, and notes that it was called
MAKES = f"""
def train(job, threads, shared):
    (seed,) = job.seeds
    (folder / f"trained-{{seed}}-{{number}}").touch()
    time.sleep(0.02)
    return [result(recipe, seed, {{"rte": {{"accuracy": seed / 1000}}}})]

jobs.execute = train
own = Maker(Filing(folder / "runs", range({SEEDS})), "cpu")
own.make([recipe])
assert list(own.filing.runs(recipe).results) == list(range({SEEDS})), "a process ended without all results"
"""
# which is killed while it trains the third seed
DIES = MAKES.replace("    time.sleep", "    if number == 0 and seed == 2: os.kill(os.getpid(), 9)\n    time.sleep")
ALL = [*range(PROCESSES)]
SCENES = [
    ("save", SAVES, ALL),
    ("same", SAVES_THE_SAME, ALL),
    ("make", MAKES, ALL),
    ("die", DIES, [0]),
    ("die", DIES, [1]),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of all that the processes did; the one that is killed is the only one that fails."""
    where = tmp_path_factory.mktemp("many")
    command = [sys.executable, "-c", SCRIPT, where]
    done = subprocess.run(command, input=json.dumps(SCENES), capture_output=True, text=True, check=False)
    sound = [0] * PROCESSES
    assert (done.stderr, json.loads(done.stdout)) == ("", [sound, sound, sound, [-9], [0]])
    return where


@pytest.fixture
def recipe():
    return reading.read("smoke", "glue", model="tiny-bert", schedule="constant", task="rte")


def test_eight_processes_file_many_results_each_and_all_are_whole(folder, recipe, reliability):
    runs = folder / "save" / "runs"
    found = {seed: results.load(runs, recipe, seed) for seed in range(PROCESSES * EACH)}
    beside = {path.name for path in results.path_of(runs, recipe, 0).parent.iterdir()}

    assert [seed for seed, one in found.items() if one.score("rte", "accuracy") != pytest.approx(seed / 10)] == []
    assert beside == {f"seed{seed}.json" for seed in found}
    reliability(
        "Running, on one machine or on many",
        "eight processes that file 25 results each into one folder",
        happens=f"{len(found)} files, each whole and with the checksum of its content; no other file beside them",
        kept="everything",
    )


def test_one_recipe_that_eight_processes_ask_for_is_trained_once_a_seed(folder, reliability):
    trained = Counter(path.name.split("-")[1] for path in folder.glob("make/trained-*"))

    assert trained == dict.fromkeys(map(str, range(SEEDS)), 1)
    reliability(
        "Running, on one machine or on many",
        "one recipe that eight processes ask for at the same time",
        happens="each seed is trained once, by who has its lock; the others wait, and have the same results",
        kept="everything",
    )


def test_processes_that_file_the_same_seed_leave_one_whole_result(folder, recipe):
    seeds = {json.loads(path.read_text())["seed"] for path in folder.glob("same/**/seed*.json")}

    assert seeds == set(range(SEEDS))
    assert [results.load(folder / "same" / "runs", recipe, seed).seed for seed in range(SEEDS)] == list(range(SEEDS))


def test_a_process_that_is_killed_while_it_trains_leaves_the_rest_to_the_next(folder, recipe):
    trained = sorted(path.name.removeprefix("trained-") for path in folder.glob("die/trained-*"))

    assert trained == ["0-0", "1-0", "2-0", "2-1", "3-1", "4-1"]
    assert results.seeds_on_file(folder / "die" / "runs", recipe) == list(range(SEEDS))
