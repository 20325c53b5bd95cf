"""Runs that kill themselves with SIGKILL at chosen moments, each in a process of its own, and go on in the next.

    python killed.py FOLDER

First without a kill, which gives the number of moments; then for some of them a process that is killed there and
another that does the rest. A moment is the beginning of a step, of a checkpoint's write, or of a file's move. Prints
what each ended with, as JSON.
"""

import json
import os
import random
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import transformers
from interrupted import fingerprint

from progbench import environment
from progbench.recipes import reading
from progbench.runs import results
from progbench.session.filing import Filing
from progbench.session.making import Maker
from progbench.tasks import metrics, toy
from progbench.training import checkpoints, fitting, one_run

KILLS = {"step": 2, "write": 3, "move": 1}  # how often before one of these
LOADED = (metrics, transformers.get_scheduler, transformers.RobertaForSequenceClassification)  # not by each process


class Moments:
    """Counts moments, and kills the process in the one with this number."""

    def __init__(self, last):
        self.kinds, self.last = [], last

    def before(self, owner, name, kind):
        call = getattr(owner, name)

        def counted(*arguments, **keywords):
            self.kinds.append(kind)
            if len(self.kinds) == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **keywords)

        setattr(owner, name, counted)


def make(folder, last=0):
    """Both schedules of a recipe, which share an epoch; the weights' hashes lie in files of the folder."""
    moments, fit = Moments(last), fitting.fit
    moments.before(fitting.Step, "__call__", "step")
    moments.before(checkpoints._Hashed, "write", "write")
    moments.before(os, "replace", "move")

    def noted(model, recipe, schedule, *arguments, **keywords):
        for epoch in fit(model, recipe, schedule, *arguments, **keywords):
            (folder / f"{recipe.id}-{epoch.t}").write_text(fingerprint(model.parameters()))
            yield epoch

    one_run.fit = noted
    wanted = recipes()
    Maker(Filing(folder / "runs", range(1)), "cpu", 1).make(wanted)
    (folder / "moments").write_text(json.dumps(moments.kinds))


def recipes():
    return [
        replace(reading.read("smoke", "glue", model="tiny-roberta", schedule=schedule, task="rte"), epochs=2)
        for schedule in ("constant", "shrinking")
    ]


def ended_with(folder):
    """Scores, losses and final weights of both runs, and what lies beside their results."""
    found = {}
    for recipe in recipes():
        result = results.load(folder / "runs", recipe, 0)
        left = sorted(path.name for path in results.path_of(folder / "runs", recipe, 0).parent.iterdir())
        found[recipe.schedule] = {
            "learnt": [[epoch.scores, epoch.loss, epoch.updated_parameters] for epoch in result.epochs],
            "weights": (folder / f"{recipe.id}-{recipe.epochs - 1}").read_text(),
            "left": [name for name in left if not name.endswith(".lock")],
            "notes": list(result.notes),
        }
    return found


def apart(folder, last=0):
    """Make the runs in a process of their own; gives the signal that ended it, 0 for none."""
    folder.mkdir(exist_ok=True)
    process = os.fork()
    if process:
        _, status = os.waitpid(process, 0)
        return os.waitstatus_to_exitcode(status)
    try:
        make(folder, last)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def main(folder):
    toy.SIZES.update(train=40, evaluate=30)
    environment.commit()  # once, and not by each process
    checkpoints.EVERY = 0.0
    whole = folder / "whole"
    assert apart(whole) == 0
    kinds = json.loads((whole / "moments").read_text())
    chance = random.Random(0)
    numbers = {kind: [n for n, one in enumerate(kinds, 1) if one == kind] for kind in ("step", "write", "move")}
    chosen = [(kind, number) for kind, share in KILLS.items() for number in chance.sample(numbers[kind], share)]
    killed = []
    for kind, number in chosen:
        place = folder / f"{kind}-{number}"
        signals = [apart(place, number), apart(place)]
        killed.append({"kind": kind, "number": number, "signals": signals, "ended": ended_with(place)})
    print(json.dumps({"whole": ended_with(whole), "killed": killed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
