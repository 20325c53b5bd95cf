"""A plugin for sessions that are not about training: it notes each run and gives a reference's scores for its result.

With workers, the first run of each waits until all have begun one: so that each has its share, and two that did not
heed a lock would be at the same run.
"""

import json
import os
import time
from pathlib import Path

from made_up import result

from progbench.report import writing
from progbench.session import jobs

ROOT = Path(__file__).resolve().parents[2]
NOTED = Path(os.environ["STAND_IN"])
LONGEST_WAIT = 600  # seconds


def train(job, threads, kept):
    with NOTED.open("a") as file:
        file.write(f"{os.getpid()} {job.recipe.id}\n")
    patience = time.monotonic() + LONGEST_WAIT
    while workers() < int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) and time.monotonic() < patience:
        time.sleep(0.02)
    references = json.loads((ROOT / "expected" / job.recipe.suite / "reference.json").read_text())["runs"]
    scores = references[job.recipe.id]["seeds"]
    return [result(job.recipe, seed, scores[str(seed)]) for seed in job.seeds]


def workers():
    return len({line.split()[0] for line in NOTED.read_text().splitlines()})


def write(report, folder):
    with NOTED.with_suffix(".reports").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return written(report, folder)


jobs.execute = train
written, writing.write = writing.write, write
