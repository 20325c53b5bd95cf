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
HEAD = f"""
import os, sys, time
from pathlib import Path
sys.path.append({str(TESTS)!r})
from made_up import result
from progbench.recipes import reading
from progbench.runs import results
folder, numbers = Path(sys.argv[1]), [int(one) for one in sys.argv[2:]]
recipe = reading.read("smoke", "glue", model="tiny-bert", schedule="constant", task="rte")
children = []
for number in numbers:
    child = os.fork()
    if not child:
        break
    children.append(child)
else:
    sys.exit(" ".join(str(code) for child in children if (code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))))
(folder / f"ready{{number}}").touch()
while len(list(folder.glob("ready*"))) < len(numbers): time.sleep(0.005)
"""
SAVES = f"""
for seed in range({EACH} * number, {EACH} * (number + 1)):
    results.save(folder / "runs", result(recipe, seed, {{"rte": {{"accuracy": seed / 1000}}}}))
"""
# which replaces the trainer, and notes that it was called
MAKES = f"""
from progbench.session import jobs
from progbench.session.filing import Filing
from progbench.session.making import Maker

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


def together(folder, text, numbers=range(PROCESSES)):
    """Run a text in several processes that begin at the same time; gives what was said where one failed."""
    command = [sys.executable, "-c", HEAD + text, folder, *map(str, numbers)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False).stderr.strip()


@pytest.fixture
def recipe():
    return reading.read("smoke", "glue", model="tiny-bert", schedule="constant", task="rte")


def test_eight_processes_file_many_results_each_and_all_are_whole(tmp_path, recipe, reliability):
    failed = together(tmp_path, SAVES)
    found = {seed: results.load(tmp_path / "runs", recipe, seed) for seed in range(PROCESSES * EACH)}
    beside = {path.name for path in results.path_of(tmp_path / "runs", recipe, 0).parent.iterdir()}

    assert failed == ""
    assert [seed for seed, one in found.items() if one.score("rte", "accuracy") != pytest.approx(seed / 10)] == []
    assert beside == {f"seed{seed}.json" for seed in found}
    reliability(
        "Running, on one machine or on many",
        "eight processes that file 25 results each into one folder",
        happens=f"{len(found)} files, each whole and with the checksum of its content; no other file beside them",
        kept="everything",
    )


def test_one_recipe_that_eight_processes_ask_for_is_trained_once_a_seed(tmp_path, reliability):
    failed = together(tmp_path, MAKES)
    trained = Counter(path.name.split("-")[1] for path in tmp_path.glob("trained-*"))

    assert failed == ""
    assert trained == dict.fromkeys(map(str, range(SEEDS)), 1)
    reliability(
        "Running, on one machine or on many",
        "one recipe that eight processes ask for at the same time",
        happens="each seed is trained once, by who has its lock; the others wait, and have the same results",
        kept="everything",
    )


def test_two_processes_that_file_the_same_seed_leave_one_whole_result(tmp_path, recipe):
    """As two machines may, whose file system does not lock: the last one counts."""
    same = SAVES.replace(f"{EACH} * number, {EACH} * (number + 1)", f"{SEEDS}")

    assert together(tmp_path, same) == ""
    assert {json.loads(path.read_text())["seed"] for path in tmp_path.rglob("seed*.json")} == set(range(SEEDS))
    assert [results.load(tmp_path / "runs", recipe, seed).seed for seed in range(SEEDS)] == list(range(SEEDS))


def test_a_process_that_is_killed_while_it_trains_leaves_the_rest_to_the_next(tmp_path, recipe):
    codes = [together(tmp_path, DIES, [number]) for number in (0, 1)]
    trained = sorted(path.name.removeprefix("trained-") for path in tmp_path.glob("trained-*"))

    assert codes == ["-9", ""]
    assert trained == ["0-0", "1-0", "2-0", "2-1", "3-1", "4-1"]
    assert results.seeds_on_file(tmp_path / "runs", recipe) == list(range(SEEDS))
