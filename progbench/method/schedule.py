"""Which blocks train in which epoch: Eq. 2 to 5 of the paper, as plain values. No torch.

A schedule is a list of stages, one an epoch. `part.start` against `part.stop` is the whole of the ablation in section
5.1.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from progbench.errors import BadInput


@dataclass(frozen=True)
class Stage:
    """What one epoch trains: a range of blocks, numbered from 0 at the embeddings; embeddings and head always train."""

    blocks: range


@dataclass(frozen=True)
class Schedule:
    """One stage for each of the T epochs of a model with L blocks.

    >>> schedule = shrinking(L=12, T=3)
    >>> schedule.T, schedule[1]
    (3, Stage(blocks=range(4, 12)))
    """

    name: str
    L: int
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "L", operator.index(self.L))  # a number of numpy's, for one

    @property
    def T(self) -> int:
        return len(self.stages)

    def __len__(self) -> int:
        return len(self.stages)

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    def __getitem__(self, t: int) -> Stage:
        return self.stages[t]


def parts(L: int, T: int) -> list[range]:
    """Cut L blocks into T consecutive parts (Eq. 2).

    >>> parts(12, 3)
    [range(0, 4), range(4, 8), range(8, 12)]
    >>> parts(2, 3)  # more parts than blocks: some are empty, none is lost
    [range(0, 0), range(0, 1), range(1, 2)]

    Eq. 2's floor(L/T) loses blocks when T does not divide L. Part t = [floor(L*t/T), floor(L*(t+1)/T)) equals it where
    T divides L, covers every block once, and gives the totals that Table 3 prints. Raises ValueError unless L and T are
    whole numbers of at least 1; those of numpy and torch are taken too.
    """
    for name, value in (("L", L), ("T", T)):
        try:
            number = 0 if isinstance(value, bool) else operator.index(value)
        except TypeError:
            number = 0
        if number < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    L, T = operator.index(L), operator.index(T)
    return [range(L * t // T, L * (t + 1) // T) for t in range(T)]


def constant(L: int, T: int) -> Schedule:
    """Train every block in every epoch: ordinary fine-tuning, the paper's baseline.

    >>> constant(L=2, T=2).stages
    (Stage(blocks=range(0, 2)), Stage(blocks=range(0, 2)))
    """
    return Schedule("constant", L, tuple(Stage(range(L)) for _ in parts(L, T)))


def shrinking(L: int, T: int) -> Schedule:
    """Train parts t to T in epoch t: Progtuning (Eq. 3).

    >>> [stage.blocks for stage in shrinking(L=12, T=3)]
    [range(0, 12), range(4, 12), range(8, 12)]
    """
    return Schedule("shrinking", L, tuple(Stage(range(part.start, L)) for part in parts(L, T)))


def without_low_blocks(L: int, T: int) -> Schedule:
    """Train parts t+1 to T in epoch t, so that the lowest part never trains (Eq. 4).

    >>> [stage.blocks for stage in without_low_blocks(L=12, T=3)]
    [range(4, 12), range(8, 12), range(12, 12)]

    The last stage trains embeddings and head alone. Raises ValueError when T > L: the first part would be empty, so
    the schedule would leave out nothing (the paper uses T = 3 on 12 blocks).
    """
    divided = parts(L, T)
    if T > L:
        raise ValueError(
            f"without_low_blocks needs T <= L, got T={T}, L={L}: with more epochs than blocks the first part of Eq. 2 "
            "is empty, so no block would be left out"
        )
    return Schedule("without_low_blocks", L, tuple(Stage(range(part.stop, L)) for part in divided))


def growing(L: int, T: int) -> Schedule:
    """Train the highest part first and end with all of them (Eq. 5): shrinking, reversed.

    >>> [stage.blocks for stage in growing(L=12, T=3)]
    [range(8, 12), range(4, 12), range(0, 12)]
    """
    return Schedule("growing", L, shrinking(L, T).stages[::-1])


def single_block(L: int, T: int, i: int) -> Schedule:
    """Train block i alone in every epoch, i from 0 (Figure 1); its name counts from 1, as the paper's B1 to BL do.

    >>> schedule = single_block(L=12, T=3, i=11)
    >>> schedule.name, [stage.blocks for stage in schedule]
    ('single_block_b12', [range(11, 12), range(11, 12), range(11, 12)])

    Raises ValueError for a block there is not.
    """
    epochs = len(parts(L, T))
    if i not in range(L):
        raise ValueError(f"i must be a block from 0 to {L - 1}, got {i!r}")
    return Schedule(f"single_block_b{i + 1}", L, (Stage(range(i, i + 1)),) * epochs)


def named(name: str, L: int, T: int) -> Schedule:
    """The schedule a recipe names: one of SCHEDULES, or single_block_b1 to single_block_b<L>.

    Raises ValueError for an unknown name, a block there is not, or a T the schedule does not allow.
    """
    if name in SCHEDULES:
        return SCHEDULES[name](L, T)
    if not (number := _single_block(name)):
        paper = ", ".join(f"{theirs} is {name_here}" for theirs, name_here in PAPERS.items())
        known = f"{', '.join(SCHEDULES)}, single_block_b1 to _b{L} ({paper})"
        raise ValueError(f"unknown schedule {name!r}: known are {known}")
    return single_block(L, T, int(number) - 1)


def _single_block(name: str) -> str:
    """The block's number as text, "" for another name: `int` raises ValueError for thousands of digits."""
    number = name.removeprefix("single_block_b")
    return number if number != name and number.isdecimal() else ""


def ours(name: str) -> str:
    """A schedule's name here, which a person may have called as the paper does.

    >>> ours("progtuning"), ours("growing")
    ('shrinking', 'growing')
    """
    return PAPERS.get(name, name)


def require_name(name: str, where: str) -> None:
    """Raise BadInput, naming the place, for what no schedule of any depth is called."""
    if ours(name) not in SCHEDULES and not _single_block(name):
        known = ", ".join([*PAPERS, *SCHEDULES])
        raise BadInput(f"{where}: unknown schedule {name!r}: known are {known}, single_block_b1 and so on")


def in_our_words(text: str) -> str:
    """What a person wrote, with the names that schedules have here in the place of the paper's.

    >>> in_our_words("minilm-progtuning-rte or minilm-fine-tuning-rte")
    'minilm-shrinking-rte or minilm-constant-rte'
    """
    for paper, ours in PAPERS.items():
        text = text.replace(paper, ours)
    return text


def shared_epochs(schedules: Iterable[Schedule]) -> int:
    """How many epochs, from the first one on, are the same in all of them: those need to be trained only once.

    >>> shared_epochs([constant(12, 3), shrinking(12, 3)]), shared_epochs([constant(12, 3), growing(12, 3)])
    (1, 0)
    """
    return sum(1 for _ in itertools.takewhile(lambda column: len({*column}) == 1, zip(*schedules, strict=True)))


def require_depth(schedule: Schedule, blocks: int, name: str) -> None:
    """Raise BadInput unless the schedule was cut for a model of this many blocks."""
    if blocks != schedule.L:
        raise BadInput(f"the schedule {schedule.name} is cut for L={schedule.L} blocks, but {name} has {blocks}")


# What the paper calls two of them; a person may, too.
PAPERS = {"fine-tuning": "constant", "progtuning": "shrinking"}
SCHEDULES = {make.__name__: make for make in (constant, shrinking, without_low_blocks, growing)}
