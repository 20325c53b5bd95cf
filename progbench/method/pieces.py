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
    order = {EMBEDDINGS: -2, HEAD: -1}
    for piece in sorted(pieces, key=lambda own: order.get(own.component) or int(own.component.removeprefix("block "))):
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
    trains = {id(parameter) for parameter in live}
    seen: set[int] = set()
    counts: list[tuple[Piece, int]] = []
    for piece in pieces:
        own = [p for p in piece.parameters if id(p) in trains and not (id(p) in seen or seen.add(id(p)))]  # type: ignore
        counts.append((piece, sum(parameter.numel() for parameter in own)))
    rows = [_row("E", [(piece, count) for piece, count in counts if piece.component == EMBEDDINGS])]
    blocks: dict[str, tuple[int, list[str], str]] = {}
    for piece, count in counts:
        if piece.component not in (EMBEDDINGS, HEAD):
            before, paths, _ = blocks.setdefault(piece.component, (0, [], ""))
            blocks[piece.component] = (before + count, [*paths, piece.path], f" ({piece.why})" if piece.why else "")
    upwards = [blocks[one] for one in sorted(blocks, key=lambda one: int(one.removeprefix("block ")))]
    number = 1
    for (size, why), group in itertools.groupby(upwards, key=operator.itemgetter(0, 2)):
        alike = [", ".join(paths) for _, paths, _ in group]
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
