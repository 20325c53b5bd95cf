"""What a run comes to: its scores, its counts and its times, epoch by epoch, and how it was trained. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from progbench.errors import BadInput
from progbench.kinds import is_whole
from progbench.recipes.recipe import Recipe
from progbench.runs.predictions import OfEpoch


@dataclass(frozen=True)
class Provenance:
    """How a run was trained, besides its recipe and its machine.

    >>> Provenance.of({"cpu": "EPYC", "side_by_side": "0 2", "others": 0})
    Provenance(side_by_side=(0, 2), batch_parts=1, resumed=0, others=0, trainer='fast')

    `side_by_side` are the seeds that were trained as one model, its own among them. Each batch was trained in
    `batch_parts`. The run was `resumed` so many times. `others` is how many other runs used the device meanwhile, None
    where that was not recorded. In a result's file these fields stand in the environment, without those at their
    default.
    """

    side_by_side: tuple[int, ...] = ()
    batch_parts: int = 1
    resumed: int = 0
    others: int | None = None
    trainer: str = "fast"

    @classmethod
    def of(cls, environment: Mapping[str, Any]) -> Provenance:
        """What the environment in a result's file says of it. Raises ValueError for a seed that is no number."""
        known: dict[str, Any] = {name: environment[name] for name in FIELDS if name in environment}
        if not is_whole(known.get("others")):
            known.pop("others", None)
        if "side_by_side" in known:
            known["side_by_side"] = tuple(map(int, str(known["side_by_side"]).split()))
        return cls(**known)

    def as_environment(self) -> dict[str, str | int]:
        fields = {name: getattr(self, name) for name in FIELDS if getattr(self, name) != getattr(Provenance, name)}
        if self.side_by_side:
            fields["side_by_side"] = " ".join(map(str, self.side_by_side))
        return fields


FIELDS = tuple(Provenance.__dataclass_fields__)


def without(environment: Mapping[str, Any]) -> dict[str, Any]:
    """The rest of a result's environment: the machine, its versions, and the code."""
    return {name: value for name, value in environment.items() if name not in FIELDS}


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
