"""What an anatomy is put together from: modules and parameters by path, each with its component and why."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from torch import nn

from progbench.errors import BadInput
from progbench.method.layout import EMBEDDINGS, HEAD

Parameters = tuple[nn.Parameter, ...]
Place: TypeAlias = nn.Module | nn.Parameter | str  # said to be one, so that mypy knows it where torch is missing


@dataclass(frozen=True)
class Piece:
    """Parameters of one module, the component they belong to ("embeddings", "block 0", ..., "head"), and why."""

    component: str
    path: str
    why: str
    parameters: tuple[nn.Parameter, ...]

    @property
    def block(self) -> int:
        """The number of its block; below 0 for embeddings and head."""
        outside = {EMBEDDINGS: -2, HEAD: -1}
        return outside.get(self.component) or int(self.component.removeprefix("block "))


def several(places: Iterable[Place]) -> list[Place]:
    return [places] if isinstance(places, str) else list(places)


def placed(model: nn.Module, component: str, place: Place) -> Piece:
    """A module, a parameter, or a path, as a piece. Raises BadInput for a path that is not in the model."""
    if isinstance(place, str):
        modules, parameters = dict(model.named_modules()), dict(model.named_parameters(remove_duplicate=False))
        if place not in modules and place not in parameters:
            raise BadInput(f"{type(model).__name__} has no module and no parameter {place!r}")
        held = tuple(modules[place].parameters()) if place in modules else (parameters[place],)
        return Piece(component, place, "", held)
    if isinstance(place, nn.Parameter):
        path = next((name for name, parameter in model.named_parameters() if parameter is place), "a parameter")
        return Piece(component, path, "", (place,))
    path = next((name for name, module in model.named_modules() if module is place), "a module")
    return Piece(component, path, "", tuple(place.parameters()))


def assembled(model: nn.Module, pieces: list[Piece]) -> tuple[dict[str, Parameters], list[str]]:
    """The parameters of each component, and the names of those in none.

    A parameter of two components belongs to the first, embeddings before head. Raises BadInput if one is a block.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    components: dict[str, dict[int, nn.Parameter]] = {EMBEDDINGS: {}, HEAD: {}}
    owner: dict[int, str] = {}
    for piece in sorted(pieces, key=lambda own: own.block):
        component = components.setdefault(piece.component, {})
        for parameter in piece.parameters:
            first = owner.setdefault(id(parameter), piece.component)
            if first == piece.component:
                component[id(parameter)] = parameter
            elif piece.component != HEAD:
                raise BadInput(
                    f"{names.get(id(parameter), 'a parameter')} is shared by {first} and {piece.component}: no stage "
                    "can freeze one and train the other"
                )
    left = [name for identity, name in names.items() if identity not in owner]
    return {name: tuple(component.values()) for name, component in components.items()}, left


def shown(name: str, pieces: Iterable[Piece], live: Iterable[nn.Parameter], frozen: Iterable[nn.Parameter]) -> str:
    """The anatomy as a table: a row for E, for each run of blocks of one size, and for H, with elements and paths."""
    left = {id(parameter): parameter.numel() for parameter in live}  # each counts where it comes first
    counts = [(piece, sum(left.pop(id(parameter), 0) for parameter in piece.parameters)) for piece in pieces]
    rows = [_row("E", [(piece, count) for piece, count in counts if piece.component == EMBEDDINGS])]
    blocks: list[tuple[int, str, str]] = []
    of_blocks = sorted((own for own in counts if own[0].block >= 0), key=lambda own: own[0].block)
    for _, group in itertools.groupby(of_blocks, key=lambda own: own[0].block):
        members, sizes = zip(*group, strict=True)
        why = f" ({members[-1].why})" if members[-1].why else ""
        blocks.append((sum(sizes), why, ", ".join(piece.path for piece in members)))
    number = 1
    for (size, why), run in itertools.groupby(blocks, key=operator.itemgetter(0, 1)):
        alike = [paths for *_, paths in run]
        last = number + len(alike) - 1
        if len(alike) == 1:
            rows.append((f"B{number}", size, alike[0] + why))
        else:
            rows.append((f"B{number}-B{last}", size, f"each: {alike[0]} to {alike[-1]}{why}"))
        number = last + 1
    rows.append(_row("H", [(piece, count) for piece, count in counts if piece.component == HEAD]))
    may = sum(count for _, count in counts)
    everything = may + sum(parameter.numel() for parameter in frozen)
    labels, widths = max(len(row[0]) for row in rows), max(len(f"{row[1]:,}") for row in rows)
    lines = [f"{name}: {number - 1} blocks, {everything:,} parameters, {may:,} of them may train"]
    lines += [f"{label:{labels}}  {count:>{widths},}  {paths}".rstrip() for label, count, paths in rows]
    return "\n".join(lines)


def _row(label: str, counts: list[tuple[Piece, int]]) -> tuple[str, int, str]:
    texts = []
    for why, group in itertools.groupby((piece for piece, count in counts if count), key=lambda piece: piece.why):
        paths = ", ".join(piece.path for piece in group)
        texts.append(f"{paths} ({why})" if why else paths)
    return label, sum(count for _, count in counts), "; ".join(texts)
