"""What was stated before a run was looked at: margins, numbers of seeds, levels, and the print's spreads. No torch.

They are in expected/paper/difference.toml, for every suite.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from progbench import kinds, places
from progbench.errors import BadInput
from progbench.files import read_toml
from progbench.judging import guards

FILE = "difference.toml"
LEAST_SEEDS = 3  # a difference takes as many: two say nothing of their own spread


@dataclass(frozen=True)
class Looks:
    """The numbers of seeds at which a suite's differences are judged, and the one-sided level of each look."""

    seeds: tuple[int, ...] = (5,)
    level: float = 0.05

    def words(self, seeds: int) -> str:
        """A warning about a number of seeds that was not fixed beforehand, else "".

        >>> Looks((5, 10), 0.03).words(10), Looks().words(7)
        ('', '7 seeds are not the 5 fixed beforehand: whoever stops when it suits errs more often')
        """
        if seeds in self.seeds:
            return ""
        fixed = ", then ".join(map(str, self.seeds))
        return f"{seeds} seeds are not the {fixed} fixed beforehand: whoever stops when it suits errs more often"

    def before(self, seeds: int) -> tuple[int, ...]:
        """The looks that had fewer seeds.

        >>> Looks((5, 10), 0.03).before(10), Looks((5, 10), 0.03).before(5)
        ((5,), ())
        """
        return tuple(look for look in self.seeds if look < seeds)


@dataclass(frozen=True)
class Spread:
    """The standard deviation of one score over seeds, in points; `assumed` says what no source gives."""

    sd: float
    source: str
    assumed: str = ""


@dataclass(frozen=True)
class Terms:
    """Margins in points: on an average, on a task, and a task's second one, which is shown beside it."""

    average: float = 0.5
    task: float = 1.0
    beside: float = 0.5
    looks: Looks = Looks()
    spreads: Mapping[str, Spread] = field(default_factory=dict)


_MARGIN = {"points": kinds.number("from 0 to 100", lambda x: 0 <= x <= 100), "reason": kinds.TEXT}
_LOOKS = {
    "seeds": (
        "a list of numbers of seeds, rising from 3",
        lambda value: (
            isinstance(value, list)
            and bool(value)
            and all(kinds.is_whole(entry) and entry >= LEAST_SEEDS for entry in value)
            and value == sorted({*value})
        ),
    ),
    "level": kinds.number("from 0.001 to 0.2", lambda x: 0.001 <= x <= 0.2),
}
_SPREAD = {"sd": kinds.number("above 0", lambda x: x > 0), "source": kinds.TEXT}


def read(root: Path, suite: str) -> Terms:
    """How a suite's differences are judged. Raises BadInput for a file that is edited, gone or wrong.

    A suite that the file does not name is looked at once, at five seeds. A person's own folder has no such file.
    """
    path = (places.root() / "expected" if places.is_own(root) else root) / "paper" / FILE
    if problem := guards.edited(path.parent, [FILE], printed=True):
        raise BadInput(problem)
    content = kinds.fields(
        read_toml(path), str(path), {"margin": kinds.TABLE, "looks": kinds.TABLE, "spread": kinds.TABLE}
    )
    margins = kinds.fields(content["margin"], f"{path}: margin", {"average": kinds.TABLE, "task": kinds.TABLE})
    average = kinds.fields(margins["average"], f"{path}: margin average", _MARGIN)
    task = kinds.fields(margins["task"], f"{path}: margin task", _MARGIN | {"beside": _MARGIN["points"]})
    looks = {
        name: Looks(tuple(entry["seeds"]), entry["level"])
        for name, entry in content["looks"].items()
        if kinds.fields(entry, f"{path}: looks of {name}", _LOOKS)
    }
    spreads = {
        name: Spread(**entry)
        for name, entry in content["spread"].items()
        if kinds.fields(entry, f"{path}: spread of {name}", _SPREAD, {"assumed": kinds.TEXT})
    }
    return Terms(average["points"], task["points"], task["beside"], looks.get(suite, Looks()), spreads)
