"""What a run comes to: its scores, its counts and its times, epoch by epoch. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from progbench.errors import BadInput
from progbench.recipes.recipe import Recipe
from progbench.runs.predictions import OfEpoch
from progbench.runs.provenance import Provenance


@dataclass(frozen=True)
class EpochResult:
    """One epoch: scores as fractions by evaluation set and metric, updated parameters, mean loss, training seconds.

    `steps` are the optimizer's, `flops` the floating-point operations of all of them (`flops.step_flops`); None where
    that is not known. `cpu_seconds` are those that the process had while it trained. `predictions` are filed beside the
    result (`runs.predictions`), so a result that was read has none here.
    """

    scores: dict[str, dict[str, float]]
    updated_parameters: int
    loss: float
    seconds: float
    steps: int | None = None
    flops: int | None = None
    cpu_seconds: float | None = None
    predictions: OfEpoch = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class RunResult:
    """One recipe trained with one seed; `error` says why there are no epochs, `final` that trying again is useless.

    `notes` are sentences that a reader of its scores should see. Of seeds that were trained side by side, times are a
    seed's share, and peak memory is that of all together. `session` is the one that filed it, and `sealed` whether its
    file has a checksum. `predictions` name the file of its predictions, and their checksum.
    """

    recipe: Recipe
    seed: int
    epochs: tuple[EpochResult, ...] = ()
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    fingerprints: dict[str, str] = field(default_factory=dict)
    examples: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    environment: dict[str, str | int] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    error: str = ""
    final: bool = True
    session: str = ""
    sealed: bool = True
    predictions: dict[str, str] = field(default_factory=dict)

    @property
    def about(self) -> dict[str, str | int]:
        return self.environment | self.provenance.as_environment()

    def completed(self, *notes: str, others: int | None = None, session: str = "") -> RunResult:
        """Complete the result by what its session knows: notes, how many `others` ran beside it, and its name."""
        known = self.provenance.others if self.provenance.resumed else others
        return replace(
            self, notes=(*self.notes, *notes), provenance=replace(self.provenance, others=known), session=session
        )

    def score(self, evaluation_set: str, metric: str) -> float:
        """The last epoch's score, in points (0 to 100). Raises BadInput, saying why, where there is none."""
        if self.error:
            raise BadInput(self.error)
        try:
            return 100 * self.epochs[-1].scores[evaluation_set][metric]
        except (KeyError, TypeError):
            raise BadInput(
                f"its result has no {metric} of {evaluation_set}; delete it to run this seed again"
            ) from None
