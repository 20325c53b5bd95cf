"""progbench compare: fine-tuning and Progtuning on your own model and data.

Says what it will take, trains both over several seeds, and ends with how they differ, with an interval, and with what
Progtuning saves. The same command goes on where it stood.

example: progbench compare minilm --train mine.tsv --dev dev.tsv --margin 0.5
"""

import argparse
import functools
import sys
from dataclasses import replace
from pathlib import Path

from progbench import kinds, places
from progbench.commands import plan as plans
from progbench.commands import shared
from progbench.commands.shared import ABSENT, DEVICES, FAILED, FINE, INTERRUPTED, opened
from progbench.errors import BadInput, Missing
from progbench.method.options import TUNINGS
from progbench.models.spec import spec
from progbench.recipes.allowed import ALLOWED
from progbench.recipes.reading import MOST_SEEDS
from progbench.report import cells, printing, text, writing
from progbench.report.cells import plain
from progbench.report.report import Report
from progbench.session import own_data, own_model, own_stated, own_suite, planning, probing, reporting, stopping
from progbench.session.own_suite import Question
from progbench.session.suite import Suite

NUMBERS = {"epochs": int, "batch_size": int, "max_length": int, "learning_rate": float}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a known name, a model's folder, or its name on the hub")
    parser.add_argument("--train", type=Path, required=True, metavar="FILE", help="TSV, CSV, JSON lines, or a folder")
    parser.add_argument("--dev", type=Path, required=True, metavar="FILE", help="what is scored after each epoch")
    parser.add_argument("--text", default="", metavar="A[,B]", help="the column of texts, or the two of pairs")
    parser.add_argument("--label", default="label", metavar="NAME", help="the column of labels (default: label)")
    parser.add_argument("--kind", choices=own_data.KINDS, default="", help="what the labels are (default: by the file)")
    parser.add_argument("--schedules", default="fine-tuning,progtuning", metavar="NAMES", help="default: %(default)s")
    parser.add_argument("--tuning", choices=TUNINGS, default="full", help="what trains inside a block (default: full)")
    parser.add_argument("--lora-targets", default="", metavar="NAMES", help="LoRA's modules (default: query,value)")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="seeds 0 to N-1 (default: 5)")
    parser.add_argument("--margin", type=float, default=1.0, metavar="POINTS", help="what matters to you (default: 1)")
    for name, kind in NUMBERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help="of the recipe")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to train (default: auto)")
    parser.add_argument("--suites", type=Path, metavar="DIR", default=Path("compare"), help="where its suite is kept")
    shared.add(parser, "--runs", "--report", "--log-to")
    parser.add_argument("--plan", action="store_true", help="say what it would take, and train nothing")


def run(options: argparse.Namespace) -> int:
    """Print the plan, train what is missing, report, and end with the answer; the exit codes are those of `run.run`.

    Raises BadInput for a model, data or number that cannot be used.
    """
    asked = _question(options)
    folder = options.suites / asked.suite
    notes = []
    if asked.data.name != own_data.named(options.train):
        notes.append(f"{folder} is its suite: the name without a digest is taken by a comparison of other files")
    own_suite.write(asked, folder)
    places.include([folder])
    notes += own_stated.state(asked, folder, options.runs, keep=not options.plan)
    suite = opened(argparse.Namespace(**{**vars(options), "suite": asked.suite, "seeds": f"0-{asked.seeds - 1}"}))
    found = probing.filled(planning.plan(suite), suite)
    first = [plain(one) for one in (f"{asked.model.name}, {asked.data}", *notes)]
    printing.show(plans.wrapped([*first, *plans.lines(found)]))
    if options.plan:
        return FINE
    say = functools.partial(print, file=sys.stderr, flush=True)
    with stopping.interrupted_when_told():
        try:
            suite.obtain(suite.every_recipe().values(), say, aloud=sys.stderr.isatty())
        except KeyboardInterrupt:
            printing.show("told to end: what is filed is kept; start the same again for the rest")
            return INTERRUPTED
    report = reporting.report(suite)
    report = replace(report, asked=answer(suite, asked, report))
    written = writing.write(report, options.report) if options.report else []
    lines = [text.render(report), *(f"written: {plain(path)}" for path in written), ""]
    printing.show("\n".join([*lines, *(line for one in report.asked for line in text.wrapped(one))]))
    if any(run.error for one in report.ledger for run in one.runs):
        return FAILED
    return FINE if all(suite.runs(one).results for one in suite.every_recipe().values()) else ABSENT


def _question(options: argparse.Namespace) -> Question:
    kinds.require(options.seeds, kinds.whole(1, MOST_SEEDS), "--seeds")
    kinds.require(options.margin, kinds.number("above 0", lambda x: x > 0), "--margin")
    schedules = own_suite.schedules(options.schedules)
    values = {name: value for name in NUMBERS if (value := getattr(options, name)) is not None}
    for name, value in values.items():
        kinds.require(value, ALLOWED[name], f"--{name.replace('_', '-')}")
    if options.lora_targets:
        values["lora_targets"] = options.lora_targets.split(",")
    try:
        model = own_model.describe(options.model)
    except Missing as problem:
        raise BadInput(str(problem)) from None
    if values.get("max_length", 0) > model.readable:
        raise BadInput(f"--max-length {values['max_length']}: {model.name} reads {model.readable} tokens")
    blocks = model.entry.get("blocks") or spec(model.name).blocks
    own_suite.require_different(schedules, blocks, values.get("epochs", own_suite.EPOCHS))
    name, folder = own_stated.home(options.suites, model, options.train, options.dev)
    columns = [one.strip() for one in options.text.split(",") if one.strip()]
    data = own_data.describe(
        options.train, options.dev, folder, name=name, text=columns, label=options.label, kind=options.kind
    )
    own_stated.take(folder, model, options.train, options.dev)
    return Question(model, data, schedules, options.tuning, options.seeds, options.device, options.margin, values)


def answer(suite: Suite, asked: Question, report: Report) -> list[str]:
    """What was asked, in lines: each claim with the paired differences behind it, the costs, and what seeds can see."""
    from progbench.judging import beside  # with scipy

    lines = []
    for schedule in asked.schedules[1:]:
        difference, name = own_suite.difference(suite, asked, schedule), own_suite.called(schedule)
        said = beside.in_words(difference, suite.terms().looks.level)
        lines += [f"{name} less fine-tuning on {asked.data.name}: {said}", beside.could_see(difference, asked.margin)]
    lines += [f"{one.outcome}: {one.sentence}" for one in report.claims]
    for cost in report.costs:
        shares = {"updated parameters": cost.updated, "all FLOPs": cost.flops, "time a step": cost.step_seconds}
        shares["memory"] = cost.memory
        known = [f"{name} {cells.percent(share)}" for name, share in shares.items() if share is not None]
        words = "; ".join([", ".join(known), *cost.unknown])
        lines.append(f"{own_suite.called(cost.schedule)} takes, of fine-tuning's: {words}")
    return lines
