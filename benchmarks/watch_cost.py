"""What watching a stage costs a step of BERT-base on this CPU: steps with and without it, in turn, in one run.

    python benchmarks/watch_cost.py [--rounds 10] [--rows 8] [--length 128]

Random weights, half of the blocks frozen, AdamW. The two kinds of steps differ by less than a busy machine's noise, so
the watch's own seconds are taken, too, and judged: exit code 1 if they are more than 1 % of a step.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import statistics
import sys
import time
from collections.abc import Callable

import torch
import transformers

from progbench.method.anatomy import Anatomy
from progbench.method.loops import LoopWatch
from progbench.method.schedule import Stage
from progbench.method.watch import StageWatch

MOST = 0.01  # of a step
STAGE = Stage(range(6, 12))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="steps of each kind (default: 10)")
    parser.add_argument("--rows", type=int, default=8, help="texts in a batch (default: 8)")
    parser.add_argument("--length", type=int, default=128, help="tokens in a text (default: 128)")
    options = parser.parse_args()
    without, watched, own, begin = measured(options.rounds, options.rows, options.length)
    step, share = statistics.median(without), statistics.median(own) / statistics.median(without)
    print(f"a step without the watch: {step:.3f} s; with it: {statistics.median(watched):.3f} s (medians)")
    print(f"the watch itself: {1000 * statistics.median(own):.2f} ms a step, {100 * share:.3f} % (allowed: 1 %)")
    print(f"its first look, once a stage: {1000 * begin:.1f} ms")
    return int(share > MOST)


def measured(rounds: int, rows: int, length: int) -> tuple[list[float], list[float], list[float], float]:
    """Seconds of steps without and with the watch, of the watch itself a step, and of its beginning."""
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(transformers.BertConfig())
    anatomy = Anatomy.of(model)
    optimizer = torch.optim.AdamW(anatomy.parameters(), lr=1e-5)
    batch = {"input_ids": torch.randint(5, 30_000, (rows, length)), "labels": torch.arange(rows) % 2}

    def step() -> None:
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    anatomy.freeze(STAGE)
    watch, own = StageWatch(anatomy), [0.0]
    begin = seconds(functools.partial(watch.enter, STAGE))
    watch.before_step = timed(watch.before_step, own)  # type: ignore[method-assign]
    watch.after_step = timed(watch.after_step, own)  # type: ignore[method-assign]
    loop = LoopWatch(watch, anatomy.parameters(), anatomy.names())
    step()  # the first step makes the optimizer's moments
    times: dict[bool, list[float]] = {False: [], True: []}
    each = []
    for number in range(2 * rounds):
        on = number % 2 == 1
        own[0] = 0.0
        with loop if on else contextlib.nullcontext():
            times[on].append(seconds(step))
        each += [own[0]] if on else []
    return times[False], times[True], each, begin


def seconds(what: Callable[[], object]) -> float:
    before = time.perf_counter()
    what()
    return time.perf_counter() - before


def timed(what: Callable, total: list[float]) -> Callable:
    """The same, with its seconds added to a total."""

    @functools.wraps(what)
    def call(*arguments):
        before = time.perf_counter()
        try:
            return what(*arguments)
        finally:
            total[0] += time.perf_counter() - before

    return call


if __name__ == "__main__":
    sys.exit(main())
