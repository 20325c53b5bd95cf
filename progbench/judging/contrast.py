"""Progtuning less another schedule in one column: as printed, on our runs, and the cost.

A contrast is a line of the answer. It judges nothing itself: `on_print` reads the printed difference by the margin of
its cells, and `compare` judges our runs, if there are seeds enough.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from progbench.judging.compared import Compared
from progbench.judging.resolution import beyond

HIGHER, LOWER, WITHIN = "higher", "lower", "within noise"


@dataclass(frozen=True)
class Contrast:
    """`schedule` less `against`, for one model and tuning (`body`) in one column, in points.

    `printed` is the paper's own difference, None if it prints none or of two metrics; `margin` that of the cells.
    `seeds` are ours by seed, `mean` their mean. From `low` to `high` is its interval, and `word` what that shows
    against `loss` points; None and "" with too few seeds. `counts` are the fewest and most seeds of the tasks behind
    it, `over` the tasks of an average. `missing` says why there are none. `updated` and `flops` are what `schedule`
    takes as shares of `against`, by arithmetic alone. `whole` marks an average, and `tuning` is the body's.
    """

    table: str
    body: str
    schedule: str
    against: str
    column: str
    whole: bool
    printed: float | None = None
    margin: float = 0.0
    seeds: Mapping[int, float] = field(default_factory=dict)
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    word: str = ""
    loss: float | None = None
    counts: tuple[int, ...] = ()
    over: tuple[str, ...] = ()
    missing: str = ""
    updated: float | None = None
    flops: float | None = None
    tuning: str = "full"

    @property
    def on_print(self) -> str:
        """What the print says by the margin: "higher", "lower" or "within noise"; "" if it has no difference."""
        if self.printed is None:
            return ""
        return (HIGHER if self.printed > 0 else LOWER) if beyond(self.printed, self.margin) else WITHIN

    def on_runs(self, seeds: Mapping[int, float], compared: Compared | None = None) -> Contrast:
        """The contrast with our runs: the verdict on them, or with too few their mean alone."""
        if compared is None:
            return replace(self, seeds=seeds, mean=statistics.fmean(seeds.values()) if seeds else None)
        verdict = {"mean": compared.difference, "low": compared.low, "high": compared.high, "loss": compared.margin}
        return replace(self, seeds=seeds, word=compared.word, counts=compared.seeds, over=compared.over, **verdict)
