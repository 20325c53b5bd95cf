"""The two ways an input can be unusable, and what each makes of a cell."""


class Missing(Exception):
    """Something the run needs is not here (weights, data, a GPU): the cell is `missing`, with this sentence."""


class BadInput(ValueError):
    """Something is here but wrong (a broken line, an unknown field): the cell is `error`, with this sentence.

    The sentence says where (file and line, or field) and what would be right.
    """
