"""Which modules of a model are E, a block or H, by their paths."""

from progbench import Anatomy


def parts(model):
    """The paths of E and of H."""
    pieces = Anatomy.of(model).pieces
    return [{piece.path for piece in pieces if piece.component == part} for part in ("embeddings", "head")]


def paths(anatomy, number):
    """The paths of a block."""
    return [piece.path for piece in anatomy.pieces if piece.component == f"block {number}"]
