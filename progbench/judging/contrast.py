"""One schedule less another in one column: as the paper prints it, and on our runs, paired by seed.

A contrast is what the paper is about: Progtuning less fine-tuning, or an ablation less Progtuning. Pure: no files, no
torch. The interval is Student's over seeds, so it says what new seeds on the same examples would do.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from progbench.judging.resolution import beyond

HIGHER, LOWER, WITHIN = "higher", "lower", "within noise"


@dataclass(frozen=True)
class Contrast:
    """`schedule` less `against`, for one model and tuning (`body`) in one column, in points.

    `printed` is the paper's own difference, None where it prints none or of two metrics; `margin` that of the cells.
    `seeds` are ours by seed, with the mean and its interval at 90 %; `missing` says why there are none. `updated` and
    `flops` are what `schedule` takes as shares of `against`, by arithmetic alone. `whole` marks an average.
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
    missing: str = ""
    updated: float | None = None
    flops: float | None = None

    @property
    def on_print(self) -> str:
        """What the print says by the margin: "higher", "lower" or "within noise"; "" where it has no difference.

        >>> Contrast("Table 1", "m", "shrinking", "constant", "QQP", False, printed=-0.6, margin=0.3).on_print
        'lower'
        """
        if self.printed is None:
            return ""
        return (HIGHER if self.printed > 0 else LOWER) if beyond(self.printed, self.margin) else WITHIN


def paired(seeds: Mapping[int, float], least_sd: float = 0.0) -> dict[str, float | None]:
    """The mean of differences by seed, and from two seeds on its interval, as a Contrast has them.

    >>> paired({0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0, 4: 5.0})  # sd 1.581: 3 ± 2.132 · 1.581 / √5
    {'mean': 3.0, 'low': 1.4925574474018203, 'high': 4.50744255259818}
    """
    if not seeds:
        return {"mean": None, "low": None, "high": None}
    low = high = None
    if len(seeds) > 1:
        from progbench.judging import decision  # scipy is loaded where scores are judged

        low, high = decision.interval_of_mean(list(seeds.values()), decision.ALPHA, least_sd)
    return {"mean": statistics.fmean(seeds.values()), "low": low, "high": high}
