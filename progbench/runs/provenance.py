"""How a run was trained, besides its recipe and its machine. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from progbench.kinds import is_whole

About = Mapping[str, Any]


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
    def of(cls, environment: About) -> Provenance:
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


def without(environment: About) -> dict[str, Any]:
    """The rest of a result's environment: the machine, its versions, and the code."""
    return {name: value for name, value in environment.items() if name not in FIELDS}
