"""Verdicts, runs and results that tests make up."""

import functools
import json
from dataclasses import replace

from progbench.judging.claims import ClaimVerdict
from progbench.judging.compared import Contrast
from progbench.judging.verdict import OUTCOMES, Variant, Verdict
from progbench.report.report import Report
from progbench.runs import results
from progbench.runs.ledger import Entry, Run
from progbench.runs.results import EpochResult, RunResult
from progbench.runs.run_result import Provenance
from progbench.session.suite import Suite
from progbench.tasks.catalog import tasks

ENVIRONMENT = {"commit": "c0ffee", "python": "3.11.7", "cpu": "some CPU", "cores": 2}
MADE_ON = {"commit": "c" * 40, "torch": "2.13.0", "cpu": "some CPU", "device": "cpu", "threads": 1}

# what a name must not be able to do: run, break out of an attribute or a table, move a cursor, be a formula
HOSTILE = (
    "<script>document.title='owned'</script>|\"'`a`=cmd()\x1b[2J\x07\n</td></table>"
    "<img src=x onerror=alert(1)>{{7*7}}$x_1$[b](c)~&amp;"
)


def verdict(cell="m-constant-rte", outcome="reproduced", table="Table 1", **values):
    fields = {
        "cell": cell, "table": table, "row": "M FT", "column": "RTE", "kind": "scored", "unit": "points",
        "expected": 66.5, "printed": "66.5", "observed": 66.75, "sd": 0.5, "n": 5, "difference": 0.25,
        "tolerance": 2.9, "outcome": outcome, "direction": None, "sentence": "a sentence",
    }  # fmt: skip
    return Verdict(**(fields | values))


def missing(cell, why="no GPU"):
    return verdict(cell, "missing", observed=None, sd=None, n=0, difference=None, sentence=why)


MIXED = Report(
    "paper",
    [
        verdict("a"),
        verdict("b", "deviates", direction="low"),
        verdict("c", "inconclusive"),
        verdict("d", "disputed"),
        missing("e"),
        missing("f"),
        verdict("g", "error", sentence="seed 0: the loss is nan"),
    ],
    ENVIRONMENT,
    ["seeds mix torch 2.12 and 2.13"],
)


def run(seed=0, **values):
    fields = {
        "seed": seed, "file": f"s/r/d/seed{seed}.json", "scores": {"rte accuracy": 66.5}, "updated": 10, "flops": 100,
        "seconds": 3.0, "step_seconds": 0.5, "memory": 2**20, "commit": "c" * 40, "machine": "one", "error": "",
        "others": 0, "on_gpu": True,
    }  # fmt: skip
    return Run(**(fields | values))


def entry(recipe="m-constant-rte", planned=10, runs=None):
    return Entry(recipe, "d1", planned, tuple([run()] if runs is None else runs))


def everything(name, words):
    """A report in which every text is as given."""
    outcomes = OUTCOMES
    verdicts = [verdict(f"{name}{i}", one, row=name, column=name, sentence=words) for i, one in enumerate(outcomes)]
    verdicts += [verdict(f"{name}-constant-x", "missing", table=name, observed=None, difference=None, sentence=words)]
    variant = Variant(f"{name}1", "Table 1", name, "points", 66.5, None, None, 0, None, False, words, "")
    closing = Variant(f"{name}1", "Table 1", f"{name}!", "points", 66.5, 66.5, None, 1, 0.0, True, "", "")
    claim = ClaimVerdict(name, words, words, "holds", words, "holds", words, words, "disputed", words, words, words)
    ledger = [entry(f"{name}-constant-rte"), entry(f"{name}-shrinking-rte")]
    about = {"commit": words, "cpu": words, name: words}
    difference = Contrast(name, name, "shrinking", "constant", name, False, 1.0, 0.5, {0: 1.0}, 1.0, missing=words)
    others = {"contrasts": [difference, replace(difference, against=name)], "purpose": words}
    return Report(name, verdicts, about, [words], [claim], [variant, closing], ledger, **others)


@functools.cache
def recipes(answers, suite="smoke"):
    """Every recipe that a scored cell of a suite is read from, by id; to be read alone, for tests share it."""
    own = Suite(suite, answers, answers, train=False)
    cells = [cell for name in own.tables() for cell in own.table(name).cells if cell.kind == "scored"]
    return {wanted.id: wanted for cell in cells for wanted in own.recipes(cell)}


def result(recipe, seed, scores, **values):
    """A result with these scores (fractions, by set and metric) after each of its epochs."""
    epochs = tuple(EpochResult(scores, each, 0.5, 2.0, steps=4, flops=1000) for each in recipe.planned_by_epoch())
    made = RunResult(recipe, seed, epochs, 9.0, 2**20, examples=published(recipe), environment=dict(MADE_ON))
    made = replace(made, provenance=Provenance(others=0))
    return replace(made, **values)


def published(recipe):
    """How many rows of each set the authors count, less what the recipe asks for only a part of."""
    rows = tasks()[recipe.task].rows
    return {part: counts[0] for part, counts in rows.items() if part != "train" or not recipe.train_questions}


def rewrite(path, *, sealed=True, **changes):
    """Change parts of a result's file; without a seal it is one from before results had a checksum."""
    content = {**json.loads(path.read_text()), **changes}
    content.pop("checksum", None)
    if sealed:
        content["checksum"] = results.checksum(content)
    path.write_text(json.dumps(content))


def save_references(answers, folder, only=lambda recipe: True):
    """File the smoke suite's own reference runs as results, so that they agree with themselves; returns the recipes."""
    references = json.loads((answers / "smoke" / "reference.json").read_text())["runs"]
    chosen = {name: wanted for name, wanted in recipes(answers).items() if name in references and only(wanted)}
    for name, wanted in chosen.items():
        for seed, scores in references[name]["seeds"].items():
            results.save(folder, result(wanted, int(seed), scores))
    return chosen


def suite(answers, folder, name="smoke", **options):
    return Suite(name, answers, folder, **options)


def cell(own, name, table="table1"):
    return next(found for found in own.table(table).cells if found.id == name)


def judged(own, name, table="table1"):
    """The verdict on a cell, after training what its runs lack."""
    wanted = cell(own, name, table)
    own.obtain(own.needed(wanted).values())
    return own.verdict(wanted)
